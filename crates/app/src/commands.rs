//! The commands, one file each.

mod asyncapi;
mod check_settings;
mod clear_cache;
mod completions;
mod dev;
mod events;
mod healthcheck;
mod migrate;
mod openapi;
mod purge;
mod serve;
mod table;
mod token;
mod user;

use std::fmt::Display;
use std::io::Write as _;

use clap::CommandFactory as _;
use user_domain::use_cases::UseCases;

use crate::cli::{Cache, Cli, Command, CommandOutcome, Migrate};
use crate::compose::Composition;
use crate::core_dumps;
use crate::settings::{DatabaseTarget, Section, Settings, SettingsErrors, Sources};

/// Runs the command of a command line.
pub async fn run(cli: Cli) -> CommandOutcome {
    core_dumps::forbid();
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => Box::pin(serve::run()).await,
        Command::Dev => Box::pin(dev::run()).await,
        Command::Migrate(Migrate::Up) => migrate::up().await,
        Command::Migrate(Migrate::Status) => migrate::status().await,
        Command::CheckSettings => check_settings::run(),
        Command::Healthcheck => healthcheck::run().await,
        Command::Openapi { as_3_0 } => openapi::run(as_3_0),
        Command::Asyncapi => asyncapi::run(),
        Command::Events(command) => events::run(command).await,
        Command::Purge => purge::run().await,
        Command::Completions { shell } => completions::run(shell, Cli::command()),
        Command::Cache(Cache::Clear) => clear_cache::run().await,
        Command::User(command) => user::run(command).await,
        Command::Token(command) => token::run(command).await,
    }
}

/// Prints a line of the result to stdout. A closed pipe is not a failure of the command.
fn print_result(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a message to stderr.
fn print_message(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Loads the settings of this process, or prints all errors in them.
fn load_settings() -> Result<Settings, CommandOutcome> {
    Settings::load(&Sources::from_process()).map_err(|errors| report_invalid_settings(&errors))
}

fn report_invalid_settings(errors: &SettingsErrors) -> CommandOutcome {
    for warning in errors.warnings() {
        print_message(warning);
    }
    print_message(errors);
    CommandOutcome::InvalidUsage
}

/// Loads the sections of the settings that a command needs, or prints all errors in them.
fn load_sections(needed: &[Section]) -> Result<Settings, CommandOutcome> {
    Settings::load_sections(&Sources::from_process(), needed)
        .map_err(|errors| report_invalid_settings(&errors))
}

/// Loads the settings of a command that uses the store: the database section and these sections.
///
/// Without `DATABASE_URI`, the store is the SQLite file that `dev` or `serve` created in this folder, and the command
/// prints its path. It does not create the file: if the setting was forgotten, the command would work on an empty
/// store.
fn load_store_settings(also: &[Section]) -> Result<Settings, CommandOutcome> {
    let settings = load_sections(&[&[Section::Database], also].concat())?;
    let DatabaseTarget::Sqlite { path } = &settings.database.target else {
        return Ok(settings);
    };
    if !settings.database.defaulted {
        return Ok(settings);
    }
    let file = path.display();
    if !path.is_file() {
        // They may name the cause, such as a variable with a similar name.
        let warnings = settings.warnings();
        for warning in warnings
            .iter()
            .filter(|warning| !warning.starts_with("DATABASE_URI:"))
        {
            print_message(warning);
        }
        print_message(format_args!(
            "DATABASE_URI: is required: {file}, which `user-service dev` creates, does not exist either"
        ));
        return Err(CommandOutcome::InvalidUsage);
    }
    print_message(format_args!("DATABASE_URI is not set: using {file}"));
    Ok(settings)
}

/// Runs the work of a command on the store of the settings. It closes the store afterwards, also after a failure, so
/// that PostgreSQL does not log a lost connection and SQLite updates its statistics.
async fn with_store(
    work: impl AsyncFnOnce(&Settings, &Composition) -> CommandOutcome,
) -> CommandOutcome {
    match load_store_settings(&[]) {
        Ok(settings) => with_store_of(&settings, work).await,
        Err(outcome) => outcome,
    }
}

/// Like [`with_store`], with settings that are already loaded.
async fn with_store_of(
    settings: &Settings,
    work: impl AsyncFnOnce(&Settings, &Composition) -> CommandOutcome,
) -> CommandOutcome {
    let composition = match Composition::new(settings).await {
        Ok(composition) => composition,
        Err(error) => return fail(&error),
    };
    let checked = composition.check_database().await;
    let refused = checked.err().filter(|error| !error.is_transient());
    let outcome = if let Some(error) = refused {
        fail(&error)
    } else {
        match composition.synchronize_clock().await {
            Ok(()) => work(settings, &composition).await,
            Err(error) => fail(&error),
        }
    };
    composition.close().await;
    outcome
}

/// Runs the work of a command with the use cases on the store of the settings. Fails if migrations are pending.
async fn with_use_cases(
    work: impl AsyncFnOnce(&Settings, UseCases) -> CommandOutcome,
) -> CommandOutcome {
    with_use_cases_and(&[], work).await
}

/// Like [`with_use_cases`], for work that also needs these sections of the settings.
async fn with_use_cases_and(
    also: &[Section],
    work: impl AsyncFnOnce(&Settings, UseCases) -> CommandOutcome,
) -> CommandOutcome {
    let settings = match load_store_settings(also) {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    with_store_of(&settings, async |settings, composition| {
        match composition.pending_migrations().await {
            Ok(pending) if pending.is_empty() => work(settings, composition.use_cases()).await,
            Ok(_) => {
                print_message(
                    "user-service: the database has pending migrations: run `user-service migrate up` first",
                );
                CommandOutcome::Failure
            }
            Err(error) => fail(&error),
        }
    })
    .await
}

fn fail(error: &impl Display) -> CommandOutcome {
    print_message(format_args!("user-service: {error}"));
    CommandOutcome::Failure
}
