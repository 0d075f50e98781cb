use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::StoreError;
use crate::caller::ServiceCaller;
use crate::ports::{
    ServiceTokens, TokenRejected, TokenVerifier, UserKey, VerifiedToken, VerifyTokenError,
};
use crate::values::UserId;

/// Admits the tokens it was told of, and rejects all others.
#[derive(Default)]
pub struct FakeTokens(Mutex<HashMap<String, VerifiedToken>>);

impl FakeTokens {
    /// Admits a token from now on.
    pub fn admit(&self, token: &str, says: VerifiedToken) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token.to_owned(), says);
    }

    /// Admits a token of a user, which claims nothing else.
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
            .ok_or_else(|| TokenRejected("it is unknown to the fake".to_owned()).into())
    }

    fn remembered(&self, token: &str) -> Option<VerifiedToken> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(token).cloned()
    }
}

/// Knows the services it was told of.
#[derive(Default)]
pub struct FakeServiceTokens(Mutex<HashMap<String, ServiceCaller>>);

impl FakeServiceTokens {
    /// Knows a service by this token from now on.
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
impl ServiceTokens for FakeServiceTokens {
    async fn find(&self, token: &str) -> Result<Option<ServiceCaller>, StoreError> {
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(token)
            .cloned())
    }
}
