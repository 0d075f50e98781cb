//! The settings of the log.

use std::fmt;

use super::Read;
use super::reader::Reader;

/// The least severe level that is logged.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Failures.
    Error,
    /// Also possible failures.
    Warn,
    /// Also one line per request.
    Info,
    /// Also how a response was produced.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Returns its name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// Parses a name, in upper or lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "error" => Some(Self::Error),
            "warn" | "warning" => Some(Self::Warn),
            "info" => Some(Self::Info),
            "debug" => Some(Self::Debug),
            "trace" => Some(Self::Trace),
            _ => None,
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The format of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Pretty,
}

/// The settings of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogSettings {
    /// The least severe level that is logged (`LOG_LEVEL`).
    pub level: LogLevel,
    /// Whether `DEBUG` is on. It is already applied to level and format, and affects nothing else.
    pub debug: bool,
    /// The format (`LOG_FORMAT`).
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            debug: false,
            format: LogFormat::Json,
        }
    }
}

impl LogSettings {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let debug = reader.switch("DEBUG");
        let level = reader.optional("LOG_LEVEL", level);
        let format = reader.optional("LOG_FORMAT", format);
        let debug = debug?;
        let usual = if debug {
            Self {
                level: LogLevel::Debug,
                debug,
                format: LogFormat::Pretty,
            }
        } else {
            Self::default()
        };
        Ok(Self {
            level: level?.unwrap_or(usual.level),
            debug,
            format: format?.unwrap_or(usual.format),
        })
    }
}

fn level(text: &str) -> Result<LogLevel, String> {
    LogLevel::from_name(text).ok_or_else(|| "must be error, warn, info, debug or trace".to_owned())
}

fn format(text: &str) -> Result<LogFormat, String> {
    match text.to_ascii_lowercase().as_str() {
        "json" => Ok(LogFormat::Json),
        "pretty" => Ok(LogFormat::Pretty),
        _ => Err("must be json or pretty".to_owned()),
    }
}
