//! Shows one user to a person whose token was verified before.

use std::sync::Arc;

use super::authenticate::caller;
use super::find_user::FoundView;
use super::veil::is_doubtful;
use crate::caller::Caller;
use crate::permissions::{Action, permit, viewer};
use crate::ports::{Hit, TokenVerifier, UserCache, UserKey, UserKeys, VerifiedToken};
use crate::user::User;
use crate::values::UserId;
use crate::view::view;
use crate::{CachedUsers, Freshness, Source, StoreError};

/// Shows one user to a person whose token was verified before: what [`super::Authenticate`] and [`super::FindUser`] would
/// answer, and nothing where they might have to refuse.
///
/// Most reads are such. Such a token names the caller before anything was read, so that neither has to wait for the other.
#[derive(Clone)]
pub struct RecallUser {
    pub(super) tokens: Arc<dyn TokenVerifier>,
    pub(super) cache: Arc<dyn UserCache>,
    pub(super) users: Arc<CachedUsers>,
}

impl RecallUser {
    /// Shows a user from what is at hand; nothing where something has to be waited for.
    pub fn run(&self, token: &str, id: UserId) -> Option<(Caller, FoundView)> {
        let (token, subject) = self.token(token)?;
        let (subject, hit) = self.known(subject)?;
        let caller = admitted(&token, &subject)?;
        let (user, hit) = if subject.id == id {
            (subject, hit)
        } else {
            self.known(id)?
        };
        shown(caller, user, Source::Cache(hit.tier, hit.vouched_by))
    }

    /// Shows a user that may have to be read, and reads the caller beside it where that is not at hand.
    ///
    /// # Errors
    /// The store's.
    pub async fn read(
        &self,
        token: &str,
        id: UserId,
        freshness: Freshness,
    ) -> Result<Option<(Caller, FoundView)>, StoreError> {
        let Some((token, subject)) = self.token(token) else {
            return Ok(None);
        };
        let (caller, reading) = match (self.known(subject), freshness) {
            (Some((subject, _)), _) => {
                let Some(caller) = admitted(&token, &subject) else {
                    return Ok(None);
                };
                let reading = self.users.read(&UserKey::Id(id), freshness).await?;
                (Some(caller), Some(reading))
            }
            (None, Freshness::Bounded) => {
                let both = UserKeys::Ids(vec![subject, id]);
                let readings = self.users.read_many(&both, freshness).await?;
                let mut readings = readings.into_iter();
                let subject = readings.next().and_then(|subject| subject.user);
                let caller = subject.and_then(|subject| admitted(&token, &subject));
                (caller, readings.next())
            }
            (None, Freshness::Current) => return Ok(None),
        };
        let found = caller.zip(reading).and_then(|(caller, reading)| {
            let user = reading.user?;
            shown(caller, user, reading.source)
        });
        Ok(found)
    }

    /// Gives what a token says that was verified before, and whom it names by id.
    fn token(&self, token: &str) -> Option<(VerifiedToken, UserId)> {
        let token = self.tokens.remembered(token)?;
        match token.subject {
            UserKey::Id(subject) => Some((token, subject)),
            UserKey::Username(_) | UserKey::Email(_) | UserKey::ExternalId(_) => None,
        }
    }

    fn known(&self, id: UserId) -> Option<(Arc<User>, Hit)> {
        let hit = self.cache.known(id)?;
        Some((hit.user.clone()?, hit))
    }
}

/// Gives the caller that a token and its subject make, if it may read.
fn admitted(token: &VerifiedToken, subject: &User) -> Option<Caller> {
    caller(token, subject).filter(|caller| permit(caller, Action::Read).is_ok())
}

/// Shows a user that is certainly to be seen by a caller.
fn shown(caller: Caller, user: Arc<User>, source: Source) -> Option<(Caller, FoundView)> {
    let may_be_hidden =
        viewer(&caller).is_some_and(|viewer| is_doubtful(viewer, user.id, Some(&user)));
    if user.is_deleted() || may_be_hidden {
        return None;
    }
    let view = view(user, &caller);
    Some((caller, FoundView { view, source }))
}
