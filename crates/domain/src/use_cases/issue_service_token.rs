//! Makes a token of a service.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::{Stamp, WriteConditions};
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit, permit_scopes};
use crate::ports::ServiceTokenRegistry;
use crate::service_token::{ServiceToken, TokenInput};
use crate::{Fault, StoreError};

/// A token that was made, and the one sight of what proves it.
#[derive(Debug, Clone)]
pub struct IssuedServiceToken {
    /// The token.
    pub token: ServiceToken,
    /// What the service sends. Nobody can show it again.
    shown_once: SecretString,
}

impl IssuedServiceToken {
    /// What the service sends. It is a secret.
    pub fn expose(&self) -> &str {
        self.shown_once.expose_secret()
    }
}

/// Why no token was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueServiceTokenError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The input breaks rules.
    #[error("the input breaks rules")]
    Invalid(Vec<Fault>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a token of a service.
#[derive(Clone)]
pub struct IssueServiceToken {
    pub(super) registry: Arc<dyn ServiceTokenRegistry>,
    pub(super) stamp: Stamp,
}

impl IssueServiceToken {
    /// Makes a token. A service gives no scope that it lacks.
    pub async fn run(
        &self,
        caller: &Caller,
        input: &TokenInput,
    ) -> Result<IssuedServiceToken, IssueServiceTokenError> {
        permit(caller, Action::ManageTokens)?;
        let context = self.stamp.context(caller, WriteConditions::default());
        let new = input
            .check(context.at)
            .map_err(IssueServiceTokenError::Invalid)?;
        permit_scopes(caller, &new.scopes)?;
        let id = self.stamp.ids.token_id();
        let (secret, digest) = self.stamp.ids.token_secret();
        let issued = ServiceToken::issue(id, new, &context);
        self.registry.add_token(&issued, &digest).await?;
        Ok(IssuedServiceToken {
            token: issued.token,
            shown_once: secret.token_of(id),
        })
    }
}
