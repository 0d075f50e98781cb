//! Usernames: as typed, the key they are unique by, and the skeleton that look-alikes share.

use precis_profiles::precis_core::Error as Refusal;
use precis_profiles::precis_core::profile::PrecisFastInvocation as _;
use precis_profiles::{UsernameCaseMapped, UsernameCasePreserved};
use unicode_general_category::{GeneralCategory, get_general_category};
use uuid::Uuid;

use super::macros::text_value;
use super::text::{USERNAME_CHARS, at_most_chars, single_line};
use crate::Violation;

mod reserved;
mod skeleton;

/// How often a mapping is applied before it counts as unstable (RFC 8264, section 7, asks for
/// four).
const ROUNDS: usize = 4;

/// A text of more characters is no name, whatever the mappings make of it: they compose at most a few into one.
const LONGEST_LOOKED_AT: usize = 4 * Username::MAX_CHARS;

/// The name a user is known by: 3 to 32 letters, marks, decimal digits, `.`, `_` and `-`, beginning
/// and ending with a letter or digit.
///
/// It is shown as typed (PRECIS `UsernameCasePreserved`, RFC 8265). Two names are the same when
/// their keys are, and must not both be held when their skeletons are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username {
    text: Box<str>,
    key: UsernameKey,
    skeleton: Box<str>,
}

impl Username {
    /// The fewest characters, for the name as typed and for its key.
    pub const MIN_CHARS: usize = *USERNAME_CHARS.start();
    /// The most characters, for the name as typed and for its key.
    pub const MAX_CHARS: usize = *USERNAME_CHARS.end();

    /// Takes a name. Violations: `blank`, `forbidden_character`, `too_short`, `too_long`,
    /// `reserved`, and `format` for a name that begins or ends wrongly, has the shape of a UUID, or
    /// mixes directions of writing.
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
        // PRECIS looks at each character's surroundings, which takes a time that grows with the square of the length.
        at_most_chars(text.trim(), LONGEST_LOOKED_AT)?;
        let typed = single_line(text)?;
        let shown = stable(&typed, |text| {
            UsernameCasePreserved::enforce(text).map(Into::into)
        })?;
        check(&shown)?;
        // The profile's own lower-casing does not know the final sigma: ΟΔΟΣ would not find οδος.
        let key = stable(&shown, |text| {
            UsernameCaseMapped::enforce(text.to_lowercase()).map(Into::into)
        })?;
        check(&key)?;
        let skeleton = skeleton::skeleton(&key);
        Ok(Self {
            text: shown.into(),
            key: UsernameKey(key.into()),
            skeleton: skeleton.into(),
        })
    }

    /// Takes back what a store kept of a parsed name: as typed, its key and its skeleton. The store vouches for
    /// them, so that a name which has been reserved since does not make its holder unreadable.
    pub fn from_store(text: String, key: String, skeleton: String) -> Self {
        Self {
            text: text.into(),
            key: UsernameKey(key.into()),
            skeleton: skeleton.into(),
        }
    }

    /// The name as typed, in the form of PRECIS `UsernameCasePreserved`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name in the form that is unique: PRECIS `UsernameCaseMapped` (RFC 8265).
    pub fn key(&self) -> &str {
        self.key.as_str()
    }

    /// The form that names which look alike have in common (UTS 39), mapping only characters beyond
    /// ASCII, so that `modern` and `modem` differ while a Cyrillic `раypal` is a `paypal`.
    ///
    /// It is for comparison only, never shown; it may be longer than the name.
    pub fn skeleton(&self) -> &str {
        &self.skeleton
    }
}

text_value!(Username);

/// The form of a username that is unique, for looking users up by name: PRECIS `UsernameCaseMapped`
/// (RFC 8265).
///
/// A reserved name has a key: a user imported from elsewhere may hold one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsernameKey(Box<str>);

impl UsernameKey {
    /// Takes a name in any spelling and keeps its key. Violations as of [`Username::parse`], but
    /// for `reserved`.
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

/// Applies a profile until it changes nothing any more; a violation if it refuses or never settles.
fn stable(
    text: &str,
    profile: impl Fn(&str) -> Result<String, Refusal>,
) -> Result<String, Violation> {
    let mut current = profile(text).map_err(|refusal| refused(&refusal))?;
    for _ in 0..ROUNDS {
        let next = profile(&current).map_err(|refusal| refused(&refusal))?;
        if next == current {
            return Ok(current);
        }
        current = next;
    }
    Err(refused(&Refusal::Invalid))
}

fn refused(refusal: &Refusal) -> Violation {
    match refusal {
        Refusal::Invalid => {
            Violation::new("format", "Must not mix directions of writing (RFC 5893).")
        }
        Refusal::BadCodepoint(_) | Refusal::Unexpected(_) => forbidden_character(),
    }
}

/// Checks the rules that stand beside PRECIS, which alone would accept `a@b.com`, `a/b` and `..`.
fn check(name: &str) -> Result<(), Violation> {
    if !name.chars().all(is_allowed) {
        return Err(forbidden_character());
    }
    if Uuid::try_parse(name).is_ok() {
        return Err(Violation::new(
            "format",
            "Must not have the shape of a UUID.",
        ));
    }
    if name.chars().nth(Username::MIN_CHARS - 1).is_none() {
        return Err(Violation::new(
            "too_short",
            format!("Must have at least {} characters.", Username::MIN_CHARS),
        ));
    }
    at_most_chars(name, Username::MAX_CHARS)?;
    let without_marks = name.trim_end_matches(is_mark);
    let has_marks = without_marks.len() < name.len();
    let ends_well =
        without_marks.ends_with(|last| is_letter(last) || (is_digit(last) && !has_marks));
    if !ends_well || !name.starts_with(|first| is_letter(first) || is_digit(first)) {
        return Err(Violation::new(
            "format",
            "Must begin and end with a letter or digit.",
        ));
    }
    Ok(())
}

fn is_allowed(character: char) -> bool {
    is_letter(character)
        || is_mark(character)
        || is_digit(character)
        || matches!(character, '.' | '_' | '-')
}

/// Says whether a character's general category is one of L*.
fn is_letter(character: char) -> bool {
    use GeneralCategory::{
        LowercaseLetter, ModifierLetter, OtherLetter, TitlecaseLetter, UppercaseLetter,
    };
    matches!(
        get_general_category(character),
        LowercaseLetter | ModifierLetter | OtherLetter | TitlecaseLetter | UppercaseLetter
    )
}

/// Says whether a character's general category is one of M*.
fn is_mark(character: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark, SpacingMark};
    matches!(
        get_general_category(character),
        EnclosingMark | NonspacingMark | SpacingMark
    )
}

/// Says whether a character's general category is Nd.
fn is_digit(character: char) -> bool {
    get_general_category(character) == GeneralCategory::DecimalNumber
}

fn forbidden_character() -> Violation {
    Violation::new(
        "forbidden_character",
        "Must hold only letters, marks, digits, full stop, underscore and hyphen (RFC 8265).",
    )
}

#[cfg(test)]
mod tests;
