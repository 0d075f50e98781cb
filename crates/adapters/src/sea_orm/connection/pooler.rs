//! Connection poolers in transaction mode: which mode the settings announce, and recognition of one that they do not.

use std::time::Duration;

use metrics::{describe_gauge, gauge};
use sea_orm::DbErr;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _, Executor as _, Row as _};
use tokio::time::timeout;

/// The maximum duration of the recognition, which takes about 40 round trips.
const TIMEOUT: Duration = Duration::from_secs(4);
/// How often the sessions of both connections are compared. A busy pooler gives a connection another session almost
/// every time.
const ROUNDS: usize = 8;

/// A gauge that is always 1. Its label is the mode of the pooler in front of PostgreSQL, as the settings announce it.
const POOLER_MODE: &str = "db_pooler_mode";

pub(super) fn describe_metrics() {
    describe_gauge!(
        POOLER_MODE,
        "Always 1; its label is the mode of the connection pooler in front of PostgreSQL"
    );
}

/// Records the mode that the settings announce.
pub(super) fn record_mode(is_pooled: bool) {
    let mode = if is_pooled { "transaction" } else { "none" };
    gauge!(POOLER_MODE, "mode" => mode).set(1.0);
}

/// Returns an error if the address is that of a pooler in transaction mode.
///
/// Without a result in time there is no error: a pooler in session mode may have only one session for both connections.
///
/// # Errors
/// What the operator can do.
pub(super) async fn refuse(server: &PgConnectOptions) -> Result<(), DbErr> {
    let shares = timeout(TIMEOUT, shares_sessions(server)).await;
    if !matches!(shares, Ok(Ok(true))) {
        return Ok(());
    }
    Err(DbErr::Custom(format!(
        "{}:{} is a connection pooler in transaction mode: set DATABASE_POOLER=transaction if DATABASE_URI names it, or \
         let it use session mode; MIGRATE_DATABASE_URI must name the server itself or a pooler in session mode",
        server.get_host(),
        server.get_port()
    )))
}

/// Whether statements of one connection run in different sessions, or those of two connections in the same session.
///
/// Each connection is asked twice in a row, so that a pooler that uses its sessions in turn is recognised too. It sets
/// nothing, since other clients of the pooler would find that in their sessions.
async fn shares_sessions(server: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut connections = [server.connect().await?, server.connect().await?];
    let [first, second] = &mut connections;
    let sessions = [session(first).await?, session(second).await?];
    let mut is_shared = sessions[0] == sessions[1];
    for _ in 0..ROUNDS {
        for (connection, expected) in connections.iter_mut().zip(&sessions) {
            for _ in 0..2 {
                is_shared |= session(connection).await? != *expected;
            }
        }
        if is_shared {
            break;
        }
    }
    for connection in connections {
        let _ = connection.close().await;
    }
    Ok(is_shared)
}

/// Returns what identifies a session: the process that serves it, and the start time of its server. Servers that share
/// an address may have processes with equal numbers.
async fn session(connection: &mut PgConnection) -> Result<(i32, String), sqlx::Error> {
    let row = connection
        .fetch_one("SELECT pg_backend_pid(), pg_postmaster_start_time()::text")
        .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}
