use async_trait::async_trait;

use super::{StoreError, UserKey};
use crate::Rejection;
use crate::caller::ServiceCaller;
use crate::service_token::ServiceToken;
use crate::values::Timestamp;

/// The claims of an Auth Service token whose signature, times, issuer and audience are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// The user that the token was issued for.
    pub subject: UserKey,
    /// Whether its roles claim contains the administrator role.
    pub claims_admin: bool,
    /// When it was issued, if it has that claim.
    pub issued_at: Option<Timestamp>,
}

/// Why a token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyTokenError {
    /// The token is rejected.
    #[error("the token was rejected: {0}")]
    Rejected(Rejection),
    /// The keys of its issuer have not been loaded since the start. The reason is for the log.
    #[error("the token cannot be checked yet: {0}")]
    Unavailable(String),
}

impl From<Rejection> for VerifyTokenError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Why a service token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindServiceError {
    /// The token has the form of a managed service token and is rejected.
    #[error("the service token was rejected: {0}")]
    Rejected(Rejection),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Verifies the tokens of users (JWT, RFC 7519).
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// Verifies a token. It may wait for a key that was just published, but not if the key is already known.
    async fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyTokenError>;

    /// Returns the claims of a token that was verified before and is still valid, without waiting.
    ///
    /// None does not mean that the token is invalid. Service tokens are never verified by this port, and so never
    /// cached.
    fn verify_cached(&self, token: &str) -> Option<VerifiedToken>;
}

/// Finds services by their tokens.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait ServiceTokenVerifier: Send + Sync {
    /// Returns the service that a token belongs to; `None` if the token does not have the form of a managed service
    /// token, and may therefore be a user's. The comparison takes constant time.
    ///
    /// # Errors
    /// [`FindServiceError::Rejected`] if it has that form and is unknown, expired or revoked.
    async fn find(&self, token: &str) -> Result<Option<ServiceCaller>, FindServiceError>;

    /// Finds a token that is genuine and not expired, but revoked. The token grants no access.
    async fn find_revoked(&self, token: &str) -> Result<Option<ServiceToken>, StoreError>;
}
