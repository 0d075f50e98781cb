//! Registers, lists and removes consumers.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use user_domain::erasure::ErasureConsumer;
use user_domain::ports::{ConsumerRegistration, ErasureError, ErasureWrite};
use user_domain::user::Actor;
use user_domain::values::{ConsumerName, Timestamp};
use user_domain::write::WriteContext;
use uuid::Uuid;

use super::find_consumer;
use crate::guards::Guard;
use crate::sea_orm::connection::{Pool, Transaction};
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::idempotency::{self, Claim};
use crate::sea_orm::relationships::locking::{ERASURE_CONSUMERS, LockMode, NAMESPACE};
use crate::sea_orm::{raw_sql, transaction};

/// Locks the list of consumers until the transaction ends: shared to read it, together with other erasures, and exclusive
/// to add to it.
pub(in crate::sea_orm) async fn lock_consumers(
    tx: &Transaction,
    mode: LockMode,
) -> Result<(), OperationError> {
    let is_needed = Dialect::of(tx).has_concurrent_writers();
    if !is_needed || !tx.is_guarded(Guard::ConsumerLock) {
        return Ok(());
    }
    let sql = match mode {
        LockMode::Shared => "SELECT pg_advisory_xact_lock_shared($1, $2)::text",
        LockMode::Exclusive => "SELECT pg_advisory_xact_lock($1, $2)::text",
    };
    raw_sql::query(tx, sql, [NAMESPACE.into(), ERASURE_CONSUMERS.into()]).await?;
    Ok(())
}

/// Registers a consumer.
pub(super) async fn register(
    db: &Pool,
    name: &ConsumerName,
    context: &WriteContext,
) -> Result<ConsumerRegistration, OperationError> {
    transaction::run(db, async |tx| write_registration(tx, name, context).await).await
}

async fn write_registration(
    tx: &Transaction,
    name: &ConsumerName,
    context: &WriteContext,
) -> Result<ConsumerRegistration, OperationError> {
    let id = context.event_id;
    if let Claim::Replay(subject) = idempotency::claim(tx, id, context).await? {
        let found = find_consumer(tx, name).await?;
        let row = found.ok_or(ErasureError::UnknownConsumer)?;
        return Ok(ConsumerRegistration {
            is_new: row.try_get::<Uuid>("", "id")? == subject,
            consumer: to_consumer(&row)?,
            replayed: true,
        });
    }
    lock_consumers(tx, LockMode::Exclusive).await?;
    if let Some(row) = find_consumer(tx, name).await? {
        return Ok(ConsumerRegistration {
            consumer: to_consumer(&row)?,
            is_new: false,
            replayed: false,
        });
    }
    if list(tx).await?.len() >= ErasureConsumer::MAX_REGISTERED {
        return Err(ErasureError::TooManyConsumers.into());
    }
    let consumer = [
        id.into(),
        name.as_str().into(),
        context.at.as_utc().into(),
        context.actor.as_str().into(),
    ];
    raw_sql::execute(tx, INSERT, consumer).await?;
    Ok(ConsumerRegistration {
        consumer: ErasureConsumer {
            name: name.clone(),
            created_at: context.at,
            created_by: context.actor.clone(),
        },
        is_new: true,
        replayed: false,
    })
}

/// Removes a consumer. The acknowledgements that it owes are ignored from now on, and removed by the next purge: there may
/// be many.
pub(super) async fn remove(
    db: &Pool,
    name: &ConsumerName,
    context: &WriteContext,
) -> Result<ErasureWrite, OperationError> {
    transaction::run(db, async |tx| write_removal(tx, name, context).await).await
}

async fn write_removal(
    tx: &Transaction,
    name: &ConsumerName,
    context: &WriteContext,
) -> Result<ErasureWrite, OperationError> {
    if let Claim::Replay(_) = idempotency::claim(tx, context.event_id, context).await? {
        return Ok(ErasureWrite::Replayed);
    }
    let removal = [
        name.as_str().into(),
        context.at.as_utc().into(),
        context.actor.as_str().into(),
    ];
    let removed = raw_sql::execute(tx, REMOVE, removal).await?;
    if removed.rows_affected() == 0 {
        return Err(ErasureError::UnknownConsumer.into());
    }
    Ok(ErasureWrite::Done)
}

/// Returns the registered consumers by name.
pub(super) async fn list(
    db: &impl ConnectionTrait,
) -> Result<Vec<ErasureConsumer>, OperationError> {
    let rows = raw_sql::query(db, LIST, []).await?;
    let consumers: Result<_, DbErr> = rows.iter().map(to_consumer).collect();
    Ok(consumers?)
}

fn to_consumer(row: &QueryResult) -> Result<ErasureConsumer, DbErr> {
    Ok(ErasureConsumer {
        name: ConsumerName::from_store(row.try_get("", "name")?),
        created_at: Timestamp::from_utc(row.try_get("", "created_at")?),
        created_by: Actor::from_store(row.try_get("", "created_by")?),
    })
}

const LIST: &str = "
    SELECT name, created_at, created_by FROM erasure_consumers WHERE removed_at IS NULL ORDER BY name";

const INSERT: &str = "
    INSERT INTO erasure_consumers (id, name, created_at, created_by) VALUES ($1, $2, $3, $4)";

const REMOVE: &str = "
    UPDATE erasure_consumers SET removed_at = $2, removed_by = $3 WHERE name = $1 AND removed_at IS NULL";
