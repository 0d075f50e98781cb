//! The error type of every `parse`.

use std::borrow::Cow;

/// One violated rule of one value.
///
/// The code is stable and meant for programs (`too_short`, `blank`, `reserved` …). The detail is one sentence for
/// people, with the limit and its unit. It never contains the value, so it may appear in logs and responses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Violation {
    code: &'static str,
    detail: Cow<'static, str>,
}

impl Violation {
    /// Creates a violation. `code` is `snake_case`; `detail` is a sentence without the value.
    pub fn new(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// The stable code of the rule, for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The description of the rule, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_shows_its_detail() {
        let violation = Violation::new("too_short", "Must have at least 3 characters.");
        assert_eq!(violation.to_string(), "Must have at least 3 characters.");
        assert_eq!(violation.code(), "too_short");
        assert_eq!(violation.detail(), "Must have at least 3 characters.");
    }
}
