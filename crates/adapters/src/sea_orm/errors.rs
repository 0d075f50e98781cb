//! The error of this adapter, and its translation into the errors of the ports.

use sea_orm::{DbErr, RuntimeErr, sqlx};
use user_domain::StoreError;
use user_domain::ports::{ErasureError, ImportError};
use user_domain::user::{ChangeRefused, User};
use user_domain::write::{UniqueField, WriteError};
use user_migrations::describe;

/// Why an operation failed. It becomes the error of a port where the operation returns to its port, and nowhere else.
#[derive(Debug)]
pub(super) enum OperationError {
    /// A statement failed, or no connection could be acquired. Nothing has been written.
    Statement(DbErr),
    /// A commit failed. It may have succeeded, unless the error proves a rollback.
    Commit(DbErr),
    /// A row was not written, because a unique value belongs to another user. Holds the user and the first such field.
    Conflict(Box<User>, UniqueField),
    /// An answer that the port defines, such as a refusal.
    Port(WriteError),
    /// A refusal of a request about erasures.
    Erasure(ErasureError),
}

impl From<DbErr> for OperationError {
    fn from(error: DbErr) -> Self {
        Self::Statement(error)
    }
}

impl From<WriteError> for OperationError {
    fn from(error: WriteError) -> Self {
        Self::Port(error)
    }
}

impl From<StoreError> for OperationError {
    fn from(error: StoreError) -> Self {
        Self::Port(error.into())
    }
}

impl From<ChangeRefused> for OperationError {
    fn from(refused: ChangeRefused) -> Self {
        Self::Port(refused.into())
    }
}

impl From<OperationError> for WriteError {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Statement(error) => match taken(&error) {
                Some(field) => Self::Taken(field.into()),
                None if is_transient(&error) => StoreError::Unavailable(describe(&error)).into(),
                None => StoreError::Internal(describe(&error)).into(),
            },
            OperationError::Commit(error) if is_rolled_back(&error) => {
                StoreError::Unavailable(describe(&error)).into()
            }
            OperationError::Commit(error) => StoreError::OutcomeUnknown(describe(&error)).into(),
            OperationError::Conflict(_, field) => Self::Taken(field.into()),
            OperationError::Port(error) => error,
            OperationError::Erasure(refused) => {
                StoreError::Internal(format!("a request was refused: {refused}")).into()
            }
        }
    }
}

/// For ports without refusals.
impl From<OperationError> for StoreError {
    fn from(error: OperationError) -> Self {
        match error.into() {
            WriteError::Store(error) => error,
            refused @ (WriteError::NotFound
            | WriteError::Taken(_)
            | WriteError::KeyReused
            | WriteError::Refused(_)) => Self::Internal(format!("a write was refused: {refused}")),
        }
    }
}

/// In an import, a unique violation means that another writer took the value since the batch was planned.
impl From<OperationError> for ImportError {
    fn from(error: OperationError) -> Self {
        match error.into() {
            WriteError::Taken(fields) => Self::Raced(fields.first()),
            WriteError::Store(error) => Self::Store(error),
            refused @ (WriteError::NotFound | WriteError::KeyReused | WriteError::Refused(_)) => {
                StoreError::Internal(format!("an import was refused: {refused}")).into()
            }
        }
    }
}

/// Returns the error of a statement that writes the row of a user.
pub(super) fn of_row(error: DbErr, user: &User) -> OperationError {
    match taken(&error) {
        Some(field) => OperationError::Conflict(Box::new(user.clone()), field),
        None => error.into(),
    }
}

/// Whether a unique value exists already.
pub(super) fn is_unique_violation(error: &DbErr) -> bool {
    database_error(error).is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Whether a commit that failed with this error is certainly rolled back.
fn is_rolled_back(error: &DbErr) -> bool {
    let code = database_error(error).and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| is_code_of_rollback(&code))
}

fn is_code_of_rollback(code: &str) -> bool {
    // Serialisation failure, deadlock.
    const STATES: [&str; 2] = ["40001", "40P01"];
    // FULL and IOERR_WRITE: the end of the transaction is not in the journal. After a failed sync that is unknown. BUSY
    // is checked below.
    const RESULTS: [&str; 2] = ["13", "778"];
    let is_busy = code.len() < 5 && primary(code) == Some(5);
    is_busy || RESULTS.contains(&code) || STATES.contains(&code)
}

/// Returns the unique field that an error is about. PostgreSQL names the index, SQLite the column.
pub(super) fn taken(error: &DbErr) -> Option<UniqueField> {
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

/// Whether a retry of the statement may succeed later.
pub fn is_transient(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        _ => match sqlx_error(error) {
            Some(sqlx::Error::Database(error)) => {
                is_transient_code(error.code().as_deref().unwrap_or_default())
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

/// Whether an error says that the connection is lost, or that its server cannot be used: it ends the session, is shutting
/// down, or became read-only.
pub(super) fn is_connection_lost(error: &DbErr) -> bool {
    match sqlx_error(error) {
        Some(sqlx::Error::Database(error)) => {
            let code = error.code().unwrap_or_default();
            // Not 25P03: that timeout is about the transaction of one connection.
            code.starts_with("08") || ENDS_OF_SERVER.contains(&&*code)
        }
        Some(sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed) => true,
        _ => false,
    }
}

/// Shutdown, crash, start, database dropped, idle timeout of sessions; read-only server.
const ENDS_OF_SERVER: [&str; 6] = ["57P01", "57P02", "57P03", "57P04", "57P05", "25006"];

/// Whether a code is caused by the state of the database and not by the statement: a SQLSTATE of PostgreSQL or a result
/// code of SQLite.
fn is_transient_code(code: &str) -> bool {
    const CLASSES: [&str; 4] = ["08", "40", "53", "57"];
    // Lock not available; read-only server, as during a failover; idle-in-transaction timeout.
    const STATES: [&str; 3] = ["55P03", "25006", "25P03"];
    // BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN: all leave the file unchanged.
    const RESULTS: [u32; 6] = [5, 6, 8, 10, 13, 14];
    if code.len() == 5 {
        return STATES.contains(&code) || CLASSES.iter().any(|class| code.starts_with(class));
    }
    primary(code).is_some_and(|result| RESULTS.contains(&result))
}

/// Returns the primary code of an extended SQLite result code.
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
