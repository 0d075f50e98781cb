use async_trait::async_trait;

use crate::values::{PasswordHash, PreparedPassword, StoredPassword, TypedPassword};

/// Why a password was not hashed. Nothing has been done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// More wait already than can be served in time.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The hasher failed, or the stored hash is none that it can read.
    #[error("hashing failed: {0}")]
    Internal(String),
}

/// What a comparison told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the password is the one of the hash.
    pub matches: bool,
    /// Whether the hash is another than would be made of the same password today.
    pub is_outdated: bool,
}

/// Hashes passwords, and compares them with hashes: slow on purpose, so the work is bounded, and what cannot be done in
/// time is refused at once.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// Makes a hash of a password by the parameters of today. No two are alike.
    async fn hash(&self, password: PreparedPassword) -> Result<PasswordHash, HashingError>;

    /// Compares a password with a hash: with its [prepared](TypedPassword::prepared) form where the hash is
    /// our own, with the very bytes where it was imported. The work does not depend on whether they match.
    async fn verify(
        &self,
        password: TypedPassword,
        stored: StoredPassword,
    ) -> Result<Verdict, HashingError>;
}
