//! Changes a user.

use std::sync::LazyLock;

use sea_orm::{ConnectionTrait, DatabaseBackend, IdenStatic, Iterable};
use user_domain::StoreError;
use user_domain::user::{Applied, Change, User};
use user_domain::values::UserId;
use user_domain::write::{WriteContext, WriteError, Written};

use super::find;
use crate::guards::{Guard, Guards};
use crate::sea_orm::entities::users::Column;
use crate::sea_orm::idempotency::{self, Turn};
use crate::sea_orm::pool::Pool;
use crate::sea_orm::presence::{self, Presence};
use crate::sea_orm::{credentials, errors, given, names, outbox, row, transaction};

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
    let mut values = row::to_values(&applied.user);
    let is_short = applied.released.is_none() && applied.password.is_none();
    let tells = is_short && tx.get_database_backend() == DatabaseBackend::Postgres;
    let sql = if tells {
        values.extend(outbox::to_values(&applied.event));
        UPDATE_AND_TELL.as_str()
    } else {
        UPDATE.as_str()
    };
    let updated = given::execute(tx, sql, values)
        .await
        .map_err(|error| errors::write(&error))?;
    if updated.rows_affected() == 0 {
        return Err(StoreError::Internal("a locked row has gone".to_owned()).into());
    }
    if tells {
        return Ok(());
    }
    if let Some(released) = &applied.released {
        names::refuse_resting(tx, &applied.user, context.at).await?;
        names::release(tx, released, applied.user.id, context.at).await?;
    }
    if let Some(password) = &applied.password {
        credentials::write(tx, applied.user.id, password).await?;
    }
    outbox::append(tx, &applied.event).await
}

/// Writes a row that is locked, all columns but its id.
static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let changed = columns().skip(1);
    let changed = changed.map(|(column, place)| format!("{column} = {place}"));
    let changed: Vec<String> = changed.collect();
    format!("UPDATE users SET {} WHERE id = $1", changed.join(", "))
});

/// The same, and the event, by one statement.
static UPDATE_AND_TELL: LazyLock<String> = LazyLock::new(|| {
    let taken = Column::iter().count();
    let places = outbox::COLUMNS.split(", ").enumerate();
    let places: Vec<String> = places
        .map(|(at, _)| format!("${}", taken + at + 1))
        .collect();
    format!(
        "WITH told AS (INSERT INTO events ({}) VALUES ({})) {}",
        *outbox::COLUMNS,
        places.join(", "),
        *UPDATE
    )
});

/// The columns of a row and the places of their values in a statement written by hand, the id first.
pub(super) fn columns() -> impl Iterator<Item = (String, String)> {
    let columns = Column::iter().zip(1..);
    columns.map(|(column, place)| (format!("\"{}\"", column.as_str()), format!("${place}")))
}
