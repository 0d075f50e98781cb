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

/// Translates an error of a write that no caller is told may be refused.
pub(super) fn unrefused(error: WriteError) -> StoreError {
    match error {
        WriteError::Store(error) => error,
        WriteError::NotFound
        | WriteError::Taken(_)
        | WriteError::KeyReused
        | WriteError::Refused(_) => StoreError::Internal(format!("a write was refused: {error}")),
    }
}

/// Translates an error of a commit: the database may have done it all the same, unless it says that it has not.
pub(super) fn commit(error: &DbErr) -> WriteError {
    let code = database_error(error).and_then(sqlx::error::DatabaseError::code);
    let rolled_back = code.is_some_and(|code| is_rolled_back(&code));
    WriteError::Store(if rolled_back {
        StoreError::Unavailable(error.to_string())
    } else {
        StoreError::OutcomeUnknown(error.to_string())
    })
}

/// Tells whether a value is there already that may be there but once.
pub(super) fn is_unique_violation(error: &DbErr) -> bool {
    database_error(error).is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Tells whether a commit that failed with this code has kept nothing for certain.
fn is_rolled_back(code: &str) -> bool {
    // Serialisation failure, deadlock.
    const STATES: [&str; 2] = ["40001", "40P01"];
    // BUSY; FULL and IOERR_WRITE, by which the end of the transaction did not get into the journal. (Whether it is there
    // after a failure to sync is open.)
    const RESULTS: [&str; 2] = ["13", "778"];
    let is_busy = code.len() < 5 && primary(code) == Some(5);
    is_busy || RESULTS.contains(&code) || STATES.contains(&code)
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

/// Tells whether a code is about the database's state and not about the statement: a class of PostgreSQL's SQLSTATE, or
/// one of SQLite's results.
fn is_passing_code(code: &str) -> bool {
    const CLASSES: [&str; 4] = ["08", "40", "53", "57"];
    // Lock not available; a read-only server, as during a fail-over; idle in transaction.
    const STATES: [&str; 3] = ["55P03", "25006", "25P03"];
    // BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN, which leave the file as it was.
    const RESULTS: [u32; 6] = [5, 6, 8, 10, 13, 14];
    if code.len() == 5 {
        return STATES.contains(&code) || CLASSES.iter().any(|class| code.starts_with(class));
    }
    primary(code).is_some_and(|result| RESULTS.contains(&result))
}

/// Gives the primary code of one of SQLite's extended ones.
fn primary(code: &str) -> Option<u32> {
    code.parse::<u32>().ok().map(|extended| extended & 0xFF)
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
