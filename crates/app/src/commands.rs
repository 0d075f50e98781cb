//! The commands, one file each.

pub(crate) mod check_settings;
pub(crate) mod clear_cache;
pub(crate) mod completions;
pub(crate) mod dev;
pub(crate) mod healthcheck;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod purge;
pub(crate) mod serve;
mod table;
pub(crate) mod token;
pub(crate) mod user;

use std::fmt::Display;
use std::io::Write as _;

use user_domain::use_cases::UseCases;

use crate::cli::Outcome;
use crate::compose::Composition;
use crate::settings::{Settings, Sources};

/// Prints a line of a command's result. A reader that went away is no failure of the command.
fn result(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Tells a person something.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Loads the settings of this process, or tells all that is wrong with them.
fn settings() -> Result<Settings, Outcome> {
    Settings::load(&Sources::from_process()).map_err(|faults| {
        say(faults);
        Outcome::Misused
    })
}

/// Does a command's work on the store of the settings, and takes leave of it whatever came of it: PostgreSQL logs no
/// lost connection, and SQLite brings its statistics up to date.
async fn on_store(work: impl AsyncFnOnce(&Settings, &Composition) -> Outcome) -> Outcome {
    match settings() {
        Ok(settings) => on_store_of(&settings, work).await,
        Err(outcome) => outcome,
    }
}

/// Does what [`on_store`] does, on the store of settings that were looked at before.
async fn on_store_of(
    settings: &Settings,
    work: impl AsyncFnOnce(&Settings, &Composition) -> Outcome,
) -> Outcome {
    let composition = match Composition::new(settings).await {
        Ok(composition) => composition,
        Err(error) => return failed(&error),
    };
    let outcome = work(settings, &composition).await;
    composition.close().await;
    outcome
}

/// Does a command's work by the use cases on the store of the settings, which has to be up to date.
async fn on_current_store(work: impl AsyncFnOnce(&Settings, UseCases) -> Outcome) -> Outcome {
    on_store(async |settings, composition| {
        match composition.pending_migrations().await {
            Ok(pending) if pending.is_empty() => work(settings, composition.use_cases()).await,
            Ok(_) => {
                say(
                    "user-service: the database is not up to date: run `user-service migrate up` first",
                );
                Outcome::Failed
            }
            Err(error) => failed(&error),
        }
    })
    .await
}

fn failed(error: &impl Display) -> Outcome {
    say(format_args!("user-service: {error}"));
    Outcome::Failed
}
