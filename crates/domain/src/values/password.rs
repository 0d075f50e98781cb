//! Passwords: as somebody chooses one, and as somebody types one to be let in.

use secrecy::{ExposeSecret, SecretString};

use super::{EmailAddress, Username};
use crate::Violation;

/// A password that somebody chose: 8 to 128 characters in the form of PRECIS `OpaqueString` (RFC 8265), and none of the
/// common ones. There are no rules about its composition (NIST SP 800-63B).
#[derive(Clone, Debug)]
pub struct Password(PreparedPassword);

/// A text in the form of PRECIS `OpaqueString` (RFC 8265): what is hashed.
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
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let chars = text.chars().count();
        if chars < Self::MIN_CHARS {
            return Err(Violation::new(
                "too_short",
                "Must have at least 8 characters.",
            ));
        }
        if chars > Self::MAX_CHARS {
            return Err(Violation::new(
                "too_long",
                "Must have at most 128 characters.",
            ));
        }
        Ok(Self(PreparedPassword(text.into())))
    }

    /// Tells whether the password is what everybody knows of its user.
    pub fn resembles(&self, username: &Username, email: &EmailAddress) -> bool {
        let text = self.0.expose();
        text.eq_ignore_ascii_case(username.as_str()) || text.eq_ignore_ascii_case(email.as_str())
    }

    /// What is hashed.
    pub fn prepared(&self) -> &PreparedPassword {
        &self.0
    }
}

impl PreparedPassword {
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
        if text.len() > Self::MAX_BYTES {
            return Err(Violation::new("too_long", "Must have at most 1024 bytes."));
        }
        Ok(Self(text.into()))
    }

    /// The text, byte by byte as it was typed. It is a secret.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The text in the form in which passwords are hashed here, unless it has none.
    pub fn prepared(&self) -> Option<PreparedPassword> {
        Some(PreparedPassword(self.0.clone()))
    }
}
