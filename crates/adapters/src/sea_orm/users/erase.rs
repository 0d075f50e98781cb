//! Erases a user.

use sea_orm::EntityTrait;
use user_domain::user::{Event, User};
use user_domain::values::{Timestamp, UserId};
use user_domain::write::{Erased, WriteContext};

use super::change::lock;
use crate::sea_orm::connection::{Pool, Transaction};
use crate::sea_orm::digests::NameDigests;
use crate::sea_orm::entities::users::Entity;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::idempotency::{self, Claim};
use crate::sea_orm::logins::attempts;
use crate::sea_orm::relationships::locking::{self, CountState, LockMode};
use crate::sea_orm::{erased_ids, erasures, outbox, released_usernames, transaction};

/// Deletes a user's row. Its events stay, and its names remain reserved as digests.
pub(crate) async fn erase(
    db: &Pool,
    digests: &NameDigests,
    id: UserId,
    context: &WriteContext,
) -> Result<Erased, OperationError> {
    transaction::run(db, async |tx| write(tx, digests, id, context).await).await
}

async fn write(
    tx: &Transaction,
    digests: &NameDigests,
    id: UserId,
    context: &WriteContext,
) -> Result<Erased, OperationError> {
    if let Claim::Replay(_) = idempotency::claim(tx, id.as_uuid(), context).await? {
        return Ok(Erased::Replayed);
    }
    let user = lock(tx, id).await?;
    let event = user.erase(context)?;
    remove(tx, digests, &user, &event, context.at).await?;
    Ok(Erased::Applied)
}

/// Deletes a user whose row is locked and appends its event. Reserves its names as digests, stores its ids as
/// erased, and records the erasure for its consumers.
pub(crate) async fn remove(
    tx: &Transaction,
    digests: &NameDigests,
    user: &User,
    event: &Event,
    at: Timestamp,
) -> Result<(), OperationError> {
    // Before the event, which no reader of the feed passes until the transaction ends.
    erasures::lock_consumers(tx, LockMode::Shared).await?;
    Entity::delete_by_id(user.id.as_uuid()).exec(tx).await?;
    attempts::delete_of(tx, user.id).await?;
    released_usernames::release(tx, &user.username, user.id, at).await?;
    released_usernames::hash_names_of(tx, digests, user.id).await?;
    erased_ids::insert(tx, user).await?;
    let position = outbox::append_and_locate(tx, event).await?;
    erasures::record(tx, user.id, position, at).await?;
    // Last, since concurrent transactions wait for this lock.
    locking::record_status_changes(tx, &[(user.id, CountState::Erased)], at).await
}
