use async_trait::async_trait;

use crate::values::{PasswordHash, PreparedPassword, StoredPassword, SubmittedPassword};

/// Why a password was not hashed. Nothing has been done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// The queue is longer than can be processed in time.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The hasher failed, or the stored hash is in an unsupported format.
    #[error("hashing failed: {0}")]
    Internal(String),
}

/// The result of a password verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the password matches the hash.
    pub matches: bool,
    /// Whether the hash was made with other parameters than the current ones.
    pub is_outdated: bool,
}

/// Hashes and verifies passwords.
///
/// Both are deliberately slow, so the number of concurrent operations is bounded. A request that cannot be served in
/// time is rejected at once.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// Hashes a password with the current parameters and a random salt.
    async fn hash(&self, password: PreparedPassword) -> Result<PasswordHash, HashingError>;

    /// Compares a password with a stored hash, in a time that does not depend on whether they match.
    ///
    /// The service's own hashes are compared with the [prepared](SubmittedPassword::prepared) form of the password,
    /// imported hashes with its exact bytes.
    async fn verify(
        &self,
        password: SubmittedPassword,
        stored: StoredPassword,
    ) -> Result<Verdict, HashingError>;
}
