use async_trait::async_trait;

use super::{StoreError, UserKey};
use crate::caller::ServiceCaller;
use crate::values::Timestamp;

/// What a token of the Auth Service says, once its signature, times, issuer and audience hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// Whom it speaks for.
    pub subject: UserKey,
    /// Whether its roles claim names the administrators' role.
    pub claims_admin: bool,
    /// When it was issued, if it says so.
    pub issued_at: Option<Timestamp>,
}

/// Why a token is worth nothing; for the log, never for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the token was rejected: {0}")]
pub struct TokenRejected(pub String);

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyTokenError {
    /// It is worth nothing.
    #[error(transparent)]
    Rejected(#[from] TokenRejected),
    /// Nobody can tell yet: keys of its issuer have not been read since the start. The reason is for the log.
    #[error("the token cannot be checked yet: {0}")]
    Unavailable(String),
}

/// Checks tokens of users (RFC 7519).
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// Checks one token. It may wait a moment for a key that has just been published, and never for one that is known.
    async fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyTokenError>;

    /// Gives what a token says that was checked before and holds now, without waiting for anything; what is not given may
    /// hold all the same. Only tokens that are not known as a service's are checked, and so remembered.
    fn remembered(&self, token: &str) -> Option<VerifiedToken>;
}

/// Knows the tokens of services.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait ServiceTokens: Send + Sync {
    /// Finds whose token this is, in a time that does not tell how much of it is right.
    async fn find(&self, token: &str) -> Result<Option<ServiceCaller>, StoreError>;
}
