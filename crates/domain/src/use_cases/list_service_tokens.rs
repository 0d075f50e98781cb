//! Lists service tokens.

use std::sync::Arc;

use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::ServiceTokenRegistry;
use crate::service_token::ServiceToken;

/// Why no tokens were listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListServiceTokensError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lists service tokens.
#[derive(Clone)]
pub struct ListServiceTokens {
    pub(super) registry: Arc<dyn ServiceTokenRegistry>,
}

impl ListServiceTokens {
    /// Returns the newest [`ServiceToken::MAX_LISTED`] tokens, newest first, including expired and revoked ones.
    pub async fn run(&self, caller: &Caller) -> Result<Vec<ServiceToken>, ListServiceTokensError> {
        permit(caller, Action::ManageTokens)?;
        Ok(self.registry.list_tokens().await?)
    }
}
