//! Lists the tokens of services.

use std::sync::Arc;

use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::ServiceTokenRegistry;
use crate::service_token::ServiceToken;

/// Why no tokens are listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListServiceTokensError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lists the tokens of services.
#[derive(Clone)]
pub struct ListServiceTokens {
    pub(super) registry: Arc<dyn ServiceTokenRegistry>,
}

impl ListServiceTokens {
    /// Gives the newest [`ServiceToken::LISTED`] tokens, ended and revoked ones included, the newest first.
    pub async fn run(&self, caller: &Caller) -> Result<Vec<ServiceToken>, ListServiceTokensError> {
        permit(caller, Action::ManageTokens)?;
        Ok(self.registry.list_tokens().await?)
    }
}
