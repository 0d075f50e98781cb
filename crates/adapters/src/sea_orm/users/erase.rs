//! Removes a user for good.

use sea_orm::{ConnectionTrait, EntityTrait};
use user_domain::user::{Event, User};
use user_domain::values::{Timestamp, UserId};
use user_domain::write::{Erased, WriteContext, WriteError};

use super::change::lock;
use crate::guards::Guards;
use crate::sea_orm::entities::users::Entity;
use crate::sea_orm::idempotency::{self, Turn};
use crate::sea_orm::logins::attempts;
use crate::sea_orm::pool::Pool;
use crate::sea_orm::presence::{self, Presence};
use crate::sea_orm::{errors, names, outbox, transaction};

/// Removes a user's row; its events stay, and its name rests.
pub(crate) async fn erase(
    db: &Pool,
    guards: Guards,
    id: UserId,
    context: &WriteContext,
) -> Result<Erased, WriteError> {
    let tx = transaction::begin(db).await?;
    let erased = transaction::bounded(write(&tx, guards, id, context)).await?;
    transaction::commit(tx).await?;
    Ok(erased)
}

async fn write(
    tx: &impl ConnectionTrait,
    guards: Guards,
    id: UserId,
    context: &WriteContext,
) -> Result<Erased, WriteError> {
    if let Turn::Later(_) = idempotency::claim(tx, guards, id, context).await? {
        return Ok(Erased::Replayed);
    }
    let user = lock(tx, guards, id).await?;
    let event = user.erase(context)?;
    remove(tx, guards, &user, &event, context.at).await?;
    Ok(Erased::Applied)
}

/// Removes a user whose row is locked, tells the world, and lets its name rest.
pub(crate) async fn remove(
    tx: &impl ConnectionTrait,
    guards: Guards,
    user: &User,
    event: &Event,
    at: Timestamp,
) -> Result<(), WriteError> {
    Entity::delete_by_id(user.id.as_uuid())
        .exec(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    attempts::forget(tx, user.id).await?;
    names::release(tx, &user.username, user.id, at).await?;
    outbox::append(tx, event).await?;
    // Last, since others wait for it.
    presence::change(tx, guards, &[(user.id, Presence::Erased)], at).await
}
