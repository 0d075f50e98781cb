//! Adds a user.

use std::sync::LazyLock;

use sea_orm::ConnectionTrait;
use user_domain::user::Applied;
use user_domain::write::{WriteContext, WriteError, Written};

use super::change::columns;
use crate::guards::Guards;
use crate::sea_orm::idempotency::{self, Turn};
use crate::sea_orm::pool::Pool;
use crate::sea_orm::{credentials, errors, given, names, row, transaction};

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
    if let Some(password) = &applied.password {
        credentials::write(tx, applied.user.id, password).await?;
    }
    names::tell_unless_resting(tx, &applied.user, &applied.event, context.at).await?;
    Ok(Written::Applied(applied.user.clone()))
}

async fn insert(tx: &impl ConnectionTrait, applied: &Applied) -> Result<(), WriteError> {
    given::execute(tx, INSERT.as_str(), row::to_values(&applied.user))
        .await
        .map_err(|error| errors::write(&error))?;
    Ok(())
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<String> = columns().map(|(column, _)| column).collect();
    let places: Vec<String> = columns().map(|(_, place)| place).collect();
    let (names, places) = (names.join(", "), places.join(", "));
    format!("INSERT INTO users ({names}) VALUES ({places})")
});
