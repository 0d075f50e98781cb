//! Authenticates a caller and finds one user, in one step.

use std::sync::Arc;

use super::authenticate::{Authenticate, AuthenticateError, Credential, Verified, admit};
use super::find_user::{FindUser, FindUserError, FoundView, UserSelector};
use crate::caller::Caller;
use crate::ports::{UserKey, UserKeys, VerifiedToken};
use crate::values::UserId;
use crate::{CachedUsers, Freshness, Reading, StoreError};

/// Authenticates a caller and finds one user: [`Authenticate`] and then [`FindUser`], which decide.
///
/// If the caller is not in the in-process cache, both users are read in one query. The token names the caller, so the
/// second read does not depend on the first.
#[derive(Clone)]
pub struct ReadUser {
    pub(super) users: Arc<CachedUsers>,
    pub(super) authenticate: Authenticate,
    pub(super) find_user: FindUser,
}

/// An authenticated caller, and the result of its read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedRead {
    /// The caller.
    pub caller: Caller,
    /// The user in the view of the caller.
    pub found: Result<FoundView, FindUserError>,
}

/// What a read finds without waiting.
#[derive(Debug)]
pub enum ReadNow {
    /// The result.
    Done(Result<AuthenticatedRead, AuthenticateError>),
    /// The read has to wait. The token, if it was verified.
    Waits(Option<VerifiedToken>),
}

impl ReadUser {
    /// Authenticates the caller and finds the user in the in-process caches, without waiting. Current data always has to
    /// wait.
    pub fn now(
        &self,
        credential: &Credential,
        selector: &UserSelector,
        freshness: Freshness,
    ) -> ReadNow {
        if freshness == Freshness::Current {
            return ReadNow::Waits(None);
        }
        let Some(token) = self.authenticate.verify_cached(credential) else {
            return ReadNow::Waits(None);
        };
        let Some(subject) = self.users.peek(&token.subject) else {
            return ReadNow::Waits(Some(token));
        };
        let caller = match admit(&token, subject.user.as_deref()) {
            Ok(caller) => caller,
            Err(rejection) => return ReadNow::Done(Err(rejection.into())),
        };
        match self.find_user.find_now(&caller, selector) {
            Some(found) => ReadNow::Done(Ok(AuthenticatedRead { caller, found })),
            None => ReadNow::Waits(Some(token)),
        }
    }

    /// Authenticates the caller and finds the user. `verified` is the token, if [`ReadUser::now`] has verified it.
    ///
    /// # Errors
    /// [`AuthenticateError`] if the caller is not authenticated.
    pub async fn run(
        &self,
        credential: &Credential,
        verified: Option<VerifiedToken>,
        selector: &UserSelector,
        freshness: Freshness,
    ) -> Result<AuthenticatedRead, AuthenticateError> {
        let verified = match verified {
            Some(token) => Verified::User(token),
            None => self.authenticate.verify(credential).await?,
        };
        let caller = match &verified {
            Verified::User(token) => match self.users.peek(&token.subject) {
                Some(subject) => admit(token, subject.user.as_deref())?,
                None => match pair(token, selector) {
                    Some(ids) if freshness == Freshness::Bounded => {
                        return self.read_pair(token, selector, ids).await;
                    }
                    _ => self.authenticate.admit(verified).await?,
                },
            },
            Verified::Service(_) => self.authenticate.admit(verified).await?,
        };
        let found = self.find_user.run(&caller, selector, freshness).await;
        Ok(AuthenticatedRead { caller, found })
    }

    async fn read_pair(
        &self,
        token: &VerifiedToken,
        selector: &UserSelector,
        ids: [UserId; 2],
    ) -> Result<AuthenticatedRead, AuthenticateError> {
        let keys = UserKeys::Ids(ids.to_vec());
        let readings = self.users.read_many(&keys, Freshness::Bounded).await?;
        let Ok([subject, user]) = <[Reading; 2]>::try_from(readings) else {
            let cause = "a read of two users did not return two readings";
            return Err(StoreError::Internal(cause.into()).into());
        };
        let caller = admit(token, subject.user.as_deref())?;
        let found = self.find_user.show(&caller, selector, user).await;
        Ok(AuthenticatedRead { caller, found })
    }
}

/// Returns the ids of the caller and of the requested user, if both are known before a read.
fn pair(token: &VerifiedToken, selector: &UserSelector) -> Option<[UserId; 2]> {
    let (UserKey::Id(subject), UserSelector::Id(id)) = (&token.subject, selector) else {
        return None;
    };
    Some([*subject, UserId::parse(id).ok()?])
}
