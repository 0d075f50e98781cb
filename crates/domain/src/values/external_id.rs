//! Identifiers of other systems of the platform.

use super::macros::{stored_text, text_value};
use super::text::blank;
use crate::Violation;

/// The identifier of a user in another system of the platform: 1 to 255 visible ASCII characters (0x21 to 0x7E).
///
/// It is kept unchanged and compared byte by byte. Integers are stored as decimal text. Its namespace is separate from
/// that of [`UserId`](super::UserId): the same text may be one user's id and another user's external id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId(Box<str>);

impl ExternalId {
    /// The maximum length in characters, which equals bytes.
    pub const MAX_CHARS: usize = 255;

    /// Parses an identifier, untrimmed. Violations: `blank`, `forbidden_character`, `too_long`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Err(blank());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Violation::new(
                "forbidden_character",
                "Must contain only visible ASCII characters, no spaces.",
            ));
        }
        if text.len() > Self::MAX_CHARS {
            return Err(Violation::new(
                "too_long",
                "Must have at most 255 characters.",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The identifier, exactly as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

stored_text!(ExternalId);
text_value!(ExternalId);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn visible_ascii_is_kept_exactly() {
        for text in ["1", "0042", "auth0|5f7c8ec7", "!~"] {
            assert_eq!(ExternalId::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn spaces_controls_and_other_scripts_are_rejected() {
        for text in [" 1", "1 ", "a b", "a\n", "\u{7f}", "é", "\0"] {
            assert_eq!(
                ExternalId::parse(text).unwrap_err().code(),
                "forbidden_character"
            );
        }
    }

    #[test]
    fn an_identifier_has_1_to_255_characters() {
        assert_eq!(ExternalId::parse("").unwrap_err().code(), "blank");
        assert!(ExternalId::parse(&"x".repeat(255)).is_ok());
        assert_eq!(
            ExternalId::parse(&"x".repeat(256)).unwrap_err().code(),
            "too_long"
        );
    }

    proptest! {
        #[test]
        fn a_parsed_identifier_is_the_text_itself(text in any::<String>()) {
            if let Ok(id) = ExternalId::parse(&text) {
                prop_assert_eq!(id.as_str(), text);
            }
        }
    }
}
