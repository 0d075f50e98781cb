//! Phone numbers.

use super::macros::{stored_text, text_value};
use super::text::single_line;
use crate::Violation;

/// An international phone number (ITU-T E.164, OIDC `phone_number`): `+` and 7 to 15 digits, the first of them not 0,
/// without spaces, dashes or extensions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(Box<str>);

impl PhoneNumber {
    /// Parses a number, trimmed. Violations: `blank`, `forbidden_character`, `format`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let text = single_line(text)?;
        let digits = text.strip_prefix('+').ok_or_else(format)?;
        let well_formed = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if !well_formed {
            return Err(format());
        }
        Ok(Self(text.into()))
    }

    /// The number with its leading `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

stored_text!(PhoneNumber);
text_value!(PhoneNumber);

fn format() -> Violation {
    Violation::new(
        "format",
        "Must be + and 7 to 15 digits, the first of them not 0, as in E.164.",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seven_to_fifteen_digits_after_a_plus_are_a_number() {
        for text in ["+1234567", "+123456789012345", "+4915112345678"] {
            assert_eq!(PhoneNumber::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(
            PhoneNumber::parse(" +4915112345678 ").unwrap().as_str(),
            "+4915112345678"
        );
    }

    #[test]
    fn any_other_text_is_rejected() {
        for text in [
            "1234567",
            "+123456",
            "+1234567890123456",
            "+0123456789",
            "+49 151 1234",
            "+49-151",
            "++1234567",
            "+١٢٣٤٥٦٧٨",
        ] {
            assert_eq!(
                PhoneNumber::parse(text).unwrap_err().code(),
                "format",
                "{text}"
            );
        }
        assert_eq!(PhoneNumber::parse(" ").unwrap_err().code(), "blank");
    }

    proptest! {
        #[test]
        fn a_parsed_number_parses_to_itself(text in "\\+?[0-9 ]{0,17}") {
            if let Ok(number) = PhoneNumber::parse(&text) {
                prop_assert_eq!(PhoneNumber::parse(number.as_str()).unwrap(), number);
            }
        }
    }
}
