//! The services' tokens that the settings list.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use user_domain::StoreError;
use user_domain::caller::ServiceCaller;
use user_domain::ports::ServiceTokens;

/// A fixed list of tokens, each with all scopes. Only their digests are kept.
pub struct AllowedTokens {
    tokens: Vec<([u8; 32], ServiceCaller)>,
}

impl AllowedTokens {
    /// Allows these tokens.
    ///
    /// They have no names of their own: logs and events name a caller by the first 8 hexadecimal digits of its
    /// token's SHA-256.
    pub fn new(tokens: &[SecretString]) -> Self {
        let entry = |token: &SecretString| {
            let digest: [u8; 32] = Sha256::digest(token.expose_secret()).into();
            let name = digest
                .iter()
                .take(4)
                .fold("token-".to_owned(), |name, byte| {
                    format!("{name}{byte:02x}")
                });
            (digest, ServiceCaller::with_all_scopes(name))
        };
        Self {
            tokens: tokens.iter().map(entry).collect(),
        }
    }
}

#[async_trait]
impl ServiceTokens for AllowedTokens {
    async fn find(&self, token: &str) -> Result<Option<ServiceCaller>, StoreError> {
        let digest = Sha256::digest(token);
        let mut found = None;
        for (known, caller) in &self.tokens {
            if bool::from(digest.as_slice().ct_eq(known)) {
                found = Some(caller);
            }
        }
        Ok(found.cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listed_token_is_a_service_with_all_scopes_and_another_is_nobody() {
        let tokens = AllowedTokens::new(&["first-token".into(), "second-token".into()]);
        let found = tokens.find("second-token").await.unwrap().unwrap();
        assert_eq!(found.scopes.len(), user_domain::caller::Scope::ALL.len());
        assert!(!found.name.contains("second"));
        for stranger in [
            "",
            "first-toke",
            "first-token ",
            "FIRST-TOKEN",
            "third-token",
        ] {
            assert_eq!(tokens.find(stranger).await.unwrap(), None, "{stranger:?}");
        }
    }
}
