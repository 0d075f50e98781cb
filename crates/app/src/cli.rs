//! The command line. Results go to stdout; messages and the log go to stderr.

mod events;
mod help;
mod token;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use events::{Events, TailArguments};
pub(crate) use token::{CreateTokenArguments, Lifetime, Token};
pub(crate) use user::{CreateUserArguments, ExportArguments, ImportArguments, ListArguments, User};

/// The user service: the platform's users behind a REST API.
///
/// Settings come from the environment, `.env` and the file that `CONFIG_FILE` names; the earlier overrides the later.
/// `.env.example` documents all of them. A command requires only the settings that it uses.
///
/// Exit status: 0 success, 1 failure, 2 wrong arguments or settings.
#[derive(Debug, Parser)]
#[command(name = "user-service", version, after_help = help::USER_SERVICE)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves the API (the default).
    ///
    /// After SIGTERM or SIGINT, it answers the requests that it accepted and exits with 0. A second signal stops it at
    /// once. It applies pending migrations first, unless `MIGRATE_ON_START` is false.
    #[command(after_help = help::SERVE)]
    Serve,
    /// Serves the API on this machine, with a database and keys in ./data, sample users and example requests.
    ///
    /// Requires no setting, listens on 127.0.0.1 only, and ignores `.env`, `DATABASE_URI` and `REDIS_URL`. Other
    /// commands in the same folder use its database, unless `DATABASE_URI` names another. Remove ./data to start over.
    #[command(after_help = help::DEV)]
    Dev,
    /// Applies or lists pending migrations.
    #[command(subcommand, after_help = help::MIGRATE)]
    Migrate(Migrate),
    /// Validates the settings and explains their effect.
    ///
    /// Prints all errors at once, each with the name of the setting and the reason. No secret is printed.
    #[command(after_help = help::CHECK_SETTINGS)]
    CheckSettings,
    /// Asks the service on this machine whether it is alive.
    ///
    /// Uses `MANAGEMENT_PORT` if set, otherwise `PORT`. For containers without curl. Exits with 0 if the service is
    /// alive, and with 1 otherwise.
    #[command(after_help = help::HEALTHCHECK)]
    Healthcheck,
    /// Prints the OpenAPI 3.1 document.
    #[command(after_help = help::OPENAPI)]
    Openapi {
        /// Prints the document as OpenAPI 3.0, for tools that do not read 3.1.
        #[arg(long = "3.0")]
        as_3_0: bool,
    },
    /// Prints the AsyncAPI document, which describes the events.
    #[command(after_help = help::ASYNCAPI)]
    Asyncapi,
    /// Follows the events of a running service.
    #[command(subcommand, after_help = help::EVENTS)]
    Events(Events),
    /// Deletes expired records, as `serve` does every hour, and prints how many of each kind.
    ///
    /// Removes users 30 days after their deletion, events after 30 days, idempotency keys after 24 hours, and
    /// reservations of released usernames after 90 days.
    #[command(after_help = help::PURGE)]
    Purge,
    /// Prints a completion script for a shell.
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Creates, changes, shows, lists, imports and exports users.
    ///
    /// Uses the database of the settings directly. The service may be running: it returns the changes within a second.
    #[command(subcommand, after_help = help::USER)]
    User(User),
    /// Creates, lists and revokes service tokens.
    ///
    /// Uses the database of the settings directly. The service may be running.
    #[command(subcommand, after_help = help::TOKEN)]
    Token(Token),
    /// Clears the cache.
    #[command(subcommand, after_help = help::CACHE)]
    Cache(Cache),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Applies pending migrations and prints their names.
    #[command(after_help = help::MIGRATE_UP)]
    Up,
    /// Prints the names of pending migrations. Exits with 1 if there are any.
    #[command(after_help = help::MIGRATE_STATUS)]
    Status,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cache {
    /// Clears the cache in Redis, and the in-process cache of every replica that Redis reaches.
    ///
    /// In normal operation it is never needed: the cache keeps itself consistent. Use it after the database was
    /// restored from a backup.
    #[command(after_help = help::CACHE_CLEAR)]
    Clear,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOutcome {
    /// It succeeded: 0.
    Success,
    /// It failed: 1.
    Failure,
    /// Its arguments or settings are wrong: 2.
    InvalidUsage,
}

impl From<CommandOutcome> for ExitCode {
    fn from(outcome: CommandOutcome) -> Self {
        match outcome {
            CommandOutcome::Success => Self::SUCCESS,
            CommandOutcome::Failure => Self::FAILURE,
            CommandOutcome::InvalidUsage => Self::from(2),
        }
    }
}

#[cfg(test)]
mod tests;
