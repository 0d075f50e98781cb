//! The settings: one struct per section, read from all sources and validated once, at the start.
//!
//! The environment overrides `.env`, which overrides an optional file, which overrides the defaults. All errors are
//! reported at once. No `Debug` or `Display` of this module shows a secret.
//!
//! To add a setting, add a line to `variables.rs`, a field to its section and code that reads it, a test, a paragraph in
//! `.env.example`, and its type in `deploy/helm/user-service/values.schema.json` and `ci/every-setting-values.yaml`.

mod broker;
mod cache;
mod database;
mod database_servers;
mod database_uri;
mod errors;
mod jwks;
mod log;
mod passwords;
mod reader;
mod redis_url;
mod secrets;
mod sections;
mod server;
mod sources;
mod suggestions;
#[cfg(test)]
mod tests;
mod tokens;
mod traces;
mod variables;

pub use broker::BrokerSettings;
pub use cache::CacheSettings;
pub use database::{DatabaseSettings, Pooler};
pub use database_uri::DatabaseTarget;
pub use errors::{SettingError, SettingsErrors};
pub use jwks::JwksSettings;
pub use log::{LogFormat, LogLevel, LogSettings};
pub use passwords::PasswordSettings;
pub(crate) use sections::Section;
pub use server::ServerSettings;
pub use sources::Sources;
pub use tokens::{JwtSubject, TokenSettings};
pub use traces::TraceSettings;
pub use variables::{Variable, variables};

use reader::{Reader, Reported};

/// All settings of the service, validated.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the service listens.
    pub server: ServerSettings,
    /// The database.
    pub database: DatabaseSettings,
    /// The cache.
    pub cache: CacheSettings,
    /// The message broker.
    pub broker: BrokerSettings,
    /// The credentials of callers.
    pub tokens: TokenSettings,
    /// Password hashing.
    pub passwords: PasswordSettings,
    /// The log.
    pub log: LogSettings,
    /// Traces.
    pub traces: TraceSettings,
    warnings: Vec<String>,
}

impl Settings {
    /// Reads and validates the settings.
    ///
    /// Fails with all errors of all sources.
    pub fn load(sources: &Sources) -> Result<Self, SettingsErrors> {
        Self::read(Reader::new(sources.layered()))
    }

    fn read(mut reader: Reader) -> Result<Self, SettingsErrors> {
        let server = ServerSettings::read(&mut reader);
        let database = DatabaseSettings::read(&mut reader);
        let cache = CacheSettings::read(&mut reader);
        let broker = BrokerSettings::read(&mut reader);
        let tokens = TokenSettings::read(&mut reader);
        let passwords = PasswordSettings::read(&mut reader);
        let log = LogSettings::read(&mut reader);
        let traces = TraceSettings::read(&mut reader);

        let (errors, warnings) = reader.finish();
        match (
            server, database, cache, broker, tokens, passwords, log, traces,
        ) {
            (
                Ok(server),
                Ok(database),
                Ok(cache),
                Ok(broker),
                Ok(tokens),
                Ok(passwords),
                Ok(log),
                Ok(traces),
            ) if errors.is_empty() => Ok(Self {
                server,
                database,
                cache,
                broker,
                tokens,
                passwords,
                log,
                traces,
                warnings,
            }),
            (.., log, _) => Err(SettingsErrors::new(
                errors,
                warnings,
                log.unwrap_or_default(),
            )),
        }
    }

    /// Returns the warnings: settings that are valid but probably a mistake. Each is a sentence that names the
    /// variable.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

/// The result of reading a section. Its errors are already reported to the reader.
type Read<T> = Result<T, Reported>;
