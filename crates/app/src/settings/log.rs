//! What is written to the log, and how.

use std::fmt;

use super::Read;
use super::reader::Reader;

/// The least serious of what is written.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what may fail.
    Warn,
    /// And a line a request.
    Info,
    /// And what leads to an answer.
    Debug,
    /// And everything else.
    Trace,
}

impl LogLevel {
    /// The name in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// Finds a level by its name, whatever its case.
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

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// An object a line, for programs.
    Json,
    /// For people.
    Pretty,
}

/// What is written to the log, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogSettings {
    /// The least serious of what is written (`LOG_LEVEL`).
    pub level: LogLevel,
    /// Whether `DEBUG` is on: already counted in level and format, and nothing else depends on it.
    pub debug: bool,
    /// How a line looks (`LOG_FORMAT`).
    pub format: LogFormat,
}

impl LogSettings {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let debug = reader.switch("DEBUG");
        let level = reader.optional("LOG_LEVEL", level);
        let format = reader.optional("LOG_FORMAT", format);
        let debug = debug?;
        let (usual_level, usual_format) = if debug {
            (LogLevel::Debug, LogFormat::Pretty)
        } else {
            (LogLevel::Info, LogFormat::Json)
        };
        Ok(Self {
            level: level?.unwrap_or(usual_level),
            debug,
            format: format?.unwrap_or(usual_format),
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
