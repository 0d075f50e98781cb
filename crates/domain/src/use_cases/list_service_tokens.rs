//! Lists service tokens.

use std::sync::Arc;

use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::ServiceTokenRegistry;
use crate::service_token::{ServiceToken, TokenPosition};

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

/// One page of tokens, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTokens {
    /// The tokens, including expired and revoked ones.
    pub tokens: Vec<ServiceToken>,
    /// The position of the last token, if there are more.
    pub next: Option<TokenPosition>,
}

impl ListServiceTokens {
    /// Checks the caller's permission before its query is parsed.
    pub fn permit(caller: &Caller) -> Result<(), Denied> {
        permit(caller, Action::ManageTokens)
    }

    /// Returns the page of at most `limit` tokens after a position.
    pub async fn run(
        &self,
        caller: &Caller,
        after: Option<TokenPosition>,
        limit: u16,
    ) -> Result<ListedTokens, ListServiceTokensError> {
        Self::permit(caller)?;
        // One more token shows whether there is a next page.
        let mut tokens = self
            .registry
            .list_tokens(after, limit.saturating_add(1))
            .await?;
        let has_more = tokens.len() > usize::from(limit);
        tokens.truncate(limit.into());
        let next = tokens
            .last()
            .filter(|_| has_more)
            .map(ServiceToken::position);
        Ok(ListedTokens { tokens, next })
    }
}
