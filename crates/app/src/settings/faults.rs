//! What is wrong with the settings.

use std::fmt;

/// One setting that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The variable to correct.
    pub variable: String,
    /// Why, without the value: it may be a secret, or one in the wrong place.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.variable, self.reason)
    }
}

/// Every fault of the settings, in the order in which `.env.example` lists the variables; `Display` is a line each.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct SettingsFaults(Vec<Fault>);

impl SettingsFaults {
    pub(super) fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| {
            super::variables()
                .iter()
                .position(|variable| variable.name == fault.variable)
        });
        Self(faults)
    }

    /// The faults, at least one.
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }

    fn lines(&self) -> String {
        let lines: Vec<String> = self.0.iter().map(Fault::to_string).collect();
        lines.join("\n")
    }
}
