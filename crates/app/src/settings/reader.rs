//! Reads single settings, and collects errors and warnings.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::errors::SettingError;
use super::sources::Layered;
use super::variables::variable_of_file;

/// Proof that an error has been reported to the reader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported;

/// The layered values, with the errors and warnings found so far.
pub(super) struct Reader {
    values: BTreeMap<String, String>,
    errors: Vec<SettingError>,
    warnings: Vec<String>,
}

impl Reader {
    pub(super) fn new(layered: Layered) -> Self {
        let Layered {
            values,
            errors,
            warnings,
        } = layered;
        let mut reader = Self {
            values,
            errors,
            warnings,
        };
        reader.warn_of_quotes();
        reader
    }

    /// Warns of quotes that are part of a value. A shell removes quotes; `docker run --env-file` does not.
    fn warn_of_quotes(&mut self) {
        let is_quoted = |(_, value): &(&String, &String)| {
            let value = value.trim();
            let has = |quote| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
            has('"') || has('\'')
        };
        let quoted = self.values.iter().filter(is_quoted);
        let quoted: Vec<String> = quoted.map(|(variable, _)| variable.clone()).collect();
        for variable in quoted {
            let warning = "starts and ends with quotes, which are part of the value; \
                           in a file for docker run --env-file, write the value without quotes";
            self.warn(&variable, warning);
        }
    }

    /// Returns the collected errors and warnings.
    pub(super) fn finish(self) -> (Vec<SettingError>, Vec<String>) {
        (self.errors, self.warnings)
    }

    pub(super) fn report(&mut self, variable: &str, reason: impl Into<String>) -> Reported {
        self.errors.push(SettingError {
            variable: variable.to_owned(),
            reason: reason.into(),
        });
        Reported
    }

    pub(super) fn warn(&mut self, variable: &str, warning: &str) {
        self.warnings.push(format!("{variable}: {warning}"));
    }

    pub(super) fn is_set(&self, variable: &str) -> bool {
        self.values.contains_key(variable)
    }

    /// Returns the value unchanged, including white space. For keys, in which every byte is significant.
    pub(super) fn verbatim(&mut self, variable: &str) -> Option<String> {
        let text = self.values.get(variable).cloned()?;
        if text.trim() != text {
            let warning = "starts or ends with white space, which is part of the key";
            self.warn(variable, warning);
        }
        Some(text)
    }

    /// Returns the trimmed and parsed value. Reports the error of the parser.
    pub(super) fn optional<T>(
        &mut self,
        variable: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Reported> {
        let Some(text) = self.values.get(variable) else {
            return Ok(None);
        };
        let trimmed = text.trim();
        let is_trimmed = trimmed.len() == text.len();
        let parsed = parse(trimmed);
        if !is_trimmed {
            self.warn(
                variable,
                "starts or ends with white space, which is removed",
            );
        }
        parsed
            .map(Some)
            .map_err(|reason| self.report(variable, reason))
    }

    /// Like [`Reader::optional`], but reports a missing value.
    pub(super) fn required<T>(
        &mut self,
        variable: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Reported> {
        match self.optional(variable, parse)? {
            Some(value) => Ok(value),
            None => Err(self.missing(variable)),
        }
    }

    /// Reports that a variable is required, unless an error of it is already reported.
    pub(super) fn missing(&mut self, variable: &str) -> Reported {
        let is_reported = |error: &SettingError| {
            let of_file = || variable_of_file(&error.variable);
            error.variable == variable || of_file().is_some_and(|secret| secret.name == variable)
        };
        if self.errors.iter().any(is_reported) {
            return Reported;
        }
        self.report(variable, "is required")
    }

    /// Returns a whole number within bounds.
    pub(super) fn number<N>(
        &mut self,
        variable: &str,
        bounds: RangeInclusive<N>,
    ) -> Result<N, Reported>
    where
        N: FromStr + PartialOrd + Display,
    {
        self.required(variable, |text| number(text, &bounds))
    }

    /// Returns a boolean, in the spellings of Flask settings and of YAML.
    pub(super) fn switch(&mut self, variable: &str) -> Result<bool, Reported> {
        self.required(variable, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err("must be True or False".to_owned()),
        })
    }
}

/// Parses a whole number within bounds.
pub(super) fn number<N>(text: &str, bounds: &RangeInclusive<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + Display,
{
    text.parse()
        .ok()
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| {
            format!(
                "must be a whole number from {} to {}",
                bounds.start(),
                bounds.end()
            )
        })
}

/// Returns the entries of a comma-separated list in order, trimmed, without empty and repeated entries.
pub(super) fn comma_list(text: &str) -> Vec<&str> {
    let mut entries = Vec::new();
    for entry in text.split(',').map(str::trim) {
        if !entry.is_empty() && !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    entries
}

/// Parses the path of an existing file.
pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    match std::fs::metadata(text) {
        Ok(file) if file.is_file() => Ok(Path::new(text).to_owned()),
        Ok(_) => Err("is not a file".to_owned()),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}
