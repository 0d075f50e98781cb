//! The sections of the settings, of which a command loads only those that it needs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::reader::Reader;
use super::variables::{variable_named, variable_of_file, variables};
use super::{Settings, SettingsErrors, Sources};

/// A section of the settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Section {
    Server,
    Database,
    Cache,
    Broker,
    Tokens,
    Passwords,
    Log,
    Traces,
}

impl Section {
    #[cfg(test)]
    pub(super) const ALL: [Self; 8] = [
        Self::Server,
        Self::Database,
        Self::Cache,
        Self::Broker,
        Self::Tokens,
        Self::Passwords,
        Self::Log,
        Self::Traces,
    ];

    /// Returns the section of a variable; `None` for `CONFIG_FILE` and unknown names.
    pub(super) fn of(variable: &str) -> Option<Self> {
        let name = variable_named(variable)
            .or_else(|| variable_of_file(variable))?
            .name;
        let is = |beginnings: &[&str]| beginnings.iter().any(|start| name.starts_with(start));
        Some(match name {
            "CONFIG_FILE" => return None,
            _ if is(&["DATABASE_", "MIGRATE_", "RETENTION", "INDEXED_"]) => Self::Database,
            _ if is(&["REDIS_", "CACHE_"]) => Self::Cache,
            _ if is(&["AMQP_"]) => Self::Broker,
            _ if is(&["JWT_", "ALLOWED_API_TOKENS", "SEALING_KEY"]) => Self::Tokens,
            _ if is(&["ARGON2_", "PASSWORD_"]) => Self::Passwords,
            _ if is(&["LOG_", "DEBUG"]) => Self::Log,
            _ if is(&["OTEL_"]) => Self::Traces,
            _ => Self::Server,
        })
    }
}

impl Settings {
    /// Reads and validates these sections, and uses the defaults for all others.
    ///
    /// Without the tokens section, the signing key is random: nothing that it protects outlives the process.
    ///
    /// # Errors
    /// All errors in these sections, and in the files that contain settings.
    pub(crate) fn load_sections(
        sources: &Sources,
        needed: &[Section],
    ) -> Result<Self, SettingsErrors> {
        let mut layered = sources.layered();
        let is_needed =
            |name: &str| Section::of(name).is_none_or(|section| needed.contains(&section));
        layered.errors.retain(|error| is_needed(&error.variable));
        layered.values.retain(|name, _| is_needed(name));
        for variable in variables() {
            if let (false, Some(default)) = (is_needed(variable.name), variable.default) {
                let (name, default) = (variable.name.to_owned(), default.to_owned());
                layered.values.insert(name, default);
            }
        }
        if !needed.contains(&Section::Tokens) {
            let name = "JWT_SECRET_KEY".to_owned();
            layered.values.insert(name, unused_key());
        }
        Self::read(Reader::new(layered))
    }
}

fn unused_key() -> String {
    let mut bytes = [0; 32];
    // The key is not used to sign or encrypt anything, so a key of zeros is harmless.
    let _ = getrandom::fill(&mut bytes);
    STANDARD.encode(bytes)
}
