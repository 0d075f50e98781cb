//! Search terms.

use icu_properties::CodePointMapData;
use icu_properties::props::Script;

use crate::Violation;
use crate::values::{check_length, fold, search_forms, width_mapped};

/// A part of a username or name: 2 to 64 characters in any case. One character is enough in Han, Hangul, Hiragana and
/// Katakana, where it is a word or a syllable.
///
/// Usernames are stored with fullwidth and halfwidth characters mapped to their regular forms (RFC 8265), names as
/// typed. A term with such characters therefore has two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchTerm {
    forms: Vec<String>,
}

impl SearchTerm {
    /// The maximum number of characters.
    pub const MAX_CHARS: usize = 64;

    /// Parses a term. Violations: `too_short`, `too_long`, `forbidden_character`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let least = if text.chars().all(is_whole_word) {
            1
        } else {
            2
        };
        check_length(text, least, Self::MAX_CHARS)?;
        Ok(Self {
            forms: search_forms([fold(text), fold(&width_mapped(text))]),
        })
    }

    /// The one or two forms, in ascending order. A search text matches if it contains one of them.
    pub fn forms(&self) -> &[String] {
        &self.forms
    }
}

fn is_whole_word(character: char) -> bool {
    matches!(
        CodePointMapData::<Script>::new().get(character),
        Script::Han | Script::Hangul | Script::Hiragana | Script::Katakana
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<String> {
        SearchTerm::parse(text).unwrap().forms
    }

    #[test]
    fn a_term_is_folded() {
        assert_eq!(forms("STRAẞE"), ["strasse"]);
        assert_eq!(forms("ΟΔΟΣ"), forms("οδος"));
    }

    #[test]
    fn a_term_with_fullwidth_characters_has_both_forms() {
        assert_eq!(forms("Ａｌｉ"), ["ali", "ａｌｉ"]);
        assert_eq!(forms("ｶﾞ"), ["ガ", "ｶﾞ"]);
    }

    #[test]
    fn one_character_is_enough_if_it_is_a_word_or_a_syllable() {
        for text in ["山", "가", "あ", "カ", "\u{20000}"] {
            assert!(SearchTerm::parse(text).is_ok(), "{text}");
        }
        for text in ["", "a", "é", "я", "ー", "1", "ก"] {
            assert_eq!(
                SearchTerm::parse(text).unwrap_err().code(),
                "too_short",
                "{text}"
            );
        }
    }
}
