//! The command line. Results go to stdout, talk goes to stderr.

mod help;
mod token;
mod user;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::commands;
pub(crate) use token::{CreateTokenArguments, Lifetime};
pub(crate) use user::{ExportArguments, ImportArguments, ListArguments};

/// The user service: the platform's users behind a REST API.
///
/// Settings come from the environment, `.env`, and the file that `CONFIG_FILE` names, in this order; `.env.example` tells
/// all of them. Exit status: 0 done, 1 failed, 2 wrong usage or settings.
#[derive(Debug, Parser)]
#[command(name = "user-service", version, after_help = help::USER_SERVICE)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the API (the default).
    ///
    /// Until SIGTERM or SIGINT, after which it answers what it accepted and ends with 0. A second signal ends it at
    /// once. Brings the database up to date first, unless `MIGRATE_ON_START` is false.
    #[command(after_help = help::SERVE)]
    Serve,
    /// Serves it on this machine with a store and a key in ./data, sample users, and calls to try.
    ///
    /// Needs no setting, listens on 127.0.0.1 only, and ignores `.env`, `DATABASE_URI` and `REDIS_URL`. Remove ./data to
    /// start anew.
    #[command(after_help = help::DEV)]
    Dev,
    /// Brings the database up to date, or tells whether it is.
    #[command(subcommand, after_help = help::MIGRATE)]
    Migrate(Migrate),
    /// Checks the settings and tells what they mean.
    ///
    /// All faults are told at once, by name and reason; no secret is printed.
    #[command(after_help = help::CHECK_SETTINGS)]
    CheckSettings,
    /// Asks the service on this machine whether it is alive.
    ///
    /// At `MANAGEMENT_PORT`, or at `PORT` without one, for containers that have no curl: exits with 0 if it is and with 1 if it is not.
    #[command(after_help = help::HEALTHCHECK)]
    Healthcheck,
    /// Prints the OpenAPI document.
    #[command(after_help = help::OPENAPI)]
    Openapi,
    /// Removes what is over its time now, and tells how much of each kind; `serve` does so every hour.
    ///
    /// Users deleted 30 days ago, events after 30 days, idempotency keys after 24 hours, usernames given up 90 days ago.
    #[command(after_help = help::PURGE)]
    Purge,
    /// Prints a script that lets a shell complete this command line.
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Looks after users: shows, lists, imports and exports them.
    ///
    /// Works on the database of the settings, beside a running service or without one. A running service learns of what
    /// is written here within a second.
    #[command(subcommand, after_help = help::USER)]
    User(user::User),
    /// Looks after the tokens of services: makes, lists and revokes them.
    ///
    /// Works on the database of the settings, beside a running service or without one.
    #[command(subcommand, after_help = help::TOKEN)]
    Token(token::Token),
    /// Looks after the cache.
    #[command(subcommand, after_help = help::CACHE)]
    Cache(Cache),
}

#[derive(Debug, Subcommand)]
enum Migrate {
    /// Applies what is pending, and prints its names.
    #[command(after_help = help::MIGRATE_UP)]
    Up,
    /// Lists what is pending; exits with 1 if anything is.
    #[command(after_help = help::MIGRATE_STATUS)]
    Status,
}

#[derive(Debug, Subcommand)]
enum Cache {
    /// Makes every replica forget what it remembers of users, and empties what they share in Redis.
    ///
    /// Never needed: the cache keeps itself right. For the day on which a database was restored from a backup.
    #[command(after_help = help::CACHE_CLEAR)]
    Clear,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it was told.
    Done,
    /// It did not.
    Failed,
    /// It was told wrongly, or its settings are wrong.
    Misused,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Failed => Self::FAILURE,
            Outcome::Misused => Self::from(2),
        }
    }
}

impl Cli {
    /// Runs the command.
    pub async fn run(self) -> Outcome {
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => commands::serve::run().await,
            Command::Dev => commands::dev::run().await,
            Command::Migrate(Migrate::Up) => commands::migrate::up().await,
            Command::Migrate(Migrate::Status) => commands::migrate::status().await,
            Command::CheckSettings => commands::check_settings::run(),
            Command::Healthcheck => commands::healthcheck::run().await,
            Command::Openapi => commands::openapi::run(),
            Command::Purge => commands::purge::run().await,
            Command::Completions { shell } => commands::completions::run(shell, Self::command()),
            Command::Cache(Cache::Clear) => commands::clear_cache::run().await,
            Command::User(user) => user.run().await,
            Command::Token(token) => token.run().await,
        }
    }
}

#[cfg(test)]
mod tests;
