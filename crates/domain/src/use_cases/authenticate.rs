//! Who asks?

use std::sync::Arc;

use crate::StoreError;
use crate::caller::{Caller, UserCaller};
use crate::ports::{ServiceTokens, TokenVerifier, UserReader, VerifiedToken, VerifyTokenError};
use crate::user::User;

/// What a caller shows to tell who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The token of a service, and nothing else (`X-API-Token`, or a bare `Authorization`).
    ServiceToken(String),
    /// The token of a service or of a user (`Authorization: Bearer`).
    Bearer(String),
}

/// Why it is not known who asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticateError {
    /// The credential is worth nothing; the reason is for the log only.
    #[error("the credential was rejected: {0}")]
    Rejected(String),
    /// The keys that would tell are not known yet; the reason is for the log only.
    #[error("the credential cannot be checked yet: {0}")]
    KeysUnavailable(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds out who asks.
#[derive(Clone)]
pub struct Authenticate {
    pub(super) users: Arc<dyn UserReader>,
    pub(super) tokens: Arc<dyn TokenVerifier>,
    pub(super) service_tokens: Arc<dyn ServiceTokens>,
}

impl Authenticate {
    /// Finds out who shows this credential.
    ///
    /// A user's token counts only while the user exists, is active and has not signed out since it was issued. An
    /// administrator is whom both the token and the stored user call one.
    pub async fn run(&self, credential: &Credential) -> Result<Caller, AuthenticateError> {
        let (Credential::ServiceToken(token) | Credential::Bearer(token)) = credential;
        if let Some(service) = self.service_tokens.find(token).await? {
            return Ok(Caller::Service(service));
        }
        if let Credential::ServiceToken(_) = credential {
            return Err(AuthenticateError::Rejected(
                "no service has this token".to_owned(),
            ));
        }
        let token = self.tokens.verify(token).await?;
        let Some(user) = self.users.find(&token.subject).await? else {
            return Err(AuthenticateError::Rejected(
                "the subject does not exist".to_owned(),
            ));
        };
        caller(&token, &user).ok_or_else(|| {
            AuthenticateError::Rejected("the subject is not active or has signed out".to_owned())
        })
    }
}

/// Gives the caller that a token and its stored subject make, if the subject admits the token.
pub(super) fn caller(token: &VerifiedToken, subject: &User) -> Option<Caller> {
    subject.admits_token_of(token.issued_at).then(|| {
        Caller::User(UserCaller {
            id: subject.id,
            is_admin: token.claims_admin && subject.roles.is_admin(),
            has_blocks: subject.has_blocks,
        })
    })
}

impl From<VerifyTokenError> for AuthenticateError {
    fn from(error: VerifyTokenError) -> Self {
        match error {
            VerifyTokenError::Rejected(rejected) => Self::Rejected(rejected.0),
            VerifyTokenError::Unavailable(cause) => Self::KeysUnavailable(cause),
        }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ServiceToken(_) => "ServiceToken(…)",
            Self::Bearer(_) => "Bearer(…)",
        })
    }
}
