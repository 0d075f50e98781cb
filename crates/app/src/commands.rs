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
pub(crate) mod user;

use std::fmt::Display;
use std::io::Write as _;

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

/// Composes the service for a command that works on its store.
async fn composition(settings: &Settings) -> Result<Composition, Outcome> {
    Composition::new(settings)
        .await
        .map_err(|error| failed(&error))
}

fn failed(error: &impl Display) -> Outcome {
    say(format_args!("user-service: {error}"));
    Outcome::Failed
}
