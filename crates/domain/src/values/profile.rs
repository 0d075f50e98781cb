//! Free text in a profile.

use super::macros::{stored_text, text_value};
use super::text::{BIO_MAX_CHARS, SHORT_TEXT_MAX_CHARS, at_most_chars, multi_line, single_line};
use crate::Violation;

/// A single line of a profile: the OIDC claims `name`, `given_name`, `family_name` and `nickname`, and the location.
///
/// It has 1 to 128 characters and is trimmed and in NFC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortText(Box<str>);

impl ShortText {
    /// The maximum length in characters after trimming and NFC.
    pub const MAX_CHARS: usize = SHORT_TEXT_MAX_CHARS;

    /// Parses one line of text. Violations: `blank`, `forbidden_character`, `too_long`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let text = single_line(text)?;
        at_most_chars(&text, SHORT_TEXT_MAX_CHARS)?;
        Ok(Self(text.into()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

stored_text!(ShortText);
text_value!(ShortText);

/// The biography in a profile: 1 to 2000 characters, trimmed, in NFC. It may contain LF, CR and TAB.
///
/// It is plain text, so a client must escape it for display.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bio(Box<str>);

impl Bio {
    /// The maximum length in characters after trimming and NFC.
    pub const MAX_CHARS: usize = BIO_MAX_CHARS;

    /// Parses a text of one or more lines. Violations: `blank`, `forbidden_character`, `too_long`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let text = multi_line(text)?;
        at_most_chars(&text, BIO_MAX_CHARS)?;
        Ok(Self(text.into()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

stored_text!(Bio);
text_value!(Bio);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_of_128_characters_fits_and_129_do_not() {
        assert!(ShortText::parse(&"é".repeat(128)).is_ok());
        assert_eq!(
            ShortText::parse(&"é".repeat(129)).unwrap_err().code(),
            "too_long"
        );
    }

    #[test]
    fn length_is_counted_after_composition() {
        assert!(ShortText::parse(&"e\u{301}".repeat(128)).is_ok());
    }

    #[test]
    fn a_bio_of_2000_characters_fits_and_2001_do_not() {
        assert!(Bio::parse(&"x".repeat(2000)).is_ok());
        assert_eq!(
            Bio::parse(&"x".repeat(2001)).unwrap_err().code(),
            "too_long"
        );
    }

    #[test]
    fn only_a_bio_may_have_lines() {
        assert_eq!(Bio::parse("one\n\ttwo\r\n").unwrap().as_str(), "one\n\ttwo");
        assert_eq!(
            ShortText::parse("one\ntwo").unwrap_err().code(),
            "forbidden_character"
        );
    }

    #[test]
    fn markup_is_kept_as_typed() {
        assert_eq!(
            ShortText::parse("<b>O'Neil & Søn</b>").unwrap().to_string(),
            "<b>O'Neil & Søn</b>"
        );
    }

    #[cfg(feature = "serde")]
    #[test]
    fn reading_from_json_goes_through_parse() {
        assert_eq!(
            serde_json::from_str::<ShortText>("\" Ann \"")
                .unwrap()
                .as_str(),
            "Ann"
        );
        assert!(serde_json::from_str::<ShortText>("\" \"").is_err());
        assert_eq!(
            serde_json::to_string(&ShortText::parse("Ann").unwrap()).unwrap(),
            "\"Ann\""
        );
    }

    proptest! {
        #[test]
        fn a_parsed_text_parses_to_itself(text in any::<String>()) {
            if let Ok(short) = ShortText::parse(&text) {
                prop_assert_eq!(ShortText::parse(short.as_str()).unwrap(), short);
            }
            if let Ok(bio) = Bio::parse(&text) {
                prop_assert_eq!(Bio::parse(bio.as_str()).unwrap(), bio);
            }
        }
    }
}
