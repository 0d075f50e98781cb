//! Errors in the settings.

use std::fmt;

use super::{LogSettings, Variable};

/// An invalid setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SettingError {
    /// The name of the variable.
    pub variable: String,
    /// The reason, without the value: it can be a secret, also in a variable that is not secret.
    pub reason: String,
}

impl SettingError {
    /// Whether the error is in a variable, or in the name of the file with its value.
    pub(super) fn is_of(&self, variable: &Variable) -> bool {
        variable.name == self.variable
            || variable
                .file_name()
                .is_some_and(|name| name == self.variable)
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.variable, self.reason)
    }
}

/// All errors in the settings, in the order of `.env.example`. `Display` writes one line per error.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct SettingsErrors {
    errors: Vec<SettingError>,
    warnings: Vec<String>,
    log: LogSettings,
}

impl SettingsErrors {
    /// `log` determines how the errors are logged.
    pub(super) fn new(
        mut errors: Vec<SettingError>,
        warnings: Vec<String>,
        log: LogSettings,
    ) -> Self {
        errors.sort_by_key(|error| {
            super::variables()
                .iter()
                .position(|variable| error.is_of(variable))
        });
        Self {
            errors,
            warnings,
            log,
        }
    }

    /// Returns the errors, at least one.
    pub fn errors(&self) -> &[SettingError] {
        &self.errors
    }

    /// Returns the warnings, as [`super::Settings::warnings`]. They often contain the cause of an error.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the settings of the log, or the defaults if those are invalid too.
    pub fn log(&self) -> &LogSettings {
        &self.log
    }

    fn lines(&self) -> String {
        let lines: Vec<String> = self.errors.iter().map(SettingError::to_string).collect();
        lines.join("\n")
    }
}
