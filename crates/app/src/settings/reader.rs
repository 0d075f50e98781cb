//! Reads single settings and gathers what is wrong with them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::faults::Fault;

/// Proof that a fault has been gathered: whoever holds it need not report anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported;

/// The layered values, with the faults and warnings found so far.
pub(super) struct Reader {
    values: BTreeMap<String, String>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl Reader {
    pub(super) fn new(values: BTreeMap<String, String>, faults: Vec<Fault>) -> Self {
        Self {
            values,
            faults,
            warnings: Vec::new(),
        }
    }

    /// Everything found wrong, and everything worth a warning.
    pub(super) fn finish(self) -> (Vec<Fault>, Vec<String>) {
        (self.faults, self.warnings)
    }

    pub(super) fn fault(&mut self, variable: &str, reason: impl Into<String>) -> Reported {
        self.faults.push(Fault {
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

    /// The value as it was given, white space included: for keys whose every byte counts.
    pub(super) fn verbatim(&self, variable: &str) -> Option<String> {
        self.values.get(variable).cloned()
    }

    /// The value, trimmed and parsed; the parser's error is the fault's reason.
    pub(super) fn optional<T>(
        &mut self,
        variable: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Reported> {
        let parsed = self.values.get(variable).map(|text| parse(text.trim()));
        parsed
            .transpose()
            .map_err(|reason| self.fault(variable, reason))
    }

    /// Like [`Reader::optional`], where absence is a fault of its own unless an earlier layer already had one.
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

    /// Reports that a variable has to be set, unless what was set is already known to be faulty.
    pub(super) fn missing(&mut self, variable: &str) -> Reported {
        if self.faults.iter().any(|fault| fault.variable == variable) {
            return Reported;
        }
        self.fault(variable, "is required")
    }

    /// A whole number within bounds.
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

    /// A yes or no, in the spellings of Flask settings and of YAML.
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

/// The entries of a comma list, trimmed, without empty ones and repetitions, in order.
pub(super) fn comma_list(text: &str) -> Vec<&str> {
    let mut entries = Vec::new();
    for entry in text.split(',').map(str::trim) {
        if !entry.is_empty() && !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    entries
}

/// The path of a file that is there.
pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    match std::fs::metadata(text) {
        Ok(file) if file.is_file() => Ok(Path::new(text).to_owned()),
        Ok(_) => Err("is not a file".to_owned()),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}
