//! Counts who follow users, and whom they follow.

use std::sync::Arc;

use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::viewer;
use crate::ports::Relationships;
use crate::relationship::Counts;
use crate::values::UserId;
use crate::view::UserView;

/// Counts who follow users, and whom they follow.
#[derive(Clone)]
pub struct CountRelationships {
    pub(super) relationships: Arc<dyn Relationships>,
}

impl CountRelationships {
    /// Counts for users that the caller has been shown, in their order: as many as it would find in their lists.
    pub async fn run(
        &self,
        caller: &Caller,
        shown: impl IntoIterator<Item = &UserView>,
    ) -> Result<Vec<Counts>, StoreError> {
        let users: Vec<UserId> = shown.into_iter().map(|view| view.public().id).collect();
        if users.is_empty() {
            return Ok(Vec::new());
        }
        // Nobody who is hidden from a user follows it, or is followed by it.
        let is_of_another = |viewer: &UserId| users.iter().any(|user| user != viewer);
        let viewer = viewer(caller).map(|viewer| viewer.id).filter(is_of_another);
        self.relationships.counts(&users, viewer).await
    }
}
