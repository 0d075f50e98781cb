//! The prefix of a username, for searches.

use super::super::text::search_forms;
use super::{Username, display_form, key_form};
use crate::Violation;

/// The prefix of a username: 1 to 32 characters in any case, converted to the form of username keys.
///
/// The lower case of a capital sigma depends on the next character, which is not part of the prefix. `ΟΔΟΣ` matches the
/// name `οδος` and a prefix of `οδοστρωτήρας`. Hence there may be two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsernamePrefix {
    forms: Vec<String>,
}

impl UsernamePrefix {
    /// Parses the prefix of a name in any spelling. Violations: `too_short`, `too_long`, `forbidden_character`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        super::super::text::check_length(text, 1, Username::MAX_CHARS)?;
        let shown = display_form(text);
        let at_the_end = key_form(&shown);
        if let Some(stem) = at_the_end.strip_suffix(['σ', 'ς']) {
            return Ok(Self {
                forms: vec![format!("{stem}ς"), format!("{stem}σ")],
            });
        }
        // Marks and full stops may separate a sigma from the next letter.
        let before_a_letter = key_form(&format!("{shown}{FOLLOWING_LETTER}"));
        let before_a_letter = before_a_letter
            .strip_suffix(FOLLOWING_LETTER)
            .unwrap_or(&before_a_letter)
            .to_owned();
        Ok(Self {
            forms: search_forms([at_the_end, before_a_letter]),
        })
    }

    /// The one or two forms in ascending order. A matching key starts with one of them.
    pub fn forms(&self) -> &[String] {
        &self.forms
    }
}

/// A letter that does not compose with the preceding character.
const FOLLOWING_LETTER: char = 'x';

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<String> {
        UsernamePrefix::parse(text).unwrap().forms
    }

    fn begins(beginning: &str, name: &str) -> bool {
        let key = Username::parse(name).unwrap().key().to_owned();
        forms(beginning).iter().any(|form| key.starts_with(form))
    }

    #[test]
    fn a_prefix_has_the_form_of_the_keys_it_is_compared_with() {
        for (beginning, name) in [
            ("STRAß", "Straße"),
            ("a\u{30a}NG", "Ångström"),
            ("Ян", "ЯНА"),
            ("ALICE", "Alice"),
            ("ＡＬＩ", "Alice"),
            ("ﾔﾏ", "ヤマダ"),
        ] {
            assert!(begins(beginning, name), "{beginning} does not begin {name}");
        }
    }

    #[test]
    fn a_sigma_at_the_end_of_a_prefix_is_found_inside_and_at_the_end_of_names() {
        for beginning in ["ΟΔΟΣ", "οδοσ", "οδος", "ΟδοΣ"] {
            for name in [
                "ΟΔΟΣ",
                "οδος",
                "ΟΔΟΣΤΡΩΤΗΡΑΣ",
                "οδοστρωτηρας",
                "οδος_1",
                "ΟΔΟΣ.Α",
            ] {
                assert!(begins(beginning, name), "{beginning} does not begin {name}");
            }
        }
        for name in ["ΟΔΟΣ.ΑΒ", "ΟΔΟΣ.1"] {
            assert!(begins("ΟΔΟΣ.", name), "{name}");
        }
        assert!(!begins("ΟΔΟΣ", "ΟΔΟΤΑ"));
    }

    #[test]
    fn a_prefix_without_a_sigma_at_its_end_has_one_form() {
        for beginning in ["A%_\\", "ΣΟΦΙΑ", "ß", "İ", "alicexx"] {
            assert_eq!(forms(beginning).len(), 1, "{beginning}");
        }
        assert_eq!(forms("A%_\\"), ["a%_\\"]);
    }

    #[test]
    fn a_prefix_has_1_to_32_characters_and_no_controls() {
        let code = |text: &str| UsernamePrefix::parse(text).unwrap_err().code();
        assert_eq!(code(""), "too_short");
        assert_eq!(code(&"x".repeat(33)), "too_long");
        assert_eq!(code("a\0b"), "forbidden_character");
    }
}
