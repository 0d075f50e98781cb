//! Authenticates callers.

use std::sync::Arc;

use super::find_replay::{FormerCaller, Replayable};
use crate::caller::{Caller, ServiceCaller, UserCaller};
use crate::ports::{
    FindServiceError, ServiceTokenVerifier, TokenVerifier, UserKey, UserReader as _, VerifiedToken,
    VerifyTokenError,
};
use crate::user::{Standing, User};
use crate::{CachedUsers, Freshness, Rejection, StoreError};

/// The credential of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The token of a service, and nothing else (`X-API-Token`, or a bare `Authorization`).
    ServiceToken(String),
    /// The token of a service or of a user (`Authorization: Bearer`).
    Bearer(String),
}

/// Why a caller was not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticateError {
    /// The credential is rejected.
    #[error("the credential was rejected: {0}")]
    Rejected(Rejection),
    /// The keys for verification are not loaded yet; the reason is for the log only.
    #[error("the credential cannot be checked yet: {0}")]
    KeysUnavailable(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A verified credential.
pub(super) enum Verified {
    /// The token of a service.
    Service(ServiceCaller),
    /// The token of a user, which may be one that no longer accepts it.
    User(VerifiedToken),
}

/// Authenticates callers.
#[derive(Clone)]
pub struct Authenticate {
    pub(super) users: Arc<CachedUsers>,
    pub(super) tokens: Arc<dyn TokenVerifier>,
    pub(super) service_tokens: Arc<dyn ServiceTokenVerifier>,
}

impl Authenticate {
    /// Returns the caller of a credential.
    ///
    /// A user's token is valid only while the user exists, is active and has not signed out since it was issued. A user
    /// is an administrator only if both the token and the stored user have that role.
    pub async fn run(&self, credential: &Credential) -> Result<Caller, AuthenticateError> {
        let verified = self.verify(credential).await?;
        self.admit(verified).await
    }

    /// Returns the claims of a user's token that was verified before, without waiting.
    pub(super) fn verify_cached(&self, credential: &Credential) -> Option<VerifiedToken> {
        match credential {
            // A token is cached only after it was found not to be that of a service.
            Credential::Bearer(token) => self.tokens.verify_cached(token),
            Credential::ServiceToken(_) => None,
        }
    }

    /// Verifies a credential, without reading the user of a token.
    pub(super) async fn verify(
        &self,
        credential: &Credential,
    ) -> Result<Verified, AuthenticateError> {
        let (Credential::ServiceToken(token) | Credential::Bearer(token)) = credential;
        if let Some(token) = self.verify_cached(credential) {
            return Ok(Verified::User(token));
        }
        if let Some(service) = self.service_tokens.find(token).await? {
            return Ok(Verified::Service(service));
        }
        if let Credential::ServiceToken(_) = credential {
            return Err(Rejection::UnknownServiceToken.into());
        }
        Ok(Verified::User(self.tokens.verify(token).await?))
    }

    /// Returns the caller of a verified credential. Reads the user of a token.
    pub(super) async fn admit(&self, verified: Verified) -> Result<Caller, AuthenticateError> {
        match verified {
            Verified::Service(service) => Ok(Caller::Service(service)),
            Verified::User(token) => {
                let reading = self.users.read(&token.subject, Freshness::Bounded).await?;
                Ok(admit(&token, reading.user.as_deref())?)
            }
        }
    }
}

impl Authenticate {
    /// Returns the former caller of a credential that is genuine and not expired, but that [`Authenticate::run`]
    /// rejects.
    ///
    /// If a sign-out or a suspension voided the token before the user was deleted, not every write may be replayed: the
    /// token may be stolen.
    ///
    /// # Errors
    /// [`AuthenticateError`]; a credential that is not genuine is rejected.
    pub async fn former(
        &self,
        credential: &Credential,
    ) -> Result<Option<FormerCaller>, AuthenticateError> {
        let (Credential::ServiceToken(token) | Credential::Bearer(token)) = credential;
        if let Some(revoked) = self.service_tokens.find_revoked(token).await? {
            return Ok(Some(FormerCaller {
                replayable: Replayable::Revocation(revoked.id),
                caller: Caller::Service(revoked.caller()),
            }));
        }
        if let Credential::ServiceToken(_) = credential {
            return Ok(None);
        }
        let token = self.tokens.verify(token).await?;
        let (id, has_blocks, replayable) = match self.users.find(&token.subject).await? {
            Some(user) => (user.id, user.has_blocks, replayable(&token, &user)),
            // Only the id of an erased user is known.
            None => match token.subject {
                UserKey::Id(id) => (id, false, Replayable::All),
                UserKey::Username(_) | UserKey::Email(_) | UserKey::ExternalId(_) => {
                    return Ok(None);
                }
            },
        };
        Ok(Some(FormerCaller {
            caller: Caller::User(UserCaller {
                id,
                is_admin: false,
                has_blocks,
            }),
            replayable,
        }))
    }
}

fn replayable(token: &VerifiedToken, subject: &User) -> Replayable {
    let was_accepted = subject.is_deleted()
        && subject.standing == Standing::Active
        && !subject.has_signed_out_after(token.issued_at);
    if was_accepted {
        Replayable::All
    } else {
        Replayable::EndOfAccess
    }
}

/// Returns the caller of a verified token and its stored user.
pub(super) fn admit(token: &VerifiedToken, subject: Option<&User>) -> Result<Caller, Rejection> {
    let subject = subject.ok_or(Rejection::UnknownSubject)?;
    subject.admits_token_of(token.issued_at)?;
    Ok(Caller::User(UserCaller {
        id: subject.id,
        is_admin: token.claims_admin && subject.roles.is_admin(),
        has_blocks: subject.has_blocks,
    }))
}

impl From<Rejection> for AuthenticateError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<FindServiceError> for AuthenticateError {
    fn from(error: FindServiceError) -> Self {
        match error {
            FindServiceError::Rejected(rejection) => Self::Rejected(rejection),
            FindServiceError::Store(error) => Self::Store(error),
        }
    }
}

impl From<VerifyTokenError> for AuthenticateError {
    fn from(error: VerifyTokenError) -> Self {
        match error {
            VerifyTokenError::Rejected(rejection) => Self::Rejected(rejection),
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
