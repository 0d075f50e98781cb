use async_trait::async_trait;

use super::FakeStore;
use crate::StoreError;
use crate::erasure::{ErasureConsumer, ErasureReport, PendingSummary};
use crate::ports::{
    ConsumerRegistration, ErasureError, ErasurePage, ErasureWrite, Erasures, EventPosition,
};
use crate::values::{ConsumerName, UserId};
use crate::write::WriteContext;

#[async_trait]
impl Erasures for FakeStore {
    async fn register_consumer(
        &self,
        name: &ConsumerName,
        context: &WriteContext,
    ) -> Result<ConsumerRegistration, ErasureError> {
        self.state().register_consumer(name, context)
    }

    async fn remove_consumer(
        &self,
        name: &ConsumerName,
        context: &WriteContext,
    ) -> Result<ErasureWrite, ErasureError> {
        self.state().remove_consumer(name, context)
    }

    async fn list_consumers(&self) -> Result<Vec<ErasureConsumer>, StoreError> {
        Ok(self.state().consumers())
    }

    async fn pending(
        &self,
        consumer: &ConsumerName,
        after: Option<EventPosition>,
        limit: u16,
    ) -> Result<ErasurePage, ErasureError> {
        self.state().pending_erasures(consumer, after, limit)
    }

    async fn acknowledge(
        &self,
        user: UserId,
        consumer: &ConsumerName,
        context: &WriteContext,
    ) -> Result<ErasureWrite, ErasureError> {
        self.state().acknowledge_erasure(user, consumer, context)
    }

    async fn report(&self, user: UserId) -> Result<ErasureReport, ErasureError> {
        self.state().erasure_report(user)
    }

    async fn summarize_pending(&self) -> Result<Vec<PendingSummary>, StoreError> {
        Ok(self.state().pending_summaries())
    }
}
