//! The names of erasure consumers.

use super::macros::{stored_text, text_value};
use super::text::{IDENTIFIER_MAX_CHARS, check_identifier};
use crate::Violation;

/// The name of a service that confirms erasures: 1 to 64 characters of `a-z`, `0-9`, `_` and `-`, not trimmed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerName(Box<str>);

impl ConsumerName {
    /// The maximum length in characters, which equals bytes.
    pub const MAX_CHARS: usize = IDENTIFIER_MAX_CHARS;

    /// Parses a name, untrimmed. Violations: `blank`, `forbidden_character`, `too_long`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let is_allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let rule = "Must contain only a-z, 0-9, underscore and hyphen.";
        check_identifier(text, is_allowed, rule)?;
        Ok(Self(text.into()))
    }

    /// The name, exactly as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

stored_text!(ConsumerName);
text_value!(ConsumerName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_64_lowercase_letters_digits_hyphens_and_underscores() {
        let longest = "a".repeat(64);
        for name in ["posts", "mail-2", "a_b", "7", &longest] {
            assert_eq!(ConsumerName::parse(name).unwrap().as_str(), name);
        }
        let too_long = "a".repeat(65);
        for (name, code) in [
            ("", "blank"),
            ("Posts", "forbidden_character"),
            ("posts ", "forbidden_character"),
            ("a.b", "forbidden_character"),
            ("a:b", "forbidden_character"),
            ("a/b", "forbidden_character"),
            ("caf\u{e9}", "forbidden_character"),
            (&*too_long, "too_long"),
        ] {
            assert_eq!(
                ConsumerName::parse(name).unwrap_err().code(),
                code,
                "{name}"
            );
        }
    }
}
