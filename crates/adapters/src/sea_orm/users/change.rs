//! Changes a user.

use sea_orm::{ConnectionTrait, EntityTrait};
use user_domain::user::{Applied, Change, User};
use user_domain::values::UserId;
use user_domain::write::{WriteContext, WriteError, Written};

use super::find;
use crate::guards::{Guard, Guards};
use crate::sea_orm::entities::users::Entity;
use crate::sea_orm::idempotency::{self, Turn};
use crate::sea_orm::pool::Pool;
use crate::sea_orm::presence::{self, Presence};
use crate::sea_orm::{credentials, errors, names, outbox, row, transaction};

/// Changes a user by [`User::apply`] while its row is locked, with the event and the record of the idempotency key.
pub(crate) async fn change(
    db: &Pool,
    guards: Guards,
    id: UserId,
    change: &Change,
    context: &WriteContext,
) -> Result<Written, WriteError> {
    let tx = transaction::begin(db).await?;
    let written = transaction::bounded(Box::pin(write(&tx, guards, id, change, context))).await?;
    transaction::commit(tx).await?;
    Ok(written)
}

async fn write(
    tx: &impl ConnectionTrait,
    guards: Guards,
    id: UserId,
    change: &Change,
    context: &WriteContext,
) -> Result<Written, WriteError> {
    if let Turn::Later(subject) = idempotency::claim(tx, guards, id, context).await? {
        return Ok(Written::Replayed(idempotency::subject(tx, subject).await?));
    }
    let user = lock(tx, guards, id).await?;
    match user.apply(change, context)? {
        None => Ok(Written::Unchanged(user)),
        Some(applied) => {
            store(tx, &applied, context).await?;
            let (was, is) = (Presence::of(&user), Presence::of(&applied.user));
            // Last, since others wait for it.
            if was != is {
                presence::change(tx, guards, &[(id, is)], context.at).await?;
            }
            Ok(Written::Applied(applied.user))
        }
    }
}

/// Reads a user so that nobody else changes it until the transaction ends.
///
/// PostgreSQL locks the row; on SQLite, which knows no such thing, the whole transaction is the only writer.
pub(crate) async fn lock(
    tx: &impl ConnectionTrait,
    guards: Guards,
    id: UserId,
) -> Result<User, WriteError> {
    let found = if guards.stands(Guard::RowLock) {
        find::by_id_locked(tx, id).await
    } else {
        find::by_id(tx, id).await
    };
    let found = found
        .map_err(|error| errors::write(&error))?
        .ok_or(WriteError::NotFound)?;
    Ok(row::to_user(found)?)
}

/// Stores a change of a user whose row is locked, and tells the world.
pub(crate) async fn store(
    tx: &impl ConnectionTrait,
    applied: &Applied,
    context: &WriteContext,
) -> Result<(), WriteError> {
    Entity::update(row::from_user(&applied.user))
        .exec(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    if let Some(released) = &applied.released {
        names::refuse_resting(tx, &applied.user, context.at).await?;
        names::release(tx, released, applied.user.id, context.at).await?;
    }
    if let Some(password) = &applied.password {
        credentials::write(tx, applied.user.id, password).await?;
    }
    outbox::append(tx, &applied.event).await
}
