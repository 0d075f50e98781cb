//! Hides users from each other if one of them blocks the other.

use std::collections::HashSet;
use std::sync::Arc;

use crate::StoreError;
use crate::caller::{Caller, UserCaller};
use crate::permissions::viewer;
use crate::ports::Relationships;
use crate::user::User;
use crate::values::UserId;

/// Whether the store must be queried for a block between a viewer and a requested user, which was found or not.
pub(super) fn needs_block_check(viewer: &UserCaller, id: UserId, user: Option<&User>) -> bool {
    id != viewer.id
        && match user {
            Some(user) if !user.is_deleted() => viewer.has_blocks || user.has_blocks,
            _ => true,
        }
}

/// Whether the store must be queried for a block between a caller and a requested user.
pub(super) fn needs_query(caller: &Caller, id: UserId, user: Option<&User>) -> bool {
    viewer(caller).is_some_and(|viewer| needs_block_check(viewer, id, user))
}

/// Hides users from a calling user if one blocks the other.
///
/// The store is queried only if the caller or the user is known to have blocks, which is rare. It is also queried for
/// users that do not exist. Otherwise the response time, or an error while the store is unavailable, would distinguish
/// a hidden user from one that does not exist.
#[derive(Clone)]
pub(super) struct BlockVisibility {
    pub(super) relationships: Arc<dyn Relationships>,
}

impl BlockVisibility {
    /// Returns the users that are hidden from a caller, among requested users that were found or not.
    pub(super) async fn hidden_from(
        &self,
        caller: &Caller,
        requested: impl Iterator<Item = (UserId, Option<&User>)>,
    ) -> Result<HashSet<UserId>, StoreError> {
        let Some(viewer) = viewer(caller) else {
            return Ok(HashSet::new());
        };
        let candidates = requested
            .filter(|(id, user)| needs_block_check(viewer, *id, *user))
            .map(|(id, _)| id);
        let mut candidates: Vec<UserId> = candidates.collect();
        if candidates.is_empty() {
            return Ok(HashSet::new());
        }
        candidates.sort_unstable();
        candidates.dedup();
        self.relationships.hidden_from(viewer.id, &candidates).await
    }
}
