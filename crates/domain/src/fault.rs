//! Validation errors of an input, each with the path of the invalid field.

use std::borrow::Cow;
use std::fmt;

use crate::Violation;

/// One violated rule of one field of an input.
///
/// `path` is the path of the field (`["profile", "website"]`, empty for the whole input). `code` is stable and meant
/// for programs. `detail` is an English sentence that never contains the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    path: Vec<String>,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
}

impl Fault {
    /// Creates a fault of the field at a dotted path (`profile.website`). Field names with dots need [`Fault::at`].
    pub fn new(path: &str, violation: &Violation) -> Self {
        Self::from_report(path, violation.code(), violation.detail())
    }

    /// Creates a fault from the text of a validation report.
    pub(crate) fn from_report(path: &str, code: &str, detail: &str) -> Self {
        let path = path
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        Self {
            path,
            code: code.to_owned().into(),
            detail: detail.to_owned().into(),
        }
    }

    /// Creates a fault of the field at a path.
    pub fn at(path: Vec<String>, violation: &Violation) -> Self {
        Self {
            path,
            code: violation.code().into(),
            detail: violation.detail().to_owned().into(),
        }
    }

    /// Creates a fault of a nested field: the dotted path of the outer field, and the path inside it.
    pub(crate) fn nested(path: &str, steps: Vec<String>, violation: &Violation) -> Self {
        let outer = path.split('.').map(str::to_owned);
        Self::at(outer.chain(steps).collect(), violation)
    }

    /// The path of the invalid field, outermost name first.
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// The stable name of the violated rule.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What the rule requires, as a sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.join("."), self.detail)
    }
}
