//! Issues a service token.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::{WriteConditions, WriteContextFactory};
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit, permit_scopes};
use crate::ports::ServiceTokenRegistry;
use crate::service_token::{ServiceToken, TokenInput};
use crate::{Fault, StoreError};

/// A new token, with the only copy of its secret.
#[derive(Debug, Clone)]
pub struct IssuedServiceToken {
    /// The token.
    pub token: ServiceToken,
    /// The text that the service sends. It cannot be shown again.
    shown_once: SecretString,
}

impl IssuedServiceToken {
    /// The text that the service sends. It is a secret.
    pub fn expose(&self) -> &str {
        self.shown_once.expose_secret()
    }
}

/// Why no token was issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueServiceTokenError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The input is invalid; holds every fault.
    #[error("the input is invalid")]
    Invalid(Vec<Fault>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Issues a service token.
#[derive(Clone)]
pub struct IssueServiceToken {
    pub(super) registry: Arc<dyn ServiceTokenRegistry>,
    pub(super) contexts: WriteContextFactory,
}

impl IssueServiceToken {
    /// Issues a token. A service can grant only scopes that it has.
    pub async fn run(
        &self,
        caller: &Caller,
        input: &TokenInput,
    ) -> Result<IssuedServiceToken, IssueServiceTokenError> {
        permit(caller, Action::ManageTokens)?;
        let context = self.contexts.create(caller, WriteConditions::default());
        let new = input
            .check(context.at)
            .map_err(IssueServiceTokenError::Invalid)?;
        permit_scopes(caller, &new.scopes)?;
        let id = self.contexts.ids.token_id();
        let (secret, digest) = self.contexts.ids.token_secret();
        let issued = ServiceToken::issue(id, new, &context);
        self.registry.add_token(&issued, &digest).await?;
        Ok(IssuedServiceToken {
            token: issued.token,
            shown_once: secret.format_token(id),
        })
    }
}
