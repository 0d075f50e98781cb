//! Usernames with their unique key and their skeleton, which confusable names share.

use precis_profiles::UsernameCasePreserved;
use precis_profiles::precis_core::profile::Rules as _;
use precis_profiles::precis_core::{IdentifierClass, StringClass as _};
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::restriction_level::RestrictionLevel;
use unicode_security::{MixedScript as _, RestrictionLevelDetection as _};
use uuid::Uuid;

use super::macros::text_value;
use super::text::{USERNAME_CHARS, at_most_chars, single_line};
use crate::Violation;

mod bidi;
mod contextual_rules;
mod prefix;
mod reserved;
mod skeleton;

pub use prefix::UsernamePrefix;

/// The maximum length of the input in characters. A longer text exceeds the limit even after composition.
const MAX_INPUT_CHARS: usize = 4 * Username::MAX_CHARS;

/// The username of a user: 3 to 32 letters, marks, decimal digits, `.`, `_` and `-`.
///
/// It starts and ends with a letter or digit. It may also contain joiners, middle dots and similar characters where the
/// contextual rules of RFC 5892 allow them. A name with letters of right-to-left scripts satisfies the Bidi rule of
/// RFC 5893.
///
/// It is displayed as typed (PRECIS `UsernameCasePreserved`, RFC 8265). Two names are the same if their keys are equal.
/// No two users may have names with the same skeleton.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username {
    text: Box<str>,
    key: UsernameKey,
    skeleton: Box<str>,
}

impl Username {
    /// The minimum length in characters, of the name as typed and of its key.
    pub const MIN_CHARS: usize = *USERNAME_CHARS.start();
    /// The maximum length in characters, of the name as typed and of its key.
    pub const MAX_CHARS: usize = *USERNAME_CHARS.end();

    /// Parses a name. Violations: `blank`, `forbidden_character`, `too_short`, `too_long`, `reserved`, and `format` for
    /// a name with a wrong first or last character, in the form of a UUID, or with mixed writing directions.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let name = Self::parse_even_reserved(text)?;
        if reserved::is_reserved(name.key()) || reserved::is_reserved(name.skeleton()) {
            return Err(Violation::new(
                "reserved",
                "Must not be, or look like, a reserved name.",
            ));
        }
        Ok(name)
    }

    fn parse_even_reserved(text: &str) -> Result<Self, Violation> {
        // Bounds the cost of normalisation.
        at_most_chars(text.trim(), MAX_INPUT_CHARS)?;
        let shown = display_form(&single_line(text)?);
        check(&shown)?;
        let key = key_form(&shown);
        if key != shown {
            check(&key)?;
        }
        let skeleton = skeleton::skeleton(&key);
        Ok(Self {
            text: shown.into(),
            key: UsernameKey(key.into()),
            skeleton: skeleton.into(),
        })
    }

    /// Restores a stored name from its text, key and skeleton, without validation.
    ///
    /// A user whose name has become reserved must stay readable.
    pub fn from_store(text: String, key: String, skeleton: String) -> Self {
        Self {
            text: text.into(),
            key: UsernameKey(key.into()),
            skeleton: skeleton.into(),
        }
    }

    /// Checks that a new name does not mix scripts.
    ///
    /// A name with Latin and Cyrillic or Greek letters, or with any other two scripts that no language combines, is
    /// confusable with others. It must be moderately restrictive or of a single script (UTS 39, section 5.2). Existing
    /// names are exempt, so [`Username::parse`] does not check this.
    ///
    /// # Errors
    /// The violation `mixed_scripts`.
    pub fn check_scripts(&self) -> Result<(), Violation> {
        let name = &*self.text;
        if name.check_restriction_level(RestrictionLevel::ModeratelyRestrictive)
            || name.is_single_script()
        {
            return Ok(());
        }
        Err(Violation::new(
            "mixed_scripts",
            "Must not mix scripts that no language writes together, such as Latin with Cyrillic or Greek (UTS 39).",
        ))
    }

    /// The name as typed, in the form of PRECIS `UsernameCasePreserved`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The unique form of the name: PRECIS `UsernameCaseMapped` (RFC 8265).
    pub fn key(&self) -> &str {
        self.key.as_str()
    }

    /// The form that confusable names share (UTS 39). Only non-ASCII characters are mapped.
    ///
    /// So `modern` and `modem` differ, and a Cyrillic `раypal` equals `paypal`. It is used only for comparison and may
    /// be longer than the name.
    pub fn skeleton(&self) -> &str {
        &self.skeleton
    }
}

text_value!(Username);

/// The unique form of a username, for lookups by name: PRECIS `UsernameCaseMapped` (RFC 8265).
///
/// Reserved names have keys, too, because stored users may have such names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsernameKey(Box<str>);

impl UsernameKey {
    /// Parses the key from a name in any spelling. Violations as of [`Username::parse`] except `reserved`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        Username::parse_even_reserved(text).map(|name| name.key)
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Username> for UsernameKey {
    fn from(name: &Username) -> Self {
        name.key.clone()
    }
}

text_value!(UsernameKey);

/// Converts a text to the display form of a username (RFC 8265, section 3.4.2): width-mapped and in NFC.
fn display_form(text: &str) -> String {
    width_mapped(text).nfc().collect()
}

/// Converts the display form of a username to its key (RFC 8265, section 3.3.2): lower case, in NFC.
///
/// The case mapping of precis-profiles is per character, so ΟΔΟΣ would not match οδος.
fn key_form(shown: &str) -> String {
    shown.to_lowercase().nfc().collect()
}

/// Maps fullwidth and halfwidth characters to their normal forms (the width mapping rule of RFC 8265).
pub(crate) fn width_mapped(text: &str) -> String {
    UsernameCasePreserved::new()
        .width_mapping_rule(text)
        .map_or_else(|_| text.to_owned(), Into::into)
}

/// Checks a name in its display form or key form by the rules of PRECIS and by additional rules.
///
/// PRECIS alone would accept `a@b.com`, `a/b` and `..`. The length is checked first, because the cost of the contextual
/// rules is quadratic in it.
fn check(name: &str) -> Result<(), Violation> {
    if Uuid::try_parse(name).is_ok() {
        return Err(Violation::new(
            "format",
            "Must not have the shape of a UUID.",
        ));
    }
    at_most_chars(name, Username::MAX_CHARS)?;
    let in_class = IdentifierClass::default().allows(contextual_rules::simplified(name));
    if in_class.is_err() || !name.chars().all(is_allowed) {
        return Err(forbidden_character());
    }
    if !bidi::satisfies_bidi_rule(name) {
        return Err(Violation::new(
            "format",
            "Must not mix directions of writing (RFC 5893).",
        ));
    }
    if name.chars().nth(Username::MIN_CHARS - 1).is_none() {
        return Err(Violation::new(
            "too_short",
            format!("Must have at least {} characters.", Username::MIN_CHARS),
        ));
    }
    let without_marks = name.trim_end_matches(|last| is_mark(last) || is_join_control(last));
    let has_marks = without_marks.len() < name.len();
    let ends_well = without_marks.ends_with(|last| {
        is_letter(last) || last == HEBREW_GERESH || (is_digit(last) && !has_marks)
    });
    if !ends_well || !name.starts_with(|first| is_letter(first) || is_digit(first)) {
        return Err(Violation::new(
            "format",
            "Must begin and end with a letter or digit.",
        ));
    }
    Ok(())
}

/// Whether a name may contain a character. The contextual rules of RFC 5892 further restrict its position.
fn is_allowed(character: char) -> bool {
    is_letter(character)
        || is_mark(character)
        || is_digit(character)
        || matches!(character, '.' | '_' | '-')
        || is_join_control(character)
        || matches!(
            character,
            MIDDLE_DOT | GREEK_KERAIA | HEBREW_GERESH | HEBREW_GERSHAYIM | KATAKANA_MIDDLE_DOT
        )
}

/// U+00B7, between two l of Catalan (RFC 5892, A.3).
const MIDDLE_DOT: char = '\u{b7}';
/// U+0375, before a Greek letter (A.4).
const GREEK_KERAIA: char = '\u{375}';
/// U+05F3, after a Hebrew letter (A.5). Names such as Markovich end with it.
const HEBREW_GERESH: char = '\u{5f3}';
/// U+05F4, after a Hebrew letter (A.6).
const HEBREW_GERSHAYIM: char = '\u{5f4}';
/// U+30FB, in names with Hiragana, Katakana or Han (A.7).
const KATAKANA_MIDDLE_DOT: char = '\u{30fb}';

/// Whether a character is ZERO WIDTH NON-JOINER or ZERO WIDTH JOINER.
///
/// They are allowed after a virama or between letters of a cursive script (RFC 5892, A.1 and A.2).
fn is_join_control(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}')
}

/// Whether the general category of a character is one of L*.
fn is_letter(character: char) -> bool {
    use GeneralCategory::{
        LowercaseLetter, ModifierLetter, OtherLetter, TitlecaseLetter, UppercaseLetter,
    };
    matches!(
        get_general_category(character),
        LowercaseLetter | ModifierLetter | OtherLetter | TitlecaseLetter | UppercaseLetter
    )
}

/// Whether the general category of a character is one of M*.
fn is_mark(character: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    matches!(
        get_general_category(character),
        EnclosingMark | NonspacingMark | SpacingMark
    )
}

/// Whether the general category of a character is Nd.
fn is_digit(character: char) -> bool {
    get_general_category(character) == GeneralCategory::DecimalNumber
}

fn forbidden_character() -> Violation {
    Violation::new(
        "forbidden_character",
        "Must contain only letters, marks, digits, full stop, underscore and hyphen, and joiners and middle dots where RFC 5892 allows them (RFC 8265).",
    )
}

#[cfg(test)]
mod tests;
