//! What hides users who block each other from each other.

use std::collections::HashSet;
use std::sync::Arc;

use crate::StoreError;
use crate::caller::{Caller, UserCaller};
use crate::permissions::viewer;
use crate::ports::Relationships;
use crate::user::User;
use crate::values::UserId;

/// Tells whether only the store knows if one who was sought, found or not, is hidden from a viewer.
pub(super) fn is_doubtful(viewer: &UserCaller, id: UserId, user: Option<&User>) -> bool {
    id != viewer.id
        && match user {
            Some(user) if !user.is_deleted() => viewer.has_blocks || user.has_blocks,
            _ => true,
        }
}

/// Hides from a caller who blocks it, and whom it blocks.
///
/// The store is asked only where the caller or the user is known to block anybody: for most it is not. It is asked for who
/// is not there as well: otherwise the time of an answer, or its failure while the store is away, would tell who hides
/// from nobody.
#[derive(Clone)]
pub(super) struct Veil {
    pub(super) relationships: Arc<dyn Relationships>,
}

impl Veil {
    /// Tells who of those that were sought, found or not, is hidden from a caller.
    pub(super) async fn hidden_from(
        &self,
        caller: &Caller,
        sought: impl Iterator<Item = (UserId, Option<&User>)>,
    ) -> Result<HashSet<UserId>, StoreError> {
        let Some(viewer) = viewer(caller) else {
            return Ok(HashSet::new());
        };
        let doubtful = sought
            .filter(|(id, user)| is_doubtful(viewer, *id, *user))
            .map(|(id, _)| id);
        let mut doubtful: Vec<UserId> = doubtful.collect();
        if doubtful.is_empty() {
            return Ok(HashSet::new());
        }
        doubtful.sort_unstable();
        doubtful.dedup();
        self.relationships.hidden_from(viewer.id, &doubtful).await
    }
}
