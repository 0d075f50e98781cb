//! Why no connection to PostgreSQL could be opened.
//!
//! The driver's pool retries a server that refuses connections until its timeout, and reports only the timeout. A
//! separate connection attempt then finds the cause.

use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _, PgPool};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use tokio::sync::Mutex;
use tokio::time::timeout;
use user_migrations::describe_driver;

/// The maximum duration of an attempt. The waiting request has already used its time to acquire a connection.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(200);
/// The time for which the outcome of an attempt is reused.
const OUTCOME_TTL: Duration = Duration::from_secs(1);

/// Finds out why the server of a pool is unreachable, at most once per second.
#[derive(Default)]
pub(super) struct Reachability {
    /// The time of the last attempt, and its error if it failed.
    last: Mutex<Option<(Instant, Option<String>)>>,
}

impl Reachability {
    /// Returns the error of a pool that opened no connection in time.
    pub(super) async fn explain_timeout(&self, pool: &PgPool) -> DbErr {
        let timed_out = DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
        if pool.size() >= pool.options().get_max_connections() {
            // All connections are in use, so the server is reachable.
            return timed_out;
        }
        let mut last = self.last.lock().await;
        if let Some((at, outcome)) = &*last
            && at.elapsed() < OUTCOME_TTL
        {
            return outcome.clone().map_or(timed_out, unreachable);
        }
        let outcome = attempt(&pool.connect_options()).await;
        *last = Some((Instant::now(), outcome.clone()));
        outcome.map_or(timed_out, unreachable)
    }
}

/// Returns the error of a server to which the driver could not connect.
pub(super) fn connect_error(options: &PgConnectOptions, error: &sqlx::Error) -> DbErr {
    unreachable(describe_attempt(options, &describe_driver(error)))
}

/// Attempts to connect, and returns the error if that fails.
async fn attempt(options: &PgConnectOptions) -> Option<String> {
    match timeout(ATTEMPT_TIMEOUT, options.connect()).await {
        Ok(Ok(connection)) => {
            // A connection that cannot be closed in time is dropped.
            let _ = timeout(ATTEMPT_TIMEOUT, connection.close()).await;
            None
        }
        Ok(Err(error)) => Some(describe_attempt(options, &describe_driver(&error))),
        Err(_) => Some(describe_attempt(
            options,
            "the server does not answer in time",
        )),
    }
}

/// Returns the message for a failed attempt, with the server and the cause, but without user name and password.
fn describe_attempt(options: &PgConnectOptions, cause: &str) -> String {
    let port = options.get_port();
    match options.get_socket() {
        Some(socket) => format!(
            "cannot connect to PostgreSQL at the socket in {}, port {port}: {cause}",
            socket.display()
        ),
        None => format!(
            "cannot connect to PostgreSQL at {}:{port}: {cause}",
            options.get_host()
        ),
    }
}

fn unreachable(cause: String) -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(cause))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use sea_orm::sqlx::postgres::PgPoolOptions;
    use user_migrations::describe;

    use super::*;

    fn pool(port: u16) -> PgPool {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(port)
            .username("planted-user")
            .password("planted-password")
            .database("planted");
        PgPoolOptions::new().connect_lazy_with(options)
    }

    #[tokio::test]
    async fn a_refused_connection_names_host_port_and_cause_but_no_credential() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let pool = pool(port);
        let reachability = Reachability::default();
        for _ in 0..2 {
            let text = describe(&reachability.explain_timeout(&pool).await);
            let address = format!("cannot connect to PostgreSQL at 127.0.0.1:{port}: ");
            assert!(text.starts_with(&address), "{text}");
            assert!(text.to_lowercase().contains("refused"), "{text}");
            assert!(!text.contains("planted"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = describe(&Reachability::default().explain_timeout(&pool(port)).await);
        let expected = "the server does not answer in time";
        assert!(text.ends_with(expected), "{text}");
    }
}
