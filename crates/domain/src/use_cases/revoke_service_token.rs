//! Revokes a token of a service.

use std::sync::Arc;

use super::{ServiceTokenError, Stamp, WriteConditions};
use crate::caller::Caller;
use crate::permissions::{Action, permit};
use crate::ports::ServiceTokenRegistry;
use crate::service_token::ServiceToken;
use crate::values::ServiceTokenId;

/// Revokes a token of a service.
#[derive(Clone)]
pub struct RevokeServiceToken {
    pub(super) registry: Arc<dyn ServiceTokenRegistry>,
    pub(super) stamp: Stamp,
}

impl RevokeServiceToken {
    /// Makes the token worth nothing, for good; one that was revoked before stays as it was.
    pub async fn run(
        &self,
        caller: &Caller,
        id: ServiceTokenId,
    ) -> Result<ServiceToken, ServiceTokenError> {
        permit(caller, Action::ManageTokens)?;
        let context = self.stamp.context(caller, WriteConditions::default());
        let revoked = self.registry.revoke_token(id, &context).await?;
        revoked.ok_or(ServiceTokenError::NotFound)
    }
}
