//! Shows what others are to a user.

use std::sync::Arc;

use super::{FindUser, FindUserError};
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit, viewer};
use crate::ports::{Eyes, Relationships, UserKey};
use crate::relationship::Ties;
use crate::values::UserId;
use crate::{Freshness, StoreError};

/// The most others of one call.
pub const MAX_TIES: usize = 200;

/// What another is to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relationship {
    /// Who the other is.
    pub id: UserId,
    /// What they are to each other.
    pub ties: Ties,
}

/// Why nothing is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShowRelationshipsError {
    /// The user is not shown.
    #[error(transparent)]
    User(#[from] FindUserError),
    /// There are more than [`MAX_TIES`].
    #[error("there are more than {MAX_TIES} others")]
    TooMany,
}

/// Shows what others are to a user.
#[derive(Clone)]
pub struct ShowRelationships {
    pub(super) find_user: FindUser,
    pub(super) relationships: Arc<dyn Relationships>,
}

impl ShowRelationships {
    /// Tells whether the caller may see this of a user at all, before its query is looked at.
    pub fn permit(caller: &Caller, user: UserId) -> Result<(), Denied> {
        permit(caller, Action::ReadRelationships(user))
    }

    /// Gives an answer for each of the others, in their order; none where nobody is, or nobody can be, or where the other
    /// blocks the user who asks.
    pub async fn run(
        &self,
        caller: &Caller,
        user: UserId,
        others: &[String],
        freshness: Freshness,
    ) -> Result<Vec<Option<Relationship>>, ShowRelationshipsError> {
        Self::permit(caller, user).map_err(FindUserError::from)?;
        if others.len() > MAX_TIES {
            return Err(ShowRelationshipsError::TooMany);
        }
        let key = UserKey::Id(user);
        self.find_user.shown(caller, &key, freshness).await?;
        let parsed: Vec<Option<UserId>> =
            others.iter().map(|text| UserId::parse(text).ok()).collect();
        let ids: Vec<UserId> = parsed.iter().flatten().copied().collect();
        let eyes = match viewer(caller) {
            Some(_) => Eyes::Own,
            None => Eyes::All,
        };
        let ties = self.ties(user, &ids, eyes).await?;
        let mut found = ties.into_iter();
        Ok(parsed
            .into_iter()
            .map(|id| {
                let id = id?;
                let ties = found.next()??;
                Some(Relationship { id, ties })
            })
            .collect())
    }

    async fn ties(
        &self,
        user: UserId,
        others: &[UserId],
        eyes: Eyes,
    ) -> Result<Vec<Option<Ties>>, FindUserError> {
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let told: Result<_, StoreError> = self.relationships.ties(user, others, eyes).await;
        Ok(told?)
    }
}
