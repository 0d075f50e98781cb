//! Shows the relationships of a user to other users.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{FindUser, FindUserError};
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit, viewer};
use crate::ports::{Perspective, Relationships, UserKey};
use crate::relationship::RelationshipFlags;
use crate::values::UserId;
use crate::{Freshness, StoreError};

/// The maximum number of ids in one call.
pub const MAX_RELATIONSHIP_IDS: usize = 200;

/// The relationship of a user to another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relationship {
    /// The id of the other user.
    pub id: UserId,
    /// The relationship to that user.
    pub flags: RelationshipFlags,
}

/// Why no relationships were returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShowRelationshipsError {
    /// The user was not found, or the caller has no permission.
    #[error(transparent)]
    User(#[from] FindUserError),
    /// There are more than [`MAX_RELATIONSHIP_IDS`].
    #[error("there are more than {MAX_RELATIONSHIP_IDS} ids")]
    TooMany,
}

/// Shows the relationships of a user to other users.
#[derive(Clone)]
pub struct ShowRelationships {
    pub(super) find_user: FindUser,
    pub(super) relationships: Arc<dyn Relationships>,
}

impl ShowRelationships {
    /// Checks the caller's permission before its query is parsed.
    pub fn permit(caller: &Caller, user: UserId) -> Result<(), Denied> {
        permit(caller, Action::ReadRelationships(user))
    }

    /// Returns an answer for each id, in order; none if that user does not exist or blocks the calling user, or the id
    /// is invalid.
    ///
    /// A repeated id is looked up once. Otherwise one id many times would multiply the work that differs between a user
    /// that does not exist and one that blocks the caller.
    pub async fn run(
        &self,
        caller: &Caller,
        user: UserId,
        others: &[String],
        freshness: Freshness,
    ) -> Result<Vec<Option<Relationship>>, ShowRelationshipsError> {
        Self::permit(caller, user).map_err(FindUserError::from)?;
        if others.len() > MAX_RELATIONSHIP_IDS {
            return Err(ShowRelationshipsError::TooMany);
        }
        let key = UserKey::Id(user);
        self.find_user
            .find_permitted(caller, &key, freshness)
            .await?;
        let parsed: Vec<Option<UserId>> =
            others.iter().map(|text| UserId::parse(text).ok()).collect();
        let distinct: BTreeSet<UserId> = parsed.iter().flatten().copied().collect();
        let ids: Vec<UserId> = distinct.into_iter().collect();
        let perspective = match viewer(caller) {
            Some(_) => Perspective::Own,
            None => Perspective::All,
        };
        let flags = self.flags(user, &ids, perspective).await?;
        let found: HashMap<UserId, Option<RelationshipFlags>> =
            ids.into_iter().zip(flags).collect();
        Ok(parsed
            .into_iter()
            .map(|id| {
                let id = id?;
                let flags = (*found.get(&id)?)?;
                Some(Relationship { id, flags })
            })
            .collect())
    }

    async fn flags(
        &self,
        user: UserId,
        others: &[UserId],
        perspective: Perspective,
    ) -> Result<Vec<Option<RelationshipFlags>>, FindUserError> {
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let flags: Result<_, StoreError> = self
            .relationships
            .relationship_flags(user, others, perspective)
            .await;
        Ok(flags?)
    }
}
