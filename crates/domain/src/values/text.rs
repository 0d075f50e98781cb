//! The common rules of text: trimmed, in NFC, and without characters that hide, reorder or break text.

use std::borrow::Cow;
use std::collections::BTreeSet;

use icu_casemap::CaseMapper;
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::Violation;

/// The maximum length of a name, nickname or location in characters.
pub(crate) const SHORT_TEXT_MAX_CHARS: usize = 128;
/// The maximum length of a role and of the name of an erasure consumer in characters, which equal bytes.
pub(crate) const IDENTIFIER_MAX_CHARS: usize = 64;
/// The maximum length of a bio in characters.
pub(crate) const BIO_MAX_CHARS: usize = 2000;
/// The maximum length of a suspension reason in characters.
pub(crate) const SUSPENSION_REASON_MAX_CHARS: usize = 500;
/// The maximum length of a web address in bytes.
pub(crate) const WEB_URL_MAX_BYTES: usize = 2048;
/// The maximum length of an email address and its key in bytes (RFC 5321, erratum 1690).
pub(crate) const EMAIL_MAX_BYTES: usize = 254;
/// The length of a username and its key in characters.
pub(crate) const USERNAME_CHARS: std::ops::RangeInclusive<usize> = 3..=32;

/// Converts a single line to its canonical form: trimmed of Unicode `White_Space`, in NFC, not blank, without forbidden
/// characters.
pub(crate) fn single_line(text: &str) -> Result<Cow<'_, str>, Violation> {
    canonical(text, is_forbidden)
}

/// Converts a text of several lines to its canonical form: as [`single_line`], but with LF, CR and TAB allowed.
pub(crate) fn multi_line(text: &str) -> Result<Cow<'_, str>, Violation> {
    canonical(text, |character| {
        is_forbidden(character) && !matches!(character, '\n' | '\r' | '\t')
    })
}

fn canonical(text: &str, forbidden: impl Fn(char) -> bool) -> Result<Cow<'_, str>, Violation> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(blank());
    }
    if trimmed.contains(forbidden) {
        return Err(forbidden_character());
    }
    if trimmed.chars().all(is_invisible) {
        return Err(blank());
    }
    if is_nfc(trimmed) {
        Ok(Cow::Borrowed(trimmed))
    } else {
        Ok(Cow::Owned(trimmed.nfc().collect()))
    }
}

/// Whether a character is forbidden in single-line text, metadata and metadata names.
///
/// These are C0 and C1 controls, line and paragraph separators, bidi embeddings, overrides and isolates, and
/// noncharacters.
pub(crate) fn is_forbidden(character: char) -> bool {
    let code = u32::from(character);
    character.is_control()
        || matches!(code, 0x2028 | 0x2029 | 0x202A..=0x202E | 0x2066..=0x2069 | 0xFDD0..=0xFDEF)
        || code & 0xFFFE == 0xFFFE
}

/// Rejects a text of more than `most` characters.
pub(crate) fn at_most_chars(text: &str, most: usize) -> Result<(), Violation> {
    if text.chars().nth(most).is_some() {
        return Err(Violation::new(
            "too_long",
            format!("Must have at most {most} characters."),
        ));
    }
    Ok(())
}

/// Rejects a text of more than `most` bytes of UTF-8.
pub(crate) fn at_most_bytes(text: &str, most: usize) -> Result<(), Violation> {
    if text.len() > most {
        return Err(Violation::new(
            "too_long",
            format!("Must have at most {most} bytes of UTF-8."),
        ));
    }
    Ok(())
}

/// Rejects a text with fewer than `least` or more than `most` characters, or with control characters.
pub(crate) fn check_length(text: &str, least: usize, most: usize) -> Result<(), Violation> {
    if text.chars().any(char::is_control) {
        return Err(Violation::new(
            "forbidden_character",
            "Must not contain control characters.",
        ));
    }
    if text.chars().count() < least {
        return Err(Violation::new(
            "too_short",
            format!("Must have at least {least} characters."),
        ));
    }
    at_most_chars(text, most)
}

/// Returns the distinct search forms of a text in ascending order.
pub(crate) fn search_forms<const N: usize>(forms: [String; N]) -> Vec<String> {
    BTreeSet::from(forms).into_iter().collect()
}

/// Whether a character is invisible: white space, the blank Braille pattern, and Unicode's
/// `Default_Ignorable_Code_Point`, such as joiners, fillers and variation selectors.
pub(crate) fn is_invisible(character: char) -> bool {
    const BRAILLE_PATTERN_BLANK: char = '\u{2800}';
    character.is_whitespace()
        || character == BRAILLE_PATTERN_BLANK
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

/// Checks an identifier of ASCII characters, untrimmed. `rule` says which characters are allowed. Violations: `blank`,
/// `forbidden_character`, `too_long`.
pub(crate) fn check_identifier(
    text: &str,
    is_allowed: impl Fn(u8) -> bool,
    rule: &'static str,
) -> Result<(), Violation> {
    if text.is_empty() {
        return Err(blank());
    }
    if !text.bytes().all(is_allowed) {
        return Err(Violation::new("forbidden_character", rule));
    }
    if text.len() > IDENTIFIER_MAX_CHARS {
        return Err(Violation::new(
            "too_long",
            "Must have at most 64 characters.",
        ));
    }
    Ok(())
}

/// The violation of an empty or invisible text.
pub(crate) fn blank() -> Violation {
    Violation::new("blank", "Must not be empty or blank.")
}

/// The violation of a text with a forbidden character.
pub(crate) fn forbidden_character() -> Violation {
    Violation::new(
        "forbidden_character",
        "Must not contain control characters, line separators, bidirectional controls or noncharacters.",
    )
}

/// Folds a text for case-insensitive comparison, by Unicode's canonical caseless matching (definition D145).
///
/// This is full case folding (not Turkic), with canonical decomposition before and composition (NFC) after. Two texts
/// that differ only by case or composition have the same result. Folding is idempotent. Accents are kept.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let decomposed: String = text.nfd().collect();
    CaseMapper::new().fold_string(&decomposed).nfc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn white_space_of_any_kind_is_trimmed() {
        assert_eq!(single_line("\u{3000}\t Ann\u{00A0}\n").unwrap(), "Ann");
    }

    #[test]
    fn a_decomposed_letter_is_composed() {
        assert_eq!(single_line("e\u{301}").unwrap(), "\u{e9}");
    }

    #[test]
    fn white_space_alone_is_blank() {
        for text in ["", " ", "\u{2003}\r\n"] {
            assert_eq!(single_line(text).unwrap_err().code(), "blank");
            assert_eq!(multi_line(text).unwrap_err().code(), "blank");
        }
    }

    #[test]
    fn invisible_characters_alone_are_blank() {
        for text in [
            "\u{200b}",
            "\u{200d}\u{feff}",
            "\u{ad}",
            "\u{3164}",
            "\u{115f}\u{1160}",
            "\u{2800} \u{2800}",
            "\u{e0020}",
        ] {
            assert_eq!(single_line(text).unwrap_err().code(), "blank", "{text:?}");
            assert_eq!(multi_line(text).unwrap_err().code(), "blank", "{text:?}");
        }
        for text in ["a\u{200b}", "❤\u{fe0f}", "נ\u{200f}"] {
            assert!(single_line(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn characters_that_hide_or_reorder_are_forbidden() {
        let forbidden = "\0\u{1}\u{1b}\u{7f}\u{85}\u{9f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}\u{fdd0}\u{fdef}\u{fffe}\u{ffff}\u{1fffe}\u{10ffff}";
        for character in forbidden.chars() {
            let text = format!("a{character}b");
            assert_eq!(
                single_line(&text).unwrap_err().code(),
                "forbidden_character",
                "{:x}",
                u32::from(character)
            );
            assert_eq!(
                multi_line(&text).unwrap_err().code(),
                "forbidden_character",
                "{:x}",
                u32::from(character)
            );
        }
    }

    #[test]
    fn emoji_joined_by_zwj_and_directional_marks_are_allowed() {
        for text in [
            "👩\u{200d}🚀",
            "a\u{200e}b",
            "a\u{200f}b",
            "\u{fdf0}",
            "\u{fffd}",
        ] {
            assert!(single_line(text).is_ok());
        }
    }

    #[test]
    fn only_multi_line_text_may_contain_line_breaks_and_tabs() {
        for text in ["a\nb", "a\rb", "a\tb"] {
            assert_eq!(multi_line(text).unwrap(), text);
            assert_eq!(single_line(text).unwrap_err().code(), "forbidden_character");
        }
    }

    #[test]
    fn texts_that_differ_only_by_case_fold_alike() {
        assert_eq!(fold("STRASSE"), fold("Straße"));
        assert_eq!(fold("ΟΔΟΣ"), fold("οδος"));
        assert_eq!(fold("E\u{301}"), fold("\u{e9}"));
        assert_ne!(fold("e"), fold("\u{e9}"));
    }

    #[test]
    fn folding_any_character_twice_changes_nothing() {
        for character in '\0'..='\u{1ffff}' {
            let once = fold(&character.to_string());
            assert_eq!(fold(&once), once, "{:x}", u32::from(character));
        }
    }

    proptest! {
        #[test]
        fn canonicalisation_is_idempotent(text in any::<String>()) {
            if let Ok(once) = single_line(&text) {
                prop_assert_eq!(single_line(&once).unwrap(), once.clone());
            }
            if let Ok(once) = multi_line(&text) {
                prop_assert_eq!(multi_line(&once).unwrap(), once.clone());
            }
        }

        #[test]
        fn folding_twice_changes_nothing(text in "[\\PC\u{300}-\u{345}]{0,12}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
