//! What every session on PostgreSQL sets for itself, whatever the defaults of the server, the database and the role are.
//!
//! Behind a connection pooler in transaction mode there are no sessions: every transaction sets it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{self, AssertSqlSafe, Executor, Row};

/// The maximum wait of a statement for a lock, in milliseconds. It is shorter than the statement timeouts.
const LOCK_TIMEOUT: &str = "900";
/// The maximum idle time of an open transaction, in milliseconds.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "5000";
/// How often PostgreSQL checks during a statement whether its client is still connected, in milliseconds. A request that
/// was abandoned here then also ends there.
const CLIENT_CHECK_INTERVAL: &str = "300";
const CLIENT_CHECK: &str = "client_connection_check_interval";
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
    /// The maximum duration of a statement, in milliseconds.
    pub(super) statement_timeout: String,
    /// Whether a connection pooler may run each transaction in another session.
    pub(super) is_pooled: bool,
    /// Whether the server can check during a statement whether its client is still connected.
    pub(super) checks_client: Arc<AtomicBool>,
}

impl Session {
    /// Prepares a new connection.
    ///
    /// The settings are sent in a statement and not in the startup packet, in which connection poolers refuse or ignore
    /// them. A pooled connection gets none: other clients would find them in their transactions.
    ///
    /// # Errors
    /// Those of the server, and [`sqlx::Error::Configuration`] for a database that cannot be used.
    pub(super) async fn prepare(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        // Without preparing it, the statement takes one round trip.
        let row = connection
            .fetch_one(sqlx::raw_sql(AssertSqlSafe(self.preparation())))
            .await?;
        let checks_client = row.try_get("checks_client")?;
        self.checks_client.store(checks_client, Ordering::Relaxed);
        let encoding: String = row.try_get("server_encoding")?;
        if encoding == ENCODING {
            return Ok(());
        }
        let refusal = format!(
            "its encoding is {encoding}, in which some text cannot be stored; create it with ENCODING '{ENCODING}'"
        );
        Err(sqlx::Error::Configuration(refusal.into()))
    }

    fn preparation(&self) -> String {
        let mut expressions = Vec::new();
        if !self.is_pooled {
            let mut settings = self.settings();
            // Waiting writers see the latest commit instead of failing with 40001.
            settings.push(("default_transaction_isolation", "read committed"));
            if self.access != Access::Write {
                settings.push(("default_transaction_read_only", "on"));
            }
            let set = |(name, value)| format!("set_config('{name}', '{value}', false), ");
            expressions.extend(settings.into_iter().map(set));
            expressions.push(format!(
                "CASE WHEN checks_client THEN set_config('{CLIENT_CHECK}', '{CLIENT_CHECK_INTERVAL}', false) END, "
            ));
        }
        // The check is known since PostgreSQL 14, and refused by older ones on other systems than Linux.
        format!(
            "SELECT {}checks_client, current_setting('server_encoding') AS server_encoding FROM (
                SELECT current_setting('{CLIENT_CHECK}', true) IS NOT NULL AND version() LIKE '%linux%' AS checks_client
            ) AS server",
            expressions.concat()
        )
    }

    /// Returns the message that begins a transaction, of which all statements read one snapshot if `is_snapshot`.
    /// Behind a pooler it also sets what a session would have set.
    pub(super) fn begin(&self, is_snapshot: bool) -> Cow<'static, str> {
        let snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        if !self.is_pooled {
            return if is_snapshot { snapshot } else { "BEGIN" }.into();
        }
        let begin = match self.access {
            _ if is_snapshot => snapshot,
            Access::Read | Access::ReadStandby => "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY",
            // Not READ WRITE, which a server that is read-only for maintenance would obey.
            Access::Write => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        let mut settings = self.settings();
        if self.checks_client.load(Ordering::Relaxed) {
            settings.push((CLIENT_CHECK, CLIENT_CHECK_INTERVAL));
        }
        // SET takes less than half of the time of set_config in a query.
        let set = |(name, value)| format!("; SET LOCAL {name} = '{value}'");
        let settings: Vec<String> = settings.into_iter().map(set).collect();
        format!("{begin}{}", settings.concat()).into()
    }

    /// Returns the settings of a session or, behind a pooler, of a transaction.
    fn settings(&self) -> Vec<(&str, &str)> {
        let mut settings = vec![
            ("statement_timeout", self.statement_timeout.as_str()),
            ("lock_timeout", LOCK_TIMEOUT),
            (
                "idle_in_transaction_session_timeout",
                IDLE_IN_TRANSACTION_TIMEOUT,
            ),
            ("standard_conforming_strings", "on"),
            // A search by an index returns all matches.
            ("gin_fuzzy_search_limit", "0"),
            // A statement on few rows takes a millisecond; JIT compilation would take a second.
            ("jit", "off"),
        ];
        if let Some(schema) = &self.schema {
            settings.push(("search_path", schema));
        }
        settings
    }
}
