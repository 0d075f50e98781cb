//! What an operator may decide: one struct a section, read from every source and validated once, at start.
//!
//! Environment over `.env` over an optional file over defaults. All faults are found before any is reported, and no
//! secret is in any `Debug` or `Display` of this module.
//!
//! To add a setting: a line in `variables.rs`, a field in its section, its reading there, a test, and its place in
//! `.env.example`.

mod cache;
mod database;
mod database_uri;
mod faults;
mod jwks;
mod log;
mod passwords;
mod reader;
mod server;
mod sources;
#[cfg(test)]
mod tests;
mod tokens;
mod traces;
mod variables;

pub use cache::CacheSettings;
pub use database::{DatabaseSettings, DatabaseTarget};
pub use faults::{Fault, SettingsFaults};
pub use jwks::JwksSettings;
pub use log::{LogFormat, LogLevel, LogSettings};
pub use passwords::PasswordSettings;
pub use server::ServerSettings;
pub use sources::Sources;
pub use tokens::{JwtSubject, TokenSettings};
pub use traces::TraceSettings;
pub use variables::{Variable, variables};

use reader::{Reader, Reported};

/// Every setting of the service, valid.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where and how requests are taken.
    pub server: ServerSettings,
    /// Where users are kept.
    pub database: DatabaseSettings,
    /// What is remembered of users, and where.
    pub cache: CacheSettings,
    /// Who is believed.
    pub tokens: TokenSettings,
    /// How passwords are hashed.
    pub passwords: PasswordSettings,
    /// What is written to the log, and how.
    pub log: LogSettings,
    /// Where traces are sent.
    pub traces: TraceSettings,
    warnings: Vec<String>,
}

impl Settings {
    /// Reads and validates the settings.
    ///
    /// Fails with every fault of every source, not with the first.
    pub fn load(sources: &Sources) -> Result<Self, SettingsFaults> {
        let (values, faults) = sources.layered();
        let mut reader = Reader::new(values, faults);

        let server = ServerSettings::read(&mut reader);
        let database = DatabaseSettings::read(&mut reader);
        let cache = CacheSettings::read(&mut reader);
        let tokens = TokenSettings::read(&mut reader);
        let passwords = PasswordSettings::read(&mut reader);
        let log = LogSettings::read(&mut reader);
        let traces = TraceSettings::read(&mut reader);

        let (faults, warnings) = reader.finish();
        match (server, database, cache, tokens, passwords, log, traces) {
            (
                Ok(server),
                Ok(database),
                Ok(cache),
                Ok(tokens),
                Ok(passwords),
                Ok(log),
                Ok(traces),
            ) if faults.is_empty() => Ok(Self {
                server,
                database,
                cache,
                tokens,
                passwords,
                log,
                traces,
                warnings,
            }),
            _ => Err(SettingsFaults::new(faults)),
        }
    }

    /// What is permitted but probably not meant, one sentence each, naming the variable.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

/// The outcome of reading a section: its faults are already with the reader.
type Read<T> = Result<T, Reported>;
