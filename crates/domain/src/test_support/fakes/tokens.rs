use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::Rejection;
use crate::StoreError;
use crate::caller::ServiceCaller;
use crate::ports::{
    FindServiceError, ServiceTokenVerifier, TokenVerifier, UserKey, VerifiedToken, VerifyTokenError,
};
use crate::service_token::ServiceToken;
use crate::values::UserId;

/// A verifier that accepts the registered tokens and rejects all others.
#[derive(Default)]
pub struct FakeTokens(Mutex<HashMap<String, VerifiedToken>>);

impl FakeTokens {
    /// Registers a token.
    pub fn admit(&self, token: &str, verified: VerifiedToken) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token.to_owned(), verified);
    }

    /// Registers a token of a user without further claims.
    pub fn admit_user(&self, token: &str, id: UserId) {
        self.admit(
            token,
            VerifiedToken {
                subject: UserKey::Id(id),
                claims_admin: false,
                issued_at: None,
            },
        );
    }
}

impl fmt::Debug for FakeTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeTokens")
    }
}

#[async_trait]
impl TokenVerifier for FakeTokens {
    async fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyTokenError> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens
            .get(token)
            .cloned()
            .ok_or(VerifyTokenError::Rejected(Rejection::NotJwt))
    }

    fn verify_cached(&self, token: &str) -> Option<VerifiedToken> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(token).cloned()
    }
}

/// A registry of services by their tokens.
#[derive(Default)]
pub struct FakeServiceTokens(Mutex<HashMap<String, ServiceCaller>>);

impl FakeServiceTokens {
    /// Registers the token of a service.
    pub fn admit(&self, token: &str, service: ServiceCaller) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token.to_owned(), service);
    }
}

impl fmt::Debug for FakeServiceTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeServiceTokens")
    }
}

#[async_trait]
impl ServiceTokenVerifier for FakeServiceTokens {
    async fn find(&self, token: &str) -> Result<Option<ServiceCaller>, FindServiceError> {
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(token)
            .cloned())
    }

    async fn find_revoked(&self, _: &str) -> Result<Option<ServiceToken>, StoreError> {
        Ok(None)
    }
}
