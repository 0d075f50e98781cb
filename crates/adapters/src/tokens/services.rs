//! All tokens of services, wherever they come from.

use std::sync::Arc;

use async_trait::async_trait;
use user_domain::StoreError;
use user_domain::caller::ServiceCaller;
use user_domain::ports::ServiceTokens;

use super::{AllowedTokens, ManagedTokens};

/// The tokens that the settings list, and those that are managed.
pub struct KnownServices {
    allowed: AllowedTokens,
    managed: Arc<ManagedTokens>,
}

impl KnownServices {
    /// Knows both.
    pub fn new(allowed: AllowedTokens, managed: Arc<ManagedTokens>) -> Self {
        Self { allowed, managed }
    }
}

#[async_trait]
impl ServiceTokens for KnownServices {
    async fn find(&self, token: &str) -> Result<Option<ServiceCaller>, StoreError> {
        // First: those of the settings need no store, so that they work where it is away.
        if let Some(caller) = self.allowed.find(token).await? {
            return Ok(Some(caller));
        }
        ServiceTokens::find(&*self.managed, token).await
    }
}
