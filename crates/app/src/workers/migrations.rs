//! Checks the database and applies pending migrations when the service starts, in the background if the database is
//! unavailable or slow.

use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::{sleep, timeout};

use crate::compose::{ComposeError, Composition};
use crate::lifecycle::WorkerGroup;
use crate::settings::Settings;

/// The name of the worker.
const WORKER: &str = "migrations";
/// How long the start waits for migrations. After that, the service listens and reports that it is not ready.
const STARTUP_WAIT: Duration = Duration::from_secs(5);
/// How long to wait between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Checks the database and applies pending migrations, unless the settings disable them. Starts a worker if the database
/// is unavailable or this takes longer than [`STARTUP_WAIT`].
///
/// # Errors
/// A permanent failure.
pub(crate) async fn start(
    group: &WorkerGroup,
    composition: &Composition,
    settings: &Settings,
) -> Result<(), ComposeError> {
    let task = StartupTask {
        composition: composition.clone(),
        schema: settings.database.schema.clone(),
        migrates: settings.database.migrate_on_start,
    };
    // A task of its own: the timeout must not cancel a running migration.
    let mut first = tokio::spawn(task.clone().attempt());
    let Ok(joined) = timeout(STARTUP_WAIT, &mut first).await else {
        tracing::warn!(
            "the check of the database or its migrations take long; they continue in the background"
        );
        group.start_cancellable(WORKER, async move {
            match flatten(first.await) {
                Ok(applied) => log_applied(&applied),
                Err(error) => {
                    tracing::warn!(%error, "the database cannot be used, or its migrations failed; both are retried");
                    task.retry_until_applied().await;
                }
            }
        });
        return Ok(());
    };
    match flatten(joined) {
        Ok(applied) => log_applied(&applied),
        Err(error) if error.is_transient() => {
            tracing::warn!(%error, "the database is unavailable; its check and migrations are retried in the background");
            group.start_cancellable(WORKER, task.retry_until_applied());
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

#[derive(Clone)]
struct StartupTask {
    composition: Composition,
    schema: Option<String>,
    /// Whether it also applies pending migrations.
    migrates: bool,
}

impl StartupTask {
    /// Returns the names of the applied migrations.
    async fn attempt(self) -> Result<Vec<String>, ComposeError> {
        if self.migrates {
            return self.composition.migrate(self.schema.as_deref()).await;
        }
        self.composition.check_database().await?;
        Ok(Vec::new())
    }

    async fn retry_until_applied(self) {
        for attempt in 1_u32.. {
            sleep(RETRY_INTERVAL).await;
            match self.clone().attempt().await {
                Ok(applied) => return log_applied(&applied),
                // A wrong host name or password looks like a database that has not started yet. So every tenth failure
                // is logged as a warning.
                Err(error) if error.is_transient() && attempt % 10 != 0 => {
                    tracing::debug!(%error, "the database is still unavailable");
                }
                Err(error) => {
                    tracing::warn!(%error, attempt, "the database cannot be used, or its migrations failed; both are retried");
                }
            }
        }
    }
}

fn flatten(
    joined: Result<Result<Vec<String>, ComposeError>, JoinError>,
) -> Result<Vec<String>, ComposeError> {
    joined.unwrap_or_else(|error| Err(ComposeError::Database(error.to_string())))
}

fn log_applied(applied: &[String]) {
    for name in applied {
        tracing::info!(migration = %name, "migration applied");
    }
}
