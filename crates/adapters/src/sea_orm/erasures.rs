//! Erasures, their consumers and acknowledgements.
//!
//! An erasure inserts, in its transaction, one owed acknowledgement for each consumer that is registered
//! ([`record`]). A registration beside an open erasure must not lose it: the erasure may not see the consumer, while the
//! consumer can still read the user. On PostgreSQL, an erasure therefore takes an advisory lock shared before it reads
//! the consumers, and a registration takes it exclusive. The registration waits until open erasures have ended, and
//! later ones see the consumer. SQLite has a single writer and needs no lock.
//!
//! An acknowledgement, and a purge, lock the row of the erasure first. So the last of several acknowledgements sees the
//! others, and completes the erasure.

mod acknowledge;
mod consumers;
mod purge;
mod read;
mod record;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use user_domain::StoreError;
use user_domain::erasure::{ErasureConsumer, ErasureReport, PendingSummary};
use user_domain::ports::{
    ConsumerRegistration, ErasureError, ErasurePage, ErasureWrite, Erasures, EventPosition,
};
use user_domain::values::{ConsumerName, UserId};
use user_domain::write::{WriteContext, WriteError};
use uuid::Uuid;

use super::errors::OperationError;
use super::{SeaOrmUsers, raw_sql};
use crate::operations::Failure;

pub(super) use consumers::lock_consumers;
pub(super) use purge::purge;
pub(super) use record::record;

#[async_trait]
impl Erasures for SeaOrmUsers {
    async fn register_consumer(
        &self,
        name: &ConsumerName,
        context: &WriteContext,
    ) -> Result<ConsumerRegistration, ErasureError> {
        let work = consumers::register(&self.connections.writes, name, context);
        self.timed("register_erasure_consumer", work).await
    }

    async fn remove_consumer(
        &self,
        name: &ConsumerName,
        context: &WriteContext,
    ) -> Result<ErasureWrite, ErasureError> {
        let work = consumers::remove(&self.connections.writes, name, context);
        self.timed("remove_erasure_consumer", work).await
    }

    async fn list_consumers(&self) -> Result<Vec<ErasureConsumer>, StoreError> {
        let work = consumers::list(&self.connections.reads);
        self.timed("list_erasure_consumers", work).await
    }

    async fn pending(
        &self,
        consumer: &ConsumerName,
        after: Option<EventPosition>,
        limit: u16,
    ) -> Result<ErasurePage, ErasureError> {
        let work = read::pending(&self.connections.reads, consumer, after, limit);
        self.timed("list_pending_erasures", work).await
    }

    async fn acknowledge(
        &self,
        user: UserId,
        consumer: &ConsumerName,
        context: &WriteContext,
    ) -> Result<ErasureWrite, ErasureError> {
        let work = acknowledge::acknowledge(&self.connections.writes, user, consumer, context);
        self.timed("acknowledge_erasure", work).await
    }

    async fn report(&self, user: UserId) -> Result<ErasureReport, ErasureError> {
        let work = read::report(&self.connections.reads, user);
        self.timed("report_erasure", work).await
    }

    async fn summarize_pending(&self) -> Result<Vec<PendingSummary>, StoreError> {
        let work = read::summarize_pending(&self.connections.reads);
        self.timed("summarize_pending_erasures", work).await
    }
}

/// Returns the row of a registered consumer.
async fn find_consumer(
    db: &impl ConnectionTrait,
    name: &ConsumerName,
) -> Result<Option<QueryResult>, DbErr> {
    let rows = raw_sql::query(db, CONSUMER, [name.as_str().into()]).await?;
    Ok(rows.into_iter().next())
}

/// Returns the id of a registered consumer.
///
/// # Errors
/// [`ErasureError::UnknownConsumer`] if it is not registered.
async fn consumer_id(
    db: &impl ConnectionTrait,
    name: &ConsumerName,
) -> Result<Uuid, OperationError> {
    let found = find_consumer(db, name).await?;
    let row = found.ok_or(ErasureError::UnknownConsumer)?;
    Ok(row.try_get("", "id")?)
}

const CONSUMER: &str = "
    SELECT id, name, created_at, created_by FROM erasure_consumers WHERE name = $1 AND removed_at IS NULL";

impl From<ErasureError> for OperationError {
    fn from(error: ErasureError) -> Self {
        match error {
            ErasureError::Store(error) => error.into(),
            ErasureError::KeyReused => WriteError::KeyReused.into(),
            refused @ (ErasureError::UnknownConsumer
            | ErasureError::UnknownErasure
            | ErasureError::TooManyConsumers) => Self::Erasure(refused),
        }
    }
}

impl From<OperationError> for ErasureError {
    fn from(error: OperationError) -> Self {
        if let OperationError::Erasure(refused) = error {
            return refused;
        }
        match error.into() {
            WriteError::KeyReused => Self::KeyReused,
            WriteError::Store(error) => Self::Store(error),
            refused @ (WriteError::NotFound | WriteError::Taken(_) | WriteError::Refused(_)) => {
                StoreError::Internal(format!("a write was refused: {refused}")).into()
            }
        }
    }
}

impl Failure for ErasureError {
    fn is_failure(&self) -> bool {
        match self {
            Self::Store(_) => true,
            Self::UnknownConsumer
            | Self::UnknownErasure
            | Self::TooManyConsumers
            | Self::KeyReused => false,
        }
    }
}
