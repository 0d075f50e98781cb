//! What is stored of a password.

use secrecy::{ExposeSecret, SecretString};

use crate::Violation;

/// The hash of a password with its salt and parameters, in one of the text forms of its algorithm.
#[derive(Clone, Debug)]
pub struct PasswordHash(SecretString);

/// What is stored of a user's password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPassword {
    /// The hash.
    pub hash: PasswordHash,
    /// Who made the hash.
    pub origin: PasswordOrigin,
}

/// Who made a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordOrigin {
    /// This service, of a [`PreparedPassword`](super::PreparedPassword).
    Own,
    /// Another one, of the bytes as they were typed.
    Imported,
}

impl PasswordHash {
    /// The most bytes.
    pub const MAX_BYTES: usize = 512;

    /// Takes a hash that another service made. Violations: `too_long`, `unknown_algorithm`, `format`, and `too_costly`
    /// for parameters that would take longer to verify than anybody can wait.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.len() > Self::MAX_BYTES {
            return Err(Violation::new("too_long", "Must have at most 512 bytes."));
        }
        Ok(Self(text.into()))
    }

    /// Takes back what a store kept, or takes what a hasher made.
    pub fn from_store(text: String) -> Self {
        Self(text.into())
    }

    /// The text form. It is a secret.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for PasswordHash {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for PasswordHash {}

impl PasswordOrigin {
    /// The name in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Imported => "imported",
        }
    }

    /// Finds an origin by its name in stores.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Own, Self::Imported]
            .into_iter()
            .find(|origin| origin.as_str() == name)
    }
}
