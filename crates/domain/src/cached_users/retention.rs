//! The cache policy for users that the retention worker erases.

use std::sync::Arc;

use async_trait::async_trait;

use crate::StoreError;
use crate::ports::{ExpiredUser, Purged, Records, Retention, UserCache};
use crate::values::{Timestamp, UserId};
use crate::write::WriteContext;

/// Removes expired data, and removes erased users from the cache.
#[derive(Clone)]
pub struct CachedRetention {
    retention: Arc<dyn Retention>,
    cache: Arc<dyn UserCache>,
}

impl CachedRetention {
    /// Wraps a store. Writes through the wrapper also update the cache.
    pub fn new(retention: Arc<dyn Retention>, cache: Arc<dyn UserCache>) -> Self {
        Self { retention, cache }
    }
}

#[async_trait]
impl Retention for CachedRetention {
    async fn expired(
        &self,
        at: Timestamp,
        after: Option<ExpiredUser>,
    ) -> Result<Vec<ExpiredUser>, StoreError> {
        self.retention.expired(at, after).await
    }

    async fn erase_expired(&self, id: UserId, context: &WriteContext) -> Result<bool, StoreError> {
        let erased = self.retention.erase_expired(id, context).await;
        if matches!(erased, Ok(true) | Err(StoreError::OutcomeUnknown(_))) {
            self.cache.forget(id).await;
        }
        erased
    }

    async fn purge(&self, records: Records, at: Timestamp) -> Result<Purged, StoreError> {
        self.retention.purge(records, at).await
    }
}
