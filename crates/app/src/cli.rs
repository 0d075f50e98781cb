//! The command line. Results go to stdout, talk goes to stderr.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands;

/// The user service: the platform's users behind a REST API.
///
/// Settings come from the environment, `.env`, and the file that `CONFIG_FILE` names, in this order; `.env.example` tells
/// all of them. Exit status: 0 done, 1 failed, 2 wrong usage or settings.
#[derive(Debug, Parser)]
#[command(name = "user-service", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the API (the default).
    Serve,
    /// Serves it on this machine with a store and a key in ./data, sample users, and calls to try.
    Dev,
    /// Brings the database up to date, or tells whether it is.
    #[command(subcommand)]
    Migrate(Migrate),
    /// Checks the settings and tells what they mean.
    CheckSettings,
    /// Asks the service on this machine whether it is alive.
    Healthcheck,
    /// Prints the OpenAPI document.
    Openapi,
    /// Removes what is over its time now, and tells how much of each kind; `serve` does so every hour.
    ///
    /// Users deleted 30 days ago, events after 30 days, idempotency keys after 24 hours, usernames given up 90 days ago.
    Purge,
    /// Looks after users.
    #[command(subcommand)]
    User(User),
    /// Looks after the cache.
    #[command(subcommand)]
    Cache(Cache),
}

#[derive(Debug, Subcommand)]
enum Migrate {
    /// Applies what is pending.
    Up,
    /// Lists what is pending; exits with 1 if anything is.
    Status,
}

#[derive(Debug, Subcommand)]
enum User {
    /// Gives a user a role: how the first administrator is made.
    GrantRole {
        /// The user's id, username or email address.
        user: String,
        /// The role, such as admin.
        role: String,
    },
}

#[derive(Debug, Subcommand)]
enum Cache {
    /// Makes every replica forget what it remembers of users, and empties what they share in Redis.
    ///
    /// Never needed: the cache keeps itself right. For the day on which a database was restored from a backup.
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
            Command::Cache(Cache::Clear) => commands::clear_cache::run().await,
            Command::User(User::GrantRole { user, role }) => {
                commands::grant_role::run(&user, &role).await
            }
        }
    }
}
