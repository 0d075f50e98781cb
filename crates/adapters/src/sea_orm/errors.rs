//! What a database's errors mean to the domain.

use sea_orm::{DbErr, RuntimeErr, sqlx};
use user_domain::StoreError;
use user_domain::write::{UniqueField, WriteError};

/// Translates an error of a statement, after which nothing has been done.
pub(super) fn store(error: &DbErr) -> StoreError {
    if is_passing(error) {
        StoreError::Unavailable(error.to_string())
    } else {
        StoreError::Internal(error.to_string())
    }
}

/// Translates an error of a statement that writes.
pub(super) fn write(error: &DbErr) -> WriteError {
    match taken(error) {
        Some(field) => WriteError::Taken(field),
        None => WriteError::Store(store(error)),
    }
}

/// Translates an error of a commit: the database may have done it all the same, unless it says that it has not.
pub(super) fn commit(error: &DbErr) -> WriteError {
    match database_error(error)
        .and_then(sqlx::error::DatabaseError::code)
        .as_deref()
    {
        // Serialisation failure, deadlock, SQLite's BUSY: rolled back.
        Some("40001" | "40P01" | "5" | "261" | "517") => {
            WriteError::Store(StoreError::Unavailable(error.to_string()))
        }
        _ => WriteError::Store(StoreError::OutcomeUnknown(error.to_string())),
    }
}

/// Tells which unique value an error is about. PostgreSQL names the index, SQLite the column.
fn taken(error: &DbErr) -> Option<UniqueField> {
    let error = database_error(error)?;
    if !error.is_unique_violation() {
        return None;
    }
    let name = error.constraint().unwrap_or_else(|| error.message());
    [
        ("username", UniqueField::Username),
        ("email", UniqueField::Email),
        ("external_id", UniqueField::ExternalId),
    ]
    .into_iter()
    .find_map(|(part, field)| name.contains(part).then_some(field))
}

/// Tells whether the same statement may succeed later.
pub fn is_passing(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        _ => match sqlx_error(error) {
            Some(sqlx::Error::Database(error)) => {
                is_passing_code(error.code().as_deref().unwrap_or_default())
            }
            Some(
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed,
            ) => true,
            _ => false,
        },
    }
}

/// SQLSTATE classes of PostgreSQL that are about its state and not about the statement, and SQLite's codes of the kind.
fn is_passing_code(code: &str) -> bool {
    const CLASSES: [&str; 4] = ["08", "40", "53", "57"];
    // Lock not available; a read-only server, as during a fail-over; idle in transaction; BUSY and LOCKED of SQLite,
    // with the extended codes of both; and its FULL and IOERR, which leave the file as it was.
    const CODES: [&str; 10] = [
        "55P03", "25006", "25P03", "5", "261", "517", "6", "262", "13", "10",
    ];
    CODES.contains(&code)
        || (code.len() == 5 && CLASSES.iter().any(|class| code.starts_with(class)))
}

fn database_error(error: &DbErr) -> Option<&dyn sqlx::error::DatabaseError> {
    match sqlx_error(error)? {
        sqlx::Error::Database(error) => Some(error.as_ref()),
        _ => None,
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}
