//! Changes a user.

use std::sync::LazyLock;

use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ConnectionTrait, EntityTrait, IdenStatic, Iterable, QuerySelect};
use user_domain::StoreError;
use user_domain::user::{Applied, Change, User};
use user_domain::values::UserId;
use user_domain::write::{WriteContext, WriteError, Written};

use super::{find, taken};
use crate::guards::Guard;
use crate::sea_orm::connection::{Pool, Transaction};
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::digests::NameDigests;
use crate::sea_orm::entities::users::{Column, Entity};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::idempotency::{self, Claim};
use crate::sea_orm::relationships::locking::{self, CountState};
use crate::sea_orm::{credentials, errors, outbox, raw_sql, released_usernames, row, transaction};

/// Changes a user by [`User::apply`] while its row is locked, and writes the event and the record of the idempotency
/// key.
pub(crate) async fn change(
    db: &Pool,
    digests: &NameDigests,
    id: UserId,
    change: &Change,
    context: &WriteContext,
) -> Result<Written, OperationError> {
    let changed =
        transaction::run(db, async |tx| write(tx, digests, id, change, context).await).await;
    taken::find_all_taken(db, digests, changed, context.at).await
}

async fn write(
    tx: &Transaction,
    digests: &NameDigests,
    id: UserId,
    change: &Change,
    context: &WriteContext,
) -> Result<Written, OperationError> {
    if let Claim::Replay(subject) = idempotency::claim(tx, id.as_uuid(), context).await? {
        return Ok(Written::Replayed(idempotency::subject(tx, subject).await?));
    }
    let user = lock(tx, id).await?;
    Ok(match apply(tx, digests, &user, change, context).await? {
        None => Written::Unchanged(user),
        Some(user) => Written::Applied(user),
    })
}

/// Changes a user whose row is locked by [`User::apply`]. Returns the changed user, or `None` if nothing changes.
pub(crate) async fn apply(
    tx: &Transaction,
    digests: &NameDigests,
    user: &User,
    change: &Change,
    context: &WriteContext,
) -> Result<Option<User>, OperationError> {
    let Some(applied) = user.apply(change, context)? else {
        return Ok(None);
    };
    store(tx, digests, &applied, context).await?;
    if applied.user.ends_access_of(&context.actor, user) {
        idempotency::note_ended_access(tx, context).await?;
    }
    let (before, after) = (CountState::of(user), CountState::of(&applied.user));
    // Last, since concurrent transactions wait for this lock.
    if before != after {
        locking::record_status_changes(tx, &[(user.id, after)], context.at).await?;
    }
    Ok(Some(applied.user))
}

/// Reads a user and locks its row until the transaction ends. Returns `None` if the user does not exist or another
/// transaction has locked the row.
pub(crate) async fn lock_unless_held(
    tx: &impl ConnectionTrait,
    id: UserId,
) -> Result<Option<User>, OperationError> {
    let found = Entity::find_by_id(id.as_uuid())
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .one(tx)
        .await?;
    Ok(found.map(row::to_user).transpose()?)
}

/// Reads a user and prevents concurrent changes of it until the transaction ends.
///
/// PostgreSQL locks the row. SQLite has no row locks; its write transaction is the only writer.
pub(crate) async fn lock(tx: &Transaction, id: UserId) -> Result<User, OperationError> {
    let found = if tx.is_guarded(Guard::RowLock) {
        find::by_id_locked(tx, id).await
    } else {
        find::by_id(tx, id).await
    };
    let found = found?.ok_or(WriteError::NotFound)?;
    Ok(row::to_user(found)?)
}

/// Stores a change of a user whose row is locked, and its event.
pub(crate) async fn store(
    tx: &impl ConnectionTrait,
    digests: &NameDigests,
    applied: &Applied,
    context: &WriteContext,
) -> Result<(), OperationError> {
    let mut values = row::to_values(&applied.user);
    let is_simple = applied.released.is_none() && applied.password.is_none();
    let is_combined = is_simple && Dialect::of(tx).has_writing_ctes();
    let sql = if is_combined {
        values.extend(outbox::to_values(&applied.event));
        UPDATE_AND_APPEND_EVENT.as_str()
    } else {
        UPDATE.as_str()
    };
    let updated = raw_sql::execute(tx, sql, values)
        .await
        .map_err(|error| errors::of_row(error, &applied.user))?;
    if updated.rows_affected() == 0 {
        return Err(StoreError::Internal("a locked row does not exist".to_owned()).into());
    }
    if is_combined {
        return Ok(());
    }
    if let Some(released) = &applied.released {
        released_usernames::reject_reserved(tx, digests, &applied.user, context.at).await?;
        released_usernames::release(tx, released, applied.user.id, context.at).await?;
    }
    if let Some(password) = &applied.password {
        credentials::write(tx, applied.user.id, password).await?;
    }
    outbox::append(tx, &applied.event).await
}

/// Updates all columns of a locked row except its id.
static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let changed = columns().skip(1);
    let changed = changed.map(|(column, placeholder)| format!("{column} = {placeholder}"));
    let changed: Vec<String> = changed.collect();
    format!("UPDATE users SET {} WHERE id = $1", changed.join(", "))
});

/// Updates the row and appends the event with one statement.
static UPDATE_AND_APPEND_EVENT: LazyLock<String> = LazyLock::new(|| {
    let user_values = Column::iter().count();
    let placeholders = outbox::COLUMNS.split(", ").enumerate();
    let placeholders: Vec<String> = placeholders
        .map(|(at, _)| format!("${}", user_values + at + 1))
        .collect();
    format!(
        "WITH event AS (INSERT INTO events ({}) VALUES ({})) {}",
        *outbox::COLUMNS,
        placeholders.join(", "),
        *UPDATE
    )
});

/// Returns the columns of a row and their placeholders for a hand-written statement, the id first.
pub(super) fn columns() -> impl Iterator<Item = (String, String)> {
    let columns = Column::iter().zip(1..);
    columns.map(|(column, number)| (format!("\"{}\"", column.as_str()), format!("${number}")))
}
