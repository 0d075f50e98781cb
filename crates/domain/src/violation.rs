//! The one error of every `parse`.

use std::borrow::Cow;

/// One broken rule of one value.
///
/// The code is stable and meant for programs (`too_short`, `blank`, `reserved` …); the detail is
/// one sentence for people, names the limit and its unit, and never echoes the value: it may stand
/// in a log or an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Violation {
    code: &'static str,
    detail: Cow<'static, str>,
}

impl Violation {
    /// Names a broken rule; `code` is `snake_case`, `detail` a sentence without the value.
    pub fn new(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// The rule that was broken, for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The rule that was broken, for people.
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
