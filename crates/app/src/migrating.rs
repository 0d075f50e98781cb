//! Brings the database up to date while the service starts, however long that takes.

use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::{sleep, timeout};

use crate::compose::{ComposeError, Composition};
use crate::settings::Settings;

/// How long the service waits for the database before it listens without it, not ready.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before asking an absent database again.
const RETRY: Duration = Duration::from_secs(1);

/// Migrates if the settings say so; where the database is away, or takes long, goes on in the background.
///
/// # Errors
/// What will not pass by itself.
pub(crate) async fn start(
    composition: &Composition,
    settings: &Settings,
) -> Result<Option<JoinHandle<()>>, ComposeError> {
    if !settings.database.migrate_on_start {
        return Ok(None);
    }
    let migrating = Migrating {
        composition: composition.clone(),
        schema: settings.database.schema.clone(),
    };
    // A task of its own: a migration that takes long is not to be cut off by whoever waits for it.
    let mut first = tokio::spawn(migrating.clone().attempt());
    let Ok(ended) = timeout(PATIENCE, &mut first).await else {
        tracing::warn!("the database takes long to be brought up to date; it is waited for");
        return Ok(Some(tokio::spawn(async move {
            match outcome(first.await) {
                Ok(applied) => tell(&applied),
                Err(error) => {
                    tracing::warn!(%error, "the database cannot be brought up to date");
                    migrating.go_on().await;
                }
            }
        })));
    };
    match outcome(ended) {
        Ok(applied) => {
            tell(&applied);
            Ok(None)
        }
        Err(error) if error.is_passing() => {
            tracing::warn!(%error, "the database is away; it is asked again until it is there");
            Ok(Some(tokio::spawn(async move { migrating.go_on().await })))
        }
        Err(error) => Err(error),
    }
}

#[derive(Clone)]
struct Migrating {
    composition: Composition,
    schema: Option<String>,
}

impl Migrating {
    async fn attempt(self) -> Result<Vec<String>, ComposeError> {
        self.composition.migrate(self.schema.as_deref()).await
    }

    async fn go_on(self) {
        for attempt in 1_u32.. {
            sleep(RETRY).await;
            match self.clone().attempt().await {
                Ok(applied) => return tell(&applied),
                // A wrong name or password looks like a database that is still to come: the log goes on saying which.
                Err(error) if error.is_passing() && attempt % 10 != 0 => {
                    tracing::debug!(%error, "the database is still away");
                }
                Err(error) => {
                    tracing::warn!(%error, attempt, "the database cannot be brought up to date");
                }
            }
        }
    }
}

fn outcome(
    ended: Result<Result<Vec<String>, ComposeError>, JoinError>,
) -> Result<Vec<String>, ComposeError> {
    ended.unwrap_or_else(|error| Err(ComposeError::Database(error.to_string())))
}

fn tell(applied: &[String]) {
    for name in applied {
        tracing::info!(migration = %name, "migration applied");
    }
}
