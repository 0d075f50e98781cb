//! Texts of database errors for logs and messages.

use sea_orm_migration::sea_orm::sqlx;
use sea_orm_migration::sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

/// Returns the cause of an error as text: the message and code of the database.
///
/// The text contains no names of driver layers, no source code lines and no values.
pub fn describe(error: &DbErr) -> String {
    match error {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => {
            "no connection became free in time".to_owned()
        }
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => {
            "the connections are closed".to_owned()
        }
        DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause) => match cause {
            RuntimeErr::SqlxError(error) => describe_driver(error),
            RuntimeErr::Internal(cause) => cause.clone(),
        },
        DbErr::Custom(cause) | DbErr::Migration(cause) => cause.clone(),
        other => other.to_string(),
    }
}

/// Like [`describe`], for an error of the driver.
pub fn describe_driver(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => match error.code() {
            // PostgreSQL's SQLSTATE has five characters, SQLite's result codes have fewer.
            Some(code) if code.len() == 5 => format!("{} (SQLSTATE {code})", error.message()),
            Some(code) => format!("{} (SQLite result {code})", error.message()),
            None => error.message().to_owned(),
        },
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => format!("TLS failed: {error}"),
        sqlx::Error::PoolTimedOut => "no connection became free in time".to_owned(),
        // The driver appends the module and line of its source code.
        sqlx::Error::Protocol(text) => match text.rsplit_once(" (sqlx") {
            Some((cause, _)) => cause.to_owned(),
            None => text.clone(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    fn of_driver(error: sqlx::Error) -> String {
        describe(&DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))
    }

    #[test]
    fn a_description_has_no_driver_layers_and_no_source_lines() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let protocol = "unexpected message (sqlx_postgres::message:42)".to_owned();
        for (described, expected) in [
            (of_driver(sqlx::Error::Io(refused)), "connection refused"),
            (
                of_driver(sqlx::Error::Protocol(protocol)),
                "unexpected message",
            ),
            (
                describe(&DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
                "no connection became free in time",
            ),
            (
                describe(&DbErr::Conn(RuntimeErr::Internal("as it is".to_owned()))),
                "as it is",
            ),
        ] {
            assert_eq!(described, expected);
        }
    }
}
