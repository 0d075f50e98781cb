use async_trait::async_trait;

use super::StoreError;
use crate::service_token::{AppliedToken, ServiceToken};
use crate::values::{ServiceTokenId, Timestamp, TokenDigest};
use crate::write::WriteContext;

/// Keeps the tokens of services.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait ServiceTokenRegistry: Send + Sync {
    /// Keeps a new token and the digest of its secret, and tells of it in the log of changes, all or nothing.
    async fn add_token(
        &self,
        issued: &AppliedToken,
        digest: &TokenDigest,
    ) -> Result<(), StoreError>;

    /// Finds a token, whatever has become of it.
    ///
    /// An acknowledged revocation is seen at once.
    async fn find_token(&self, id: ServiceTokenId) -> Result<Option<KeptToken>, StoreError>;

    /// Gives the tokens, the newest first: at most [`ServiceToken::LISTED`].
    async fn list_tokens(&self) -> Result<Vec<ServiceToken>, StoreError>;

    /// Revokes a token by [`ServiceToken::revoke`], with no other change of it in between, and tells of it in the log of
    /// changes, all or nothing; gives the token as it is now.
    ///
    /// A token that was revoked before stays as it was, and nothing is told. An unknown one is none.
    async fn revoke_token(
        &self,
        id: ServiceTokenId,
        context: &WriteContext,
    ) -> Result<Option<ServiceToken>, StoreError>;

    /// Takes note of when tokens were used. An earlier moment never replaces a later one; of tokens that are not there
    /// nothing is noted, and nothing is told in the log of changes.
    async fn note_used(&self, uses: &[TokenUse]) -> Result<(), StoreError>;
}

/// A token and what its secret is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptToken {
    /// The token.
    pub token: ServiceToken,
    /// The digest of its secret.
    pub digest: TokenDigest,
}

/// The use of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenUse {
    /// Which.
    pub id: ServiceTokenId,
    /// When.
    pub at: Timestamp,
}
