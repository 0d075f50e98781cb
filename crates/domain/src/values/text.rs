//! The rules every text follows: trimmed, NFC, and free of characters that hide, reorder or break.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::Violation;

/// The most characters of a name, a nickname or a location.
pub(crate) const SHORT_TEXT_MAX_CHARS: usize = 128;
/// The most characters of a bio.
pub(crate) const BIO_MAX_CHARS: usize = 2000;
/// The most bytes of a web address.
pub(crate) const WEB_URL_MAX_BYTES: usize = 2048;
/// The most bytes of an email address (RFC 5321, erratum 1690), as typed and as its key.
pub(crate) const EMAIL_MAX_BYTES: usize = 254;
/// The fewest and the most characters of a username, as typed and as its key.
pub(crate) const USERNAME_CHARS: std::ops::RangeInclusive<usize> = 3..=32;

/// Brings one line to its canonical form: trimmed of Unicode `White_Space`, NFC, not blank, nothing
/// forbidden.
pub(crate) fn single_line(text: &str) -> Result<Cow<'_, str>, Violation> {
    canonical(text, is_forbidden)
}

/// Brings a text of several lines to its canonical form: as [`single_line`], but LF, CR and TAB may
/// stand inside.
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
    if is_nfc(trimmed) {
        Ok(Cow::Borrowed(trimmed))
    } else {
        Ok(Cow::Owned(trimmed.nfc().collect()))
    }
}

/// Says whether a character is refused in every single-line text, metadata and its names included:
/// C0 and C1 controls, line and paragraph separators, bidi embeddings, overrides and isolates, and
/// noncharacters.
pub(crate) fn is_forbidden(character: char) -> bool {
    let code = u32::from(character);
    character.is_control()
        || matches!(code, 0x2028 | 0x2029 | 0x202A..=0x202E | 0x2066..=0x2069 | 0xFDD0..=0xFDEF)
        || code & 0xFFFE == 0xFFFE
}

/// Refuses a text of more than `most` characters.
pub(crate) fn at_most_chars(text: &str, most: usize) -> Result<(), Violation> {
    if text.chars().nth(most).is_some() {
        return Err(Violation::new(
            "too_long",
            format!("Must have at most {most} characters."),
        ));
    }
    Ok(())
}

/// Refuses a text of more than `most` bytes of UTF-8.
pub(crate) fn at_most_bytes(text: &str, most: usize) -> Result<(), Violation> {
    if text.len() > most {
        return Err(Violation::new(
            "too_long",
            format!("Must have at most {most} bytes of UTF-8."),
        ));
    }
    Ok(())
}

/// The violation of a text that is empty or nothing but white space.
pub(crate) fn blank() -> Violation {
    Violation::new("blank", "Must not be empty or blank.")
}

/// The violation of a text that holds a character refused everywhere.
pub(crate) fn forbidden_character() -> Violation {
    Violation::new(
        "forbidden_character",
        "Must not hold control characters, line separators, bidirectional controls or noncharacters.",
    )
}

/// Folds a text for comparison without case: full Unicode case folding (not Turkic), canonically
/// decomposed before and composed (NFC) after, as Unicode's definition D145 of a canonical caseless
/// match asks.
///
/// Two texts that differ only by case or composition fold alike; folding twice changes nothing.
/// Accents stay.
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
    fn nothing_but_white_space_is_blank() {
        for text in ["", " ", "\u{2003}\r\n"] {
            assert_eq!(single_line(text).unwrap_err().code(), "blank");
            assert_eq!(multi_line(text).unwrap_err().code(), "blank");
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
    fn only_several_lines_may_hold_line_breaks_and_tabs() {
        for text in ["a\nb", "a\rb", "a\tb"] {
            assert_eq!(multi_line(text).unwrap(), text);
            assert_eq!(single_line(text).unwrap_err().code(), "forbidden_character");
        }
    }

    #[test]
    fn folding_joins_spellings_that_differ_by_case() {
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
        fn the_canonical_form_of_a_canonical_form_is_itself(text in any::<String>()) {
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
