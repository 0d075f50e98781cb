//! New passwords, and passwords submitted at login.

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation as _;
use secrecy::{ExposeSecret, SecretString};

use super::text::{at_most_bytes, at_most_chars, blank, fold, is_invisible};
use super::{EmailAddress, Username};
use crate::Violation;

mod common;

/// A new password: 8 to 128 characters in the form of PRECIS `OpaqueString` (RFC 8265).
///
/// It is not blank, not a common password, and neither a repetition nor a sequence. There are no composition rules
/// (NIST SP 800-63B).
#[derive(Clone, Debug)]
pub struct Password(PreparedPassword);

/// The form of a password that is hashed: PRECIS `OpaqueString` (RFC 8265).
///
/// It does not depend on how a keyboard composes accents and spaces.
#[derive(Clone, Debug)]
pub struct PreparedPassword(SecretString);

/// A password submitted at login. It need not satisfy the current rules, because older platforms had others.
#[derive(Clone, Debug)]
pub struct SubmittedPassword(SecretString);

impl Password {
    /// The minimum length in characters.
    pub const MIN_CHARS: usize = 8;
    /// The maximum length in characters.
    pub const MAX_CHARS: usize = 128;

    /// Parses a new password. Violations: `too_short`, `too_long`, `forbidden_character`, `blank`, `common`.
    ///
    /// The length is that of the form that is hashed. The password is neither trimmed nor changed in any other way.
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
        if chars.chars().all(is_invisible) {
            return Err(blank());
        }
        let folded = fold(chars);
        if common::is_common(&folded) || is_repetition_or_sequence(&folded) {
            return Err(Self::common());
        }
        Ok(Self(prepared))
    }

    /// Whether the password equals the user's username, email address or its local part, ignoring case.
    ///
    /// Attackers try these first, so the password must be rejected as [common](Self::common).
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

    /// The violation of an easily guessed password: `common`.
    pub fn common() -> Violation {
        Violation::new(
            "common",
            "Must not be a common password, a repetition or sequence of characters, the username or the email address.",
        )
    }

    /// The form that is hashed.
    pub fn prepared(&self) -> &PreparedPassword {
        &self.0
    }
}

impl PreparedPassword {
    /// Converts a text to the form that is hashed. Violations: `too_long`, `forbidden_character`.
    fn prepare(text: &str) -> Result<Self, Violation> {
        // The time of PRECIS is quadratic in the length, because it checks the context of each character.
        at_most_bytes(text, SubmittedPassword::MAX_BYTES)?;
        // Normalisation may turn an allowed character into a forbidden one, such as U+0387 into U+00B7.
        OpaqueString::enforce(text)
            .and_then(|prepared| OpaqueString::enforce(prepared.into_owned()))
            .map(|prepared| Self(prepared.into_owned().into()))
            .map_err(|_| {
                Violation::new(
                    "forbidden_character",
                    "Must not contain control characters, or characters that keyboards or programs may change (RFC 8265).",
                )
            })
    }

    /// The secret text.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl SubmittedPassword {
    /// The maximum length in bytes of UTF-8.
    pub const MAX_BYTES: usize = 1024;

    /// Parses a submitted password. Violations: `blank` if it is empty, `too_long`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Err(Violation::new("blank", "Must not be empty."));
        }
        at_most_bytes(text, Self::MAX_BYTES)?;
        Ok(Self(text.into()))
    }

    /// The exact bytes as submitted. They are secret.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The form that is hashed. `None` if the text has none; then no hash of this service can match.
    pub fn prepared(&self) -> Option<PreparedPassword> {
        PreparedPassword::prepare(self.expose()).ok()
    }
}

/// Whether a text repeats one character or a pair, or is an ascending or descending sequence: `aaaaaaaa`, `abababab`,
/// `23456789`, `hgfedcba`. NIST SP 800-63B, section 3.1.1.2, lists them among the values to reject.
fn is_repetition_or_sequence(text: &str) -> bool {
    let codes: Vec<u32> = text.chars().map(u32::from).collect();
    let repeats = |period: usize| {
        codes
            .iter()
            .zip(codes.iter().skip(period))
            .all(|(a, b)| a == b)
    };
    let counts = |step: i64| {
        codes
            .iter()
            .zip(codes.iter().skip(1))
            .all(|(a, b)| i64::from(*b) - i64::from(*a) == step)
    };
    repeats(1) || repeats(2) || counts(1) || counts(-1)
}

fn too_short() -> Violation {
    Violation::new(
        "too_short",
        format!("Must have at least {} characters.", Password::MIN_CHARS),
    )
}

#[cfg(test)]
mod tests;
