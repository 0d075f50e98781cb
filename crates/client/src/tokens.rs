//! Service tokens.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use user_domain::Secret;
use user_domain::values::{ServiceTokenId, Timestamp};

use crate::call::{Read, Write, nothing};
use crate::client::Client;
use crate::error::Error;
use crate::operation;
use crate::page::{Items, Page};
use crate::transport::Answer;
use crate::users::PAGE_SIZE;

/// A service token to create. It has no end unless one is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use = "a token is created by `Client::create_token`"]
pub struct NewToken {
    name: String,
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl NewToken {
    /// Creates a token of the service with this name, with scopes such as `users:read`.
    pub fn new<S: Into<String>>(
        name: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            name: name.into(),
            scopes: scopes.into_iter().map(Into::into).collect(),
            expires_at: None,
        }
    }

    /// Sets the time at which the token expires.
    pub fn expires_at(mut self, time: Timestamp) -> Self {
        self.expires_at = Some(time);
        self
    }
}

/// A service token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceToken {
    /// The id.
    pub id: ServiceTokenId,
    /// The name of the service.
    pub name: String,
    /// The scopes. The set is open.
    pub scopes: Vec<String>,
    /// When the token was created.
    pub created_at: Timestamp,
    /// The creator: `service:<name>` or `operator`.
    pub created_by: String,
    /// When the token expires.
    pub expires_at: Option<Timestamp>,
    /// When the token was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When the token was last used, accurate to a minute.
    pub last_used_at: Option<Timestamp>,
}

/// A new token with its secret, which the service does not store.
#[derive(Clone)]
#[non_exhaustive]
pub struct IssuedServiceToken {
    /// The secret, which is sent as `Authorization: Bearer`.
    pub secret: Secret,
    /// The token.
    pub token: ServiceToken,
}

impl fmt::Debug for IssuedServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedServiceToken")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct IssuedSecret {
    #[serde(deserialize_with = "secret")]
    token: Secret,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::from)
}

fn issued(answer: &Answer) -> Result<IssuedServiceToken, Error> {
    Ok(IssuedServiceToken {
        secret: answer.json::<IssuedSecret>()?.token,
        token: answer.json()?,
    })
}

#[derive(Deserialize)]
struct ServiceTokenList {
    tokens: Vec<ServiceToken>,
    #[serde(default)]
    next_cursor: Option<String>,
}

fn page_of_tokens(answer: &Answer) -> Result<Page<ServiceToken>, Error> {
    let list: ServiceTokenList = answer.json()?;
    Ok(Page::new(list.tokens, list.next_cursor))
}

/// The operations on service tokens. They require the scope `tokens:admin`.
impl Client {
    /// Creates a service token, whose secret only this response contains.
    ///
    /// It is not repeated if its response is lost. If the error [`may_be_done`](Error::may_be_done), list the tokens and
    /// revoke the one that was created.
    ///
    /// # Errors
    /// 403 for scopes that the caller does not have itself; 422 for invalid members.
    pub fn create_token(&self, token: &NewToken) -> Write<IssuedServiceToken> {
        self.write(operation::CREATE_TOKEN, &[], issued)
            .change(|request| request.json(token))
    }

    /// Reads a page of the service tokens, newest first, with those that are expired or revoked.
    ///
    /// # Errors
    /// 403 without the scope.
    pub fn list_tokens(&self) -> Read<Page<ServiceToken>> {
        self.read(operation::LIST_TOKENS, &[], page_of_tokens)
    }

    /// Reads all service tokens, page by page.
    pub fn tokens(&self) -> Items<ServiceToken> {
        let client = self.clone();
        Items::new(move |cursor| client.list_tokens().at(cursor).limit(PAGE_SIZE))
    }

    /// Reads a service token.
    ///
    /// # Errors
    /// Not found (404), also if it is revoked.
    pub fn get_token(&self, id: ServiceTokenId) -> Read<ServiceToken> {
        self.read(operation::GET_TOKEN, &[&id.to_string()], Answer::json)
    }

    /// Revokes a service token. Every replica rejects it within a second.
    ///
    /// # Errors
    /// Not found (404).
    pub fn revoke_token(&self, id: ServiceTokenId) -> Write<()> {
        self.write(operation::REVOKE_TOKEN, &[&id.to_string()], nothing)
    }
}
