//! The PostgreSQL servers of a database: which one is in use, and why none can be.
//!
//! The driver's pool knows one server. It retries a server that refuses connections until its timeout, and reports only
//! the timeout. Separate connection attempts find the server that is not a standby, and the cause of a failure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _, Executor, PgPool, Row};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use tokio::sync::Mutex;
use tokio::time::timeout;
use user_migrations::describe_driver;

use super::ACQUIRE_TIMEOUT;
use super::generation::Generation;
use super::pooler;
use super::session::Session;

/// The time for which the outcome of attempts is reused after a failure.
const OUTCOME_TTL: Duration = Duration::from_secs(1);

/// The servers of a database, shared by its pools.
pub(super) struct Servers {
    /// The options of each server, in the order of the settings. Not empty.
    options: Vec<PgConnectOptions>,
    /// Whether a standby may be used.
    accepts_standby: bool,
    session: Session,
    generation: Arc<Generation>,
    last: Mutex<Option<Choice>>,
}

/// The outcome of the last attempts.
struct Choice {
    at: Instant,
    /// The index of the server to use, or why there is none.
    outcome: Result<usize, DbErr>,
    /// The index of the server that was used last.
    in_use: usize,
}

impl Servers {
    /// Creates the servers with these options.
    pub(super) fn new(
        options: Vec<PgConnectOptions>,
        accepts_standby: bool,
        session: Session,
        generation: Arc<Generation>,
    ) -> Self {
        Self {
            options,
            accepts_standby,
            session,
            generation,
            last: Mutex::default(),
        }
    }

    /// Whether there are several servers, of which one may take over from another.
    pub(super) fn are_several(&self) -> bool {
        self.options.len() > 1
    }

    /// Lets a pool open its next connections to the right server.
    ///
    /// # Errors
    /// Why none of several servers can be used.
    pub(super) async fn direct(&self, pool: &PgPool) -> Result<(), DbErr> {
        if !self.are_several() {
            return Ok(());
        }
        let is_current = |choice: &Choice| match &choice.outcome {
            Ok(_) => self.generation.contains(choice.at),
            Err(_) => choice.at.elapsed() < OUTCOME_TTL,
        };
        let index = self.choose(is_current).await?;
        if let Some(server) = self.options.get(index) {
            pool.set_connect_options(server.clone());
        }
        Ok(())
    }

    /// Checks that a server can be used, and that none is a connection pooler that was not announced.
    ///
    /// # Errors
    /// Why not.
    pub(super) async fn check(&self) -> Result<(), DbErr> {
        // First, since what a session sets would remain in the sessions of a pooler.
        self.refuse_pooler().await?;
        self.choose(|_| false).await.map(drop)
    }

    /// Checks that no address is that of a pooler in transaction mode, unless the settings say so.
    ///
    /// # Errors
    /// What the operator can do.
    pub(super) async fn refuse_pooler(&self) -> Result<(), DbErr> {
        if !self.session.is_pooled {
            try_join_all(self.options.iter().map(pooler::refuse)).await?;
        }
        Ok(())
    }

    /// Returns the error of a pool that opened no connection in time.
    pub(super) async fn explain_timeout(&self, pool: &PgPool) -> DbErr {
        let timed_out = DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
        if pool.size() >= pool.options().get_max_connections() {
            // All connections are in use, so the server is reachable.
            return timed_out;
        }
        let is_recent = |choice: &Choice| choice.at.elapsed() < OUTCOME_TTL;
        self.choose(is_recent).await.err().unwrap_or(timed_out)
    }

    /// Returns the index of the server to use, by new attempts unless the last ones suffice. Concurrent callers share
    /// them.
    async fn choose(&self, suffices: impl Fn(&Choice) -> bool) -> Result<usize, DbErr> {
        let mut last = self.last.lock().await;
        if let Some(choice) = last.as_ref().filter(|choice| suffices(choice)) {
            return choice.outcome.clone();
        }
        let in_use = last.as_ref().map_or(0, |choice| choice.in_use);
        let outcome = self.attempt_all(in_use).await;
        if let Ok(index) = outcome
            && index != in_use
        {
            // The connections to the other server.
            self.generation.end(Instant::now());
        }
        *last = Some(Choice {
            at: Instant::now(),
            in_use: outcome.clone().unwrap_or(in_use),
            outcome: outcome.clone(),
        });
        outcome
    }

    /// Attempts to connect to all servers at once. Returns the one in use if it is usable, or the first that is.
    async fn attempt_all(&self, in_use: usize) -> Result<usize, DbErr> {
        let outcomes = join_all(self.options.iter().map(|server| self.attempt(server))).await;
        if outcomes.get(in_use).is_some_and(Result::is_ok) {
            return Ok(in_use);
        }
        if let Some(index) = outcomes.iter().position(Result::is_ok) {
            return Ok(index);
        }
        let mut errors = outcomes.into_iter().filter_map(Result::err);
        let first = errors.next().unwrap_or_else(|| unreachable(String::new()));
        Err(errors.fold(first, |all, next| match (all, next) {
            (DbErr::Conn(RuntimeErr::Internal(all)), DbErr::Conn(RuntimeErr::Internal(next))) => {
                unreachable(format!("{all}; {next}"))
            }
            (all, _) => all,
        }))
    }

    /// Attempts to connect to a server.
    async fn attempt(&self, server: &PgConnectOptions) -> Result<(), DbErr> {
        let attempt = async {
            let mut connection = server.connect().await?;
            self.session.prepare(&mut connection).await?;
            let row = connection.fetch_one("SELECT pg_is_in_recovery()").await?;
            let _ = connection.close().await;
            row.try_get::<bool, _>(0)
        };
        match timeout(ACQUIRE_TIMEOUT, attempt).await {
            Ok(Ok(is_standby)) if is_standby && self.are_several() && !self.accepts_standby => {
                Err(unreachable(describe_attempt(server, "it is a standby")))
            }
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(connect_error(server, &error)),
            Err(_) => {
                let cause = "the server does not answer in time";
                Err(unreachable(describe_attempt(server, cause)))
            }
        }
    }
}

/// Returns the error of a server to which the driver could not connect, or whose database cannot be used.
pub(super) fn connect_error(server: &PgConnectOptions, error: &sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::Configuration(refusal) => DbErr::Custom(refusal.to_string()),
        error => unreachable(describe_attempt(server, &describe_driver(error))),
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
    use crate::sea_orm::connection::session::Access;

    fn servers(ports: &[u16]) -> (Servers, PgPool) {
        let options = |port: &u16| {
            PgConnectOptions::new_without_pgpass()
                .host("127.0.0.1")
                .port(*port)
                .username("planted-user")
                .password("planted-password")
                .database("planted")
        };
        let all: Vec<_> = ports.iter().map(options).collect();
        let pool = PgPoolOptions::new().connect_lazy_with(all[0].clone());
        let session = Session {
            access: Access::Read,
            schema: None,
            statement_timeout: "1000".to_owned(),
            is_pooled: false,
            checks_client: Arc::default(),
        };
        (Servers::new(all, false, session, Arc::default()), pool)
    }

    fn refusing_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn a_refused_connection_names_host_port_and_cause_but_no_credential() {
        let port = refusing_port();
        let (servers, pool) = servers(&[port]);
        for _ in 0..2 {
            let text = describe(&servers.explain_timeout(&pool).await);
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
        let (servers, pool) = servers(&[port]);
        let text = describe(&servers.explain_timeout(&pool).await);
        let expected = "the server does not answer in time";
        assert!(text.ends_with(expected), "{text}");
    }

    #[tokio::test]
    async fn each_of_several_servers_is_named() {
        let ports = [refusing_port(), refusing_port()];
        let (servers, pool) = servers(&ports);
        let text = describe(&servers.explain_timeout(&pool).await);
        for port in ports {
            assert!(text.contains(&format!("127.0.0.1:{port}: ")), "{text}");
        }
    }
}
