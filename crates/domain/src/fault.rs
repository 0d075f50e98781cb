//! What is wrong with an input, all of it at once.

use std::borrow::Cow;
use std::fmt;

use crate::Violation;

/// One broken rule of one part of an input.
///
/// `path` names the part (`["profile", "website"]`, empty for the whole input), `code` is stable and
/// meant for programs, `detail` is an English sentence that never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    path: Vec<String>,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
}

impl Fault {
    /// Names the part by its dotted path (`profile.website`); for parts whose own names may hold dots, see [`Fault::at`].
    pub fn new(path: &str, violation: &Violation) -> Self {
        Self::reported(path, violation.code(), violation.detail())
    }

    /// Takes a fault out of a report that knows rules only as text.
    pub(crate) fn reported(path: &str, code: &str, detail: &str) -> Self {
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

    /// Names the part by the steps that lead to it.
    pub fn at(path: Vec<String>, violation: &Violation) -> Self {
        Self {
            path,
            code: violation.code().into(),
            detail: violation.detail().to_owned().into(),
        }
    }

    /// The steps to the faulty part, outermost first.
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// The stable name of the broken rule.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What the rule asks for, in a sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.join("."), self.detail)
    }
}
