//! Counts the followers and the followed users of users.

use std::sync::Arc;

use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::viewer;
use crate::ports::Relationships;
use crate::relationship::Counts;
use crate::values::UserId;
use crate::view::UserView;

/// Counts the followers and the followed users of users.
#[derive(Clone)]
pub struct CountRelationships {
    pub(super) relationships: Arc<dyn Relationships>,
}

impl CountRelationships {
    /// Returns the counts of users that the caller may see, in order. A count equals the length of the list that the
    /// caller would see.
    pub async fn run(
        &self,
        caller: &Caller,
        shown: impl IntoIterator<Item = &UserView>,
    ) -> Result<Vec<Counts>, StoreError> {
        let users: Vec<UserId> = shown.into_iter().map(|view| view.public().id).collect();
        if users.is_empty() {
            return Ok(Vec::new());
        }
        // The viewer's own counts need no filter: a block ends every follow between two users.
        let is_of_another = |viewer: &UserId| users.iter().any(|user| user != viewer);
        let viewer = viewer(caller).map(|viewer| viewer.id).filter(is_of_another);
        self.relationships.counts(&users, viewer).await
    }
}
