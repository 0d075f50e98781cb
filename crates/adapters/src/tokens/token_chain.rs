//! All service tokens: those from the settings, then the managed ones.

use std::sync::Arc;

use async_trait::async_trait;
use user_domain::StoreError;
use user_domain::caller::ServiceCaller;
use user_domain::ports::{FindServiceError, ServiceTokenVerifier};
use user_domain::service_token::ServiceToken;

use super::{ManagedTokens, StaticTokens};

/// Looks a token up among the static tokens, then among the managed ones.
pub struct ServiceTokenChain {
    static_tokens: StaticTokens,
    managed: Arc<ManagedTokens>,
}

impl ServiceTokenChain {
    /// Creates the chain.
    pub fn new(static_tokens: StaticTokens, managed: Arc<ManagedTokens>) -> Self {
        Self {
            static_tokens,
            managed,
        }
    }
}

#[async_trait]
impl ServiceTokenVerifier for ServiceTokenChain {
    async fn find(&self, token: &str) -> Result<Option<ServiceCaller>, FindServiceError> {
        // Static tokens come first, because they need no store and work while it is unavailable.
        if let Some(caller) = self.static_tokens.find(token).await? {
            return Ok(Some(caller));
        }
        ServiceTokenVerifier::find(&*self.managed, token).await
    }

    async fn find_revoked(&self, token: &str) -> Result<Option<ServiceToken>, StoreError> {
        self.managed.find_revoked(token).await
    }
}
