//! Why a user is suspended.

use super::macros::{stored_text, text_value};
use super::text::{SUSPENSION_REASON_MAX_CHARS, at_most_chars, multi_line};
use crate::Violation;

/// The reason for a suspension: 1 to 500 characters, trimmed, in NFC. It may contain LF, CR and TAB.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SuspensionReason(Box<str>);

impl SuspensionReason {
    /// The maximum length in characters after trimming and NFC.
    pub const MAX_CHARS: usize = SUSPENSION_REASON_MAX_CHARS;

    /// Parses a text of one or more lines. Violations: `blank`, `forbidden_character`, `too_long`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let text = multi_line(text)?;
        at_most_chars(&text, SUSPENSION_REASON_MAX_CHARS)?;
        Ok(Self(text.into()))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

stored_text!(SuspensionReason);
text_value!(SuspensionReason);
