//! The service tokens that the settings list.

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use user_domain::StoreError;
use user_domain::caller::ServiceCaller;
use user_domain::ports::{FindServiceError, ServiceTokenVerifier};
use user_domain::service_token::ServiceToken;

/// A fixed list of tokens, each with all scopes. Only their digests are stored.
pub struct StaticTokens {
    tokens: Vec<([u8; 32], ServiceCaller)>,
    /// The lengths of the tokens, which are not secret. A token of another length, such as a user's, is not hashed.
    lengths: Vec<usize>,
}

impl StaticTokens {
    /// Creates the list.
    ///
    /// These tokens have no names. Logs and events name a caller by the first 8 hexadecimal digits of a keyed digest
    /// (HMAC-SHA-256) of its token. Users see these names in their exports; without the key they cannot test guessed
    /// tokens against them.
    pub fn new(tokens: &[SecretString], naming_key: &[u8; 64]) -> Self {
        let entry = |token: &SecretString| {
            let digest: [u8; 32] = Sha256::digest(token.expose_secret()).into();
            let mut named = Hmac::<Sha256>::new(naming_key.into());
            named.update(token.expose_secret().as_bytes());
            let name = named.finalize().into_bytes();
            let name = name.iter().take(4).fold("token-".to_owned(), |name, byte| {
                format!("{name}{byte:02x}")
            });
            (digest, ServiceCaller::with_all_scopes(name))
        };
        let length = |token: &SecretString| token.expose_secret().len();
        Self {
            tokens: tokens.iter().map(entry).collect(),
            lengths: tokens.iter().map(length).collect(),
        }
    }
}

#[async_trait]
impl ServiceTokenVerifier for StaticTokens {
    async fn find(&self, token: &str) -> Result<Option<ServiceCaller>, FindServiceError> {
        if !self.lengths.contains(&token.len()) {
            return Ok(None);
        }
        let digest = Sha256::digest(token);
        let mut found = None;
        for (known, caller) in &self.tokens {
            if bool::from(digest.as_slice().ct_eq(known)) {
                found = Some(caller);
            }
        }
        Ok(found.cloned())
    }

    /// Always `None`: a token that is removed from the settings is unknown.
    async fn find_revoked(&self, _: &str) -> Result<Option<ServiceToken>, StoreError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listed_token_has_all_scopes_and_another_is_unknown() {
        let tokens = StaticTokens::new(&["first-token".into(), "second-token".into()], &[7; 64]);
        let found = tokens.find("second-token").await.unwrap().unwrap();
        assert_eq!(found.scopes.len(), user_domain::caller::Scope::ALL.len());
        assert!(!found.name.contains("second"));
        for unknown in [
            "",
            "first-toke",
            "first-token ",
            "FIRST-TOKEN",
            "third-token",
        ] {
            assert_eq!(tokens.find(unknown).await.unwrap(), None, "{unknown:?}");
        }
    }
}
