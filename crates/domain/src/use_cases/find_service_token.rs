//! Shows a token of a service.

use std::sync::Arc;

use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::ServiceTokenRegistry;
use crate::service_token::ServiceToken;
use crate::values::ServiceTokenId;

/// Why no token is shown, or none was revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceTokenError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is no such token.
    #[error("there is no such token")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Shows a token of a service.
#[derive(Clone)]
pub struct FindServiceToken {
    pub(super) registry: Arc<dyn ServiceTokenRegistry>,
}

impl FindServiceToken {
    /// Shows the token, ended or not; what proves it is not kept. A revoked one is gone, but for the list: as a deleted
    /// user is.
    pub async fn run(
        &self,
        caller: &Caller,
        id: ServiceTokenId,
    ) -> Result<ServiceToken, ServiceTokenError> {
        permit(caller, Action::ManageTokens)?;
        let kept = self.registry.find_token(id).await?;
        kept.map(|kept| kept.token)
            .filter(|token| token.revoked_at.is_none())
            .ok_or(ServiceTokenError::NotFound)
    }
}
