//! The records of idempotency keys, written in the transaction of the write.

use chrono::{DateTime, Utc};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Select};
use user_domain::StoreError;
use user_domain::ports::UserKey;
use user_domain::user::{Actor, User};
use user_domain::values::{Timestamp, UserId};
use user_domain::write::{Idempotency, IdempotencyKey, RecordedWrite, WriteContext, WriteError};

use super::connection::Transaction;
use super::entities::idempotency_keys::{Column, Entity};
use super::errors::OperationError;
use super::{digests, raw_sql, users};
use crate::guards::Guard;

/// The result of claiming an idempotency key.
pub(super) enum Claim {
    /// The write must be executed.
    New,
    /// The write was executed before, on the subject with this id.
    Replay(Uuid),
}

/// Claims the idempotency key of a write, if it has one.
///
/// The INSERT waits for a concurrent transaction with the same key, and replaces an expired record. Only the digest of
/// a key is stored. Records of a release that stored the key itself remain valid until they expire.
pub(super) async fn claim(
    tx: &Transaction,
    subject: Uuid,
    context: &WriteContext,
) -> Result<Claim, OperationError> {
    let Some(idempotency) = &context.idempotency else {
        return Ok(Claim::New);
    };
    if !tx.is_guarded(Guard::IdempotencyClaim) {
        return Ok(Claim::New);
    }
    let expired_at = expired_at(context.at);
    let claim = [
        context.actor.as_str().into(),
        digests::idempotency_key(&context.actor, &idempotency.key).into(),
        idempotency.fingerprint.to_vec().into(),
        subject.into(),
        context.at.as_utc().into(),
        false.into(),
        idempotency.key.as_str().into(),
        expired_at.into(),
    ];
    let claimed = raw_sql::execute(tx, CLAIM, claim).await?;
    if claimed.rows_affected() > 0 {
        return Ok(Claim::New);
    }
    let record = record_of(&context.actor, idempotency, expired_at)
        .one(tx)
        .await?
        .ok_or_else(|| {
            StoreError::Unavailable("the record of the idempotency key was just deleted".to_owned())
        })?;
    if record.fingerprint == idempotency.fingerprint {
        Ok(Claim::Replay(record.subject_id))
    } else {
        Err(WriteError::KeyReused.into())
    }
}

/// Returns the recorded write of an actor under a key, outside of any write transaction.
pub(super) async fn find(
    db: &impl ConnectionTrait,
    actor: &Actor,
    idempotency: &Idempotency,
    at: Timestamp,
) -> Result<Option<RecordedWrite>, OperationError> {
    let found = record_of(actor, idempotency, expired_at(at))
        .one(db)
        .await?;
    Ok(found
        .filter(|record| record.fingerprint == idempotency.fingerprint)
        .map(|record| RecordedWrite {
            subject: record.subject_id,
            ended_access: record.ended_access,
        }))
}

/// Records for the key of a write, if it has one, that the write invalidated the tokens of its own caller.
pub(super) async fn note_ended_access(
    tx: &impl ConnectionTrait,
    context: &WriteContext,
) -> Result<(), OperationError> {
    let Some(idempotency) = &context.idempotency else {
        return Ok(());
    };
    let key = digests::idempotency_key(&context.actor, &idempotency.key);
    Entity::update_many()
        .col_expr(Column::EndedAccess, Expr::value(true))
        .filter(Column::Actor.eq(context.actor.as_str()))
        .filter(Column::Key.eq(key))
        .exec(tx)
        .await?;
    Ok(())
}

/// Returns a query for the valid record of a key, in the form of this release or of an earlier one.
fn record_of(
    actor: &Actor,
    idempotency: &Idempotency,
    expired_at: DateTime<Utc>,
) -> Select<Entity> {
    let key = &idempotency.key;
    let stored = [
        digests::idempotency_key(actor, key),
        key.as_str().to_owned(),
    ];
    Entity::find()
        .filter(Column::Actor.eq(actor.as_str()))
        .filter(Column::Key.is_in(stored))
        .filter(Column::CreatedAt.gt(expired_at))
        .order_by_desc(Column::CreatedAt)
}

/// Returns the creation time up to and including which records are expired.
fn expired_at(at: Timestamp) -> DateTime<Utc> {
    at.minus(IdempotencyKey::RETENTION).as_utc()
}

/// `$7` is the key as an earlier release stored it.
const CLAIM: &str = "
    INSERT INTO idempotency_keys (actor, key, fingerprint, subject_id, created_at, ended_access)
    SELECT $1, $2, $3, $4, $5, $6
    WHERE NOT EXISTS (
        SELECT 1 FROM idempotency_keys AS k WHERE k.actor = $1 AND k.key = $7 AND k.created_at > $8
    )
    ON CONFLICT (actor, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, subject_id = excluded.subject_id, created_at = excluded.created_at,
        ended_access = excluded.ended_access
    WHERE idempotency_keys.created_at <= $8";

/// Returns the number of records of a caller, up to a limit.
pub(super) async fn count_of(
    db: &impl ConnectionTrait,
    actor: &Actor,
    limit: u64,
) -> Result<u64, OperationError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = raw_sql::query(db, COUNT, [actor.as_str().into(), limit.into()]).await?;
    let count = rows
        .first()
        .map_or(Ok(0), |row| row.try_get::<i64>("", "count"))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

const COUNT: &str = "
    SELECT count(*) AS count FROM (SELECT 1 FROM idempotency_keys WHERE actor = $1 LIMIT $2) AS kept";

/// Returns the current state of the user that a replayed write was about.
pub(super) async fn subject(tx: &impl ConnectionTrait, id: Uuid) -> Result<User, OperationError> {
    let found = users::find::find(tx, &UserKey::Id(UserId::from_uuid(id))).await?;
    Ok(found
        .map(|user| User::clone(&user))
        .ok_or(WriteError::NotFound)?)
}
