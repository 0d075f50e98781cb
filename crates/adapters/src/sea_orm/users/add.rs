//! Adds a user.

use sea_orm::{ConnectionTrait, EntityTrait};
use user_domain::user::Applied;
use user_domain::write::{WriteContext, WriteError, Written};

use crate::guards::Guards;
use crate::sea_orm::entities::users::Entity;
use crate::sea_orm::idempotency::{self, Turn};
use crate::sea_orm::pool::Pool;
use crate::sea_orm::{credentials, errors, names, outbox, row, transaction};

/// Adds a user with its event and the record of its idempotency key, or none of them.
pub(crate) async fn add(
    db: &Pool,
    guards: Guards,
    applied: &Applied,
    context: &WriteContext,
) -> Result<Written, WriteError> {
    let tx = transaction::begin(db).await?;
    let written = transaction::bounded(write(&tx, guards, applied, context)).await?;
    transaction::commit(tx).await?;
    Ok(written)
}

async fn write(
    tx: &impl ConnectionTrait,
    guards: Guards,
    applied: &Applied,
    context: &WriteContext,
) -> Result<Written, WriteError> {
    if let Turn::Later(id) = idempotency::claim(tx, guards, applied.user.id, context).await? {
        return Ok(Written::Replayed(idempotency::subject(tx, id).await?));
    }
    insert(tx, applied).await?;
    names::refuse_resting(tx, &applied.user, context.at).await?;
    if let Some(password) = &applied.password {
        credentials::write(tx, applied.user.id, password).await?;
    }
    outbox::append(tx, &applied.event).await?;
    Ok(Written::Applied(applied.user.clone()))
}

async fn insert(tx: &impl ConnectionTrait, applied: &Applied) -> Result<(), WriteError> {
    Entity::insert(row::from_user(&applied.user))
        .exec_without_returning(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    Ok(())
}
