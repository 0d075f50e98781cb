//! Password hashes as they are stored.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use super::text::at_most_bytes;
use crate::Violation;

mod formats;
mod parsed_hash;

pub use parsed_hash::{
    Argon2, Argon2Variant, Argon2Version, HashAlgorithm, ParsedHash, Pbkdf2Digest,
};

/// The hash of a password with its salt and parameters, in one of the text formats of its algorithm:
///
/// - Argon2, PHC: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`, also `argon2i` and `argon2d`
/// - bcrypt: `$2b$12$…`, also `$2a$` and `$2y$`
/// - scrypt, PHC: `$scrypt$ln=…,r=…,p=…$salt$hash`; crypt: `$7$…`; Werkzeug: `scrypt:32768:8:1$salt$hex`
/// - PBKDF2 with SHA-256 or SHA-512, PHC: `$pbkdf2-sha256$i=…,l=…$salt$hash`; passlib: `$pbkdf2-sha256$29000$salt$hash`;
///   Werkzeug: `pbkdf2:sha256:600000$salt$hex`
#[derive(Clone, Debug)]
pub struct PasswordHash(SecretString);

/// The stored password of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPassword {
    /// The hash.
    pub hash: PasswordHash,
    /// The origin of the hash.
    pub origin: PasswordOrigin,
}

/// The origin of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordOrigin {
    /// This service made it from a [`PreparedPassword`](super::PreparedPassword).
    Own,
    /// Another system made it from the bytes as typed, and a caller set it.
    Given,
    /// Another system made it from the bytes as typed, and an import set it. A later import may replace it.
    Imported,
}

impl PasswordHash {
    /// The maximum length in bytes.
    pub const MAX_BYTES: usize = 512;

    /// Parses a hash of another system. Violations: `too_long`, `unknown_algorithm`, `format`, and `too_costly` for
    /// parameters that exceed the limits of time or memory.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        at_most_bytes(text, Self::MAX_BYTES)?;
        let parsed = formats::parse(text)?;
        if !parsed.is_within_cost_limits() {
            return Err(Violation::new(
                "too_costly",
                "Must have parameters by which a password is verified within a second and 256 MiB.",
            ));
        }
        Ok(Self(text.into()))
    }

    /// Creates a hash from the text of the store or of a hasher, without validation.
    pub fn from_store(text: String) -> Self {
        Self(text.into())
    }

    /// Formats an Argon2 hash in its PHC form.
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

    /// Parses algorithm, parameters, salt and output, without cost limits.
    ///
    /// It succeeds for every hash that was parsed or made by this service. Violations as of [`parse`](Self::parse).
    pub fn parsed(&self) -> Result<ParsedHash, Violation> {
        formats::parse(self.expose())
    }

    /// The secret text form.
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
    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Given => "given",
            Self::Imported => "imported",
        }
    }

    /// Returns the origin with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Own, Self::Given, Self::Imported]
            .into_iter()
            .find(|origin| origin.as_str() == name)
    }
}

#[cfg(test)]
mod tests;
