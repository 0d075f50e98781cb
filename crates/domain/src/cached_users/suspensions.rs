//! The cache policy for suspensions that expire.

use std::sync::Arc;

use async_trait::async_trait;

use crate::StoreError;
use crate::ports::{SuspensionEnds, UserCache};
use crate::user::User;
use crate::values::{Timestamp, UserId};
use crate::write::WriteContext;

/// Ends suspensions, and stores the changed users in the cache.
#[derive(Clone)]
pub struct CachedSuspensions {
    suspensions: Arc<dyn SuspensionEnds>,
    cache: Arc<dyn UserCache>,
}

impl CachedSuspensions {
    /// Wraps a store. Writes through the wrapper also update the cache.
    pub fn new(suspensions: Arc<dyn SuspensionEnds>, cache: Arc<dyn UserCache>) -> Self {
        Self { suspensions, cache }
    }
}

#[async_trait]
impl SuspensionEnds for CachedSuspensions {
    async fn due(&self, at: Timestamp) -> Result<Vec<UserId>, StoreError> {
        self.suspensions.due(at).await
    }

    async fn end(&self, id: UserId, context: &WriteContext) -> Result<Option<User>, StoreError> {
        let lease = self.cache.lease(id);
        let ended = self.suspensions.end(id, context).await;
        match &ended {
            Ok(Some(user)) => self.cache.put(lease, Arc::new(user.clone())).await,
            Err(StoreError::OutcomeUnknown(_)) => self.cache.forget(id).await,
            Ok(None) | Err(StoreError::Unavailable(_) | StoreError::Internal(_)) => {}
        }
        ended
    }
}
