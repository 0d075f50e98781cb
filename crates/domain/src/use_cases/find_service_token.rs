//! Returns a service token.

use std::sync::Arc;

use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::ServiceTokenRegistry;
use crate::service_token::ServiceToken;
use crate::values::ServiceTokenId;
use crate::write::WriteError;

/// Why a service token was not returned or revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceTokenError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is no such token.
    #[error("there is no such token")]
    NotFound,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<WriteError> for ServiceTokenError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotFound => Self::NotFound,
            WriteError::KeyReused => Self::KeyReused,
            WriteError::Store(error) => Self::Store(error),
            error @ (WriteError::Taken(_) | WriteError::Refused(_)) => {
                Self::Store(StoreError::Internal(error.to_string()))
            }
        }
    }
}

/// Returns a service token.
#[derive(Clone)]
pub struct FindServiceToken {
    pub(super) registry: Arc<dyn ServiceTokenRegistry>,
}

impl FindServiceToken {
    /// Returns the token without its secret, which is not stored. An expired token is returned; a revoked one is not
    /// found, and appears only in the list.
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
