//! What is stored of a password.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use super::text::at_most_bytes;
use crate::Violation;

mod forms;
mod scheme;

pub use scheme::{Argon2, Argon2Variant, Argon2Version, HashAlgorithm, HashScheme, Pbkdf2Digest};

/// The hash of a password with its salt and parameters, in one of the text forms of its algorithm:
///
/// - Argon2, PHC: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`, also `argon2i` and `argon2d`
/// - bcrypt: `$2b$12$…`, also `$2a$` and `$2y$`
/// - scrypt, PHC: `$scrypt$ln=…,r=…,p=…$salt$hash`; crypt: `$7$…`; Werkzeug: `scrypt:32768:8:1$salt$hex`
/// - PBKDF2 with SHA-256 or SHA-512, PHC: `$pbkdf2-sha256$i=…,l=…$salt$hash`; passlib: `$pbkdf2-sha256$29000$salt$hash`;
///   Werkzeug: `pbkdf2:sha256:600000$salt$hex`
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
    /// Another one, of the bytes as they were typed; a caller gave it for this user.
    Given,
    /// Another one, of the bytes as they were typed; it came with an import, which may bring a newer one.
    Imported,
}

impl PasswordHash {
    /// The most bytes.
    pub const MAX_BYTES: usize = 512;

    /// Takes a hash that another service made. Violations: `too_long`, `unknown_algorithm`, `format`, and `too_costly`
    /// for parameters that would take longer to verify than anybody can wait.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        at_most_bytes(text, Self::MAX_BYTES)?;
        let scheme = forms::read(text)?;
        if !scheme.is_affordable() {
            return Err(Violation::new(
                "too_costly",
                "Must have parameters by which a password is verified within a second and 256 MiB.",
            ));
        }
        Ok(Self(text.into()))
    }

    /// Takes back what a store kept, or takes what a hasher made.
    pub fn from_store(text: String) -> Self {
        Self(text.into())
    }

    /// Writes a hash by Argon2 in its PHC form.
    pub fn of_argon2(parameters: Argon2, salt: &[u8], output: &[u8]) -> Self {
        let text = format!(
            "${}$v={}$m={},t={},p={}${}${}",
            parameters.variant.name(),
            parameters.version.number(),
            parameters.memory_kib,
            parameters.iterations,
            parameters.parallelism,
            BASE64_STANDARD_NO_PAD.encode(salt),
            BASE64_STANDARD_NO_PAD.encode(output),
        );
        Self(text.into())
    }

    /// What it takes to compare a password with it, whatever that costs. It is there of every hash that was parsed or
    /// made here; violations as of [`parse`](Self::parse).
    pub fn scheme(&self) -> Result<HashScheme, Violation> {
        forms::read(self.expose())
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
            Self::Given => "given",
            Self::Imported => "imported",
        }
    }

    /// Finds an origin by its name in stores.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Own, Self::Given, Self::Imported]
            .into_iter()
            .find(|origin| origin.as_str() == name)
    }
}

#[cfg(test)]
mod tests;
