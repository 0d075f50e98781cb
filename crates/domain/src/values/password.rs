//! Passwords: as somebody chooses one, and as somebody types one to be let in.

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation as _;
use secrecy::{ExposeSecret, SecretString};

use super::text::{at_most_bytes, at_most_chars, fold};
use super::{EmailAddress, Username};
use crate::Violation;

mod common;

/// A password that somebody chose: 8 to 128 characters in the form of PRECIS `OpaqueString` (RFC 8265), and none of the
/// common ones. There are no rules about its composition (NIST SP 800-63B).
#[derive(Clone, Debug)]
pub struct Password(PreparedPassword);

/// A text in the form of PRECIS `OpaqueString` (RFC 8265): what is hashed. However a keyboard composes its accents and
/// spaces, it is the same.
#[derive(Clone, Debug)]
pub struct PreparedPassword(SecretString);

/// A password as somebody typed it to be let in. It need not keep today's rules: older platforms had others.
#[derive(Clone, Debug)]
pub struct TypedPassword(SecretString);

impl Password {
    /// The fewest characters.
    pub const MIN_CHARS: usize = 8;
    /// The most characters.
    pub const MAX_CHARS: usize = 128;

    /// Takes a password. Violations: `too_short`, `too_long`, `forbidden_character`, `common`.
    ///
    /// It is counted in the form that is hashed, and neither trimmed nor changed in any other way.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Err(too_short());
        }
        let prepared = PreparedPassword::prepare(text)?;
        let chars = prepared.expose();
        if chars.chars().nth(Self::MIN_CHARS - 1).is_none() {
            return Err(too_short());
        }
        at_most_chars(chars, Self::MAX_CHARS)?;
        if common::is_common(&fold(chars)) {
            return Err(Self::common());
        }
        Ok(Self(prepared))
    }

    /// Says whether it is, but for upper and lower case, its owner's username, address, or the part of the address
    /// before the `@`: what a guess tries first. It is to be refused as [common](Self::common) then.
    pub fn resembles(&self, username: &Username, email: &EmailAddress) -> bool {
        let folded = fold(self.0.expose());
        let local_part = |address: &str| address.rsplit_once('@').map(|(local, _)| fold(local));
        let [typed, key] = [email.as_str(), email.key()];
        folded == fold(username.as_str())
            || folded == fold(username.key())
            || folded == fold(typed)
            || folded == fold(key)
            || local_part(typed).is_some_and(|local| folded == local)
    }

    /// The violation of a password that is guessed first: `common`.
    pub fn common() -> Violation {
        Violation::new(
            "common",
            "Must not be a common password, the username or the email address.",
        )
    }

    /// What is hashed.
    pub fn prepared(&self) -> &PreparedPassword {
        &self.0
    }
}

impl PreparedPassword {
    /// Brings a text to the form that is hashed. Violations: `too_long`, `forbidden_character`.
    fn prepare(text: &str) -> Result<Self, Violation> {
        // PRECIS looks at each character's surroundings, which takes a time that grows with the square of the length.
        at_most_bytes(text, TypedPassword::MAX_BYTES)?;
        // A character that is allowed may be normalised to one that is not: U+0387 to U+00B7, say.
        OpaqueString::enforce(text)
            .and_then(|prepared| OpaqueString::enforce(prepared.into_owned()))
            .map(|prepared| Self(prepared.into_owned().into()))
            .map_err(|_| {
                Violation::new(
                    "forbidden_character",
                    "Must not hold control characters, or others that not every keyboard and program keeps (RFC 8265).",
                )
            })
    }

    /// The text. It is a secret.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl TypedPassword {
    /// The most bytes of UTF-8.
    pub const MAX_BYTES: usize = 1024;

    /// Takes what was typed. Violations: `blank` for nothing at all, `too_long`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Err(Violation::new("blank", "Must not be empty."));
        }
        at_most_bytes(text, Self::MAX_BYTES)?;
        Ok(Self(text.into()))
    }

    /// The text, byte by byte as it was typed. It is a secret.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The text in the form in which passwords are hashed here, unless it has none: no hash of ours is of such a text.
    pub fn prepared(&self) -> Option<PreparedPassword> {
        PreparedPassword::prepare(self.expose()).ok()
    }
}

fn too_short() -> Violation {
    Violation::new(
        "too_short",
        format!("Must have at least {} characters.", Password::MIN_CHARS),
    )
}

#[cfg(test)]
mod tests;
