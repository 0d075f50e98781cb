use async_trait::async_trait;

use super::StoreError;
use crate::service_token::{AppliedToken, ServiceToken, TokenPosition};
use crate::values::{ServiceTokenId, Timestamp, TokenDigest};
use crate::write::{WriteContext, WriteError};

/// Stores service tokens.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait ServiceTokenRegistry: Send + Sync {
    /// Stores a new token with the digest of its secret, and writes its event, atomically.
    async fn add_token(
        &self,
        issued: &AppliedToken,
        digest: &TokenDigest,
    ) -> Result<(), StoreError>;

    /// Finds a token, even if it is expired or revoked.
    ///
    /// An acknowledged revocation is visible at once.
    async fn find_token(
        &self,
        id: ServiceTokenId,
    ) -> Result<Option<StoredServiceToken>, StoreError>;

    /// Returns the first `limit` tokens after a position, newest first, including expired and revoked ones.
    async fn list_tokens(
        &self,
        after: Option<TokenPosition>,
        limit: u16,
    ) -> Result<Vec<ServiceToken>, StoreError>;

    /// Revokes a token by [`ServiceToken::revoke`] and writes the event, atomically and without a concurrent change of
    /// the token.
    ///
    /// A token that is already revoked does not change, and no event is written. An unknown token is
    /// [`WriteError::NotFound`]. A revocation is applied once per idempotency key, as in
    /// [`UserWriter`](super::UserWriter).
    async fn revoke_token(
        &self,
        id: ServiceTokenId,
        context: &WriteContext,
    ) -> Result<TokenRevocation, WriteError>;

    /// Stores when tokens were last used. A stored later time is never replaced by an earlier one. Unknown tokens are
    /// ignored, and no event is written.
    async fn note_used(&self, uses: &[TokenUse]) -> Result<(), StoreError>;
}

/// The result of a revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRevocation {
    /// The token is revoked, by this call or an earlier one; holds the token.
    Revoked(ServiceToken),
    /// The token was revoked earlier under the same idempotency key.
    Replayed,
}

/// A token and the digest of its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredServiceToken {
    /// The token.
    pub token: ServiceToken,
    /// The digest of its secret.
    pub digest: TokenDigest,
}

/// The use of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenUse {
    /// The token.
    pub id: ServiceTokenId,
    /// The time of the use.
    pub at: Timestamp,
}
