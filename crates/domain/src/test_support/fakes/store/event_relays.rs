use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::FakeStore;
use crate::StoreError;
use crate::ports::{EventRelays, FeedPosition, RelayLease};

#[async_trait]
impl EventRelays for FakeStore {
    async fn lease_remaining(&self, relay: &str) -> Result<Duration, StoreError> {
        Ok(self.state().relay(relay).remaining())
    }

    async fn take(
        &self,
        relay: &str,
        holder: Uuid,
        lease: Duration,
    ) -> Result<Option<RelayLease>, StoreError> {
        Ok(self.state().relay(relay).take(holder, lease))
    }

    async fn renew(&self, relay: &str, epoch: i64, lease: Duration) -> Result<bool, StoreError> {
        Ok(self.state().relay(relay).renew(epoch, lease))
    }

    async fn advance(
        &self,
        relay: &str,
        epoch: i64,
        position: &FeedPosition,
    ) -> Result<bool, StoreError> {
        Ok(self.state().relay(relay).advance(epoch, *position))
    }

    async fn release(&self, relay: &str, epoch: i64) -> Result<(), StoreError> {
        self.state().relay(relay).renew(epoch, Duration::ZERO);
        Ok(())
    }
}
