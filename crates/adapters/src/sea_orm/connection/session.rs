//! What every session on PostgreSQL sets for itself, whatever the defaults of the server, the database and the role are.

use std::time::Duration;

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{self, AssertSqlSafe, Executor, Row};

/// The maximum wait of a statement for a lock, in milliseconds. It is shorter than the statement timeouts.
const LOCK_TIMEOUT: &str = "900";
/// The maximum idle time of an open transaction, in milliseconds.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "5000";
/// How often PostgreSQL checks during a statement whether its client is still connected, in milliseconds. A request that
/// was abandoned here then also ends there.
const CLIENT_CHECK_INTERVAL: &str = "300";
/// The only encoding in which every text can be stored.
const ENCODING: &str = "UTF8";

/// What the connections of a pool may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Read the primary server. The database refuses writes, so every statement can be repeated.
    Read,
    /// Read a server that may be a standby.
    ReadStandby,
    /// Read and write, in transactions.
    Write,
}

/// The settings of a session that depend on its pool.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) access: Access,
    /// The schema of the tables; the database's default if `None`.
    pub(super) schema: Option<String>,
    /// The maximum duration of a statement.
    pub(super) statement_timeout: Duration,
}

impl Session {
    /// Prepares a new connection.
    ///
    /// The settings are sent in a statement and not in the startup packet, in which connection poolers refuse or ignore
    /// them.
    ///
    /// # Errors
    /// Those of the server, and [`sqlx::Error::Configuration`] for a database that cannot be used.
    pub(super) async fn prepare(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        // Without preparing it, the statement takes one round trip.
        let row = connection
            .fetch_one(sqlx::raw_sql(AssertSqlSafe(self.statement())))
            .await?;
        let encoding: String = row.try_get("server_encoding")?;
        if encoding == ENCODING {
            return Ok(());
        }
        let refusal = format!(
            "its encoding is {encoding}, in which some text cannot be stored; create it with ENCODING '{ENCODING}'"
        );
        Err(sqlx::Error::Configuration(refusal.into()))
    }

    fn statement(&self) -> String {
        let statement_timeout = self.statement_timeout.as_millis().to_string();
        let mut settings = vec![
            ("statement_timeout", statement_timeout.as_str()),
            ("lock_timeout", LOCK_TIMEOUT),
            (
                "idle_in_transaction_session_timeout",
                IDLE_IN_TRANSACTION_TIMEOUT,
            ),
            // Waiting writers see the latest commit instead of failing with 40001.
            ("default_transaction_isolation", "read committed"),
            ("standard_conforming_strings", "on"),
            // A search by an index returns all matches.
            ("gin_fuzzy_search_limit", "0"),
            // A statement on few rows takes a millisecond; JIT compilation would take a second.
            ("jit", "off"),
        ];
        if self.access != Access::Write {
            settings.push(("default_transaction_read_only", "on"));
        }
        if let Some(schema) = &self.schema {
            settings.push(("search_path", schema));
        }
        let settings: Vec<String> = settings
            .iter()
            .map(|(name, value)| format!("set_config('{name}', '{value}', false)"))
            .collect();
        let settings = settings.join(", ");
        // Known since PostgreSQL 14, and refused by older ones on other systems than Linux.
        format!(
            "SELECT {settings},
            CASE WHEN current_setting('client_connection_check_interval', true) IS NOT NULL AND version() LIKE '%linux%'
                THEN set_config('client_connection_check_interval', '{CLIENT_CHECK_INTERVAL}', false) END,
            current_setting('server_encoding') AS server_encoding"
        )
    }
}
