//! Revokes a service token.

use std::sync::Arc;

use super::{ServiceTokenError, WriteConditions, WriteContextFactory};
use crate::caller::Caller;
use crate::permissions::{Action, permit};
use crate::ports::{ServiceTokenRegistry, TokenRevocation};
use crate::values::ServiceTokenId;
use crate::write::{Idempotency, Precondition};

/// Revokes a service token.
#[derive(Clone)]
pub struct RevokeServiceToken {
    pub(super) registry: Arc<dyn ServiceTokenRegistry>,
    pub(super) contexts: WriteContextFactory,
}

impl RevokeServiceToken {
    /// Revokes the token permanently; a token that is already revoked does not change.
    pub async fn run(
        &self,
        caller: &Caller,
        id: ServiceTokenId,
        idempotency: Option<Idempotency>,
    ) -> Result<TokenRevocation, ServiceTokenError> {
        permit(caller, Action::ManageTokens)?;
        let conditions = WriteConditions {
            precondition: Precondition::None,
            idempotency,
        };
        let context = self.contexts.create(caller, conditions);
        Ok(self.registry.revoke_token(id, &context).await?)
    }
}
