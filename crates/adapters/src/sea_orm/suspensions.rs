//! Ends expired suspensions.

use sea_orm::prelude::Uuid;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use user_domain::ports::MAX_DUE_SUSPENSIONS;
use user_domain::user::{Change, User};
use user_domain::values::{Timestamp, UserId};
use user_domain::write::{WriteContext, WriteError};

use super::connection::{Pool, Transaction};
use super::digests::NameDigests;
use super::entities::users::{Column, Entity};
use super::errors::OperationError;
use super::transaction;
use super::users::change;

/// Returns one batch of users with an expired suspension, with the index on their end.
pub(super) async fn due(
    db: &impl ConnectionTrait,
    at: Timestamp,
) -> Result<Vec<UserId>, OperationError> {
    let ids: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::SuspendedUntil.lte(at.as_utc()))
        .filter(Column::DeletedAt.is_null())
        .order_by_asc(Column::SuspendedUntil)
        .order_by_asc(Column::Id)
        .limit(u64::from(MAX_DUE_SUSPENSIONS))
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(UserId::from_uuid).collect())
}

/// Ends the suspension of a user if it is expired, and returns the changed user.
pub(super) async fn end(
    db: &Pool,
    digests: &NameDigests,
    id: UserId,
    context: &WriteContext,
) -> Result<Option<User>, OperationError> {
    transaction::run(db, async |tx| write(tx, digests, id, context).await).await
}

async fn write(
    tx: &Transaction,
    digests: &NameDigests,
    id: UserId,
    context: &WriteContext,
) -> Result<Option<User>, OperationError> {
    let Some(user) = change::lock_unless_held(tx, id).await? else {
        return Ok(None);
    };
    match change::apply(tx, digests, &user, &Change::EndSuspension, context).await {
        // The user was deleted since it was listed.
        Err(OperationError::Port(WriteError::Refused(_))) => Ok(None),
        applied => applied,
    }
}
