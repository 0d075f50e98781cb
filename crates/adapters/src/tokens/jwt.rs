//! Tokens of users: JSON Web Tokens (RFC 7519) of the Auth Service, signed with a shared secret (HS256).
//!
//! The algorithm is bound to the key: what a token says of itself can only make it worthless. Claims are read strictly,
//! each by its exact JSON type, since a lenient reader and a strict one disagree about who is meant.

mod claims;

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use user_domain::json::parse_strict;
use user_domain::ports::{Clock, TokenRejected, TokenVerifier, VerifiedToken};

/// A token longer than this is not looked at.
const MAX_BYTES: usize = 16 * 1024;

/// How tokens are checked.
#[derive(Debug, Clone)]
pub struct JwtOptions {
    /// The secret shared with the Auth Service, used as raw bytes.
    pub secret: SecretString,
    /// What `sub` names.
    pub subject: JwtSubject,
    /// The `iss` that each token must have, if any.
    pub issuer: Option<String>,
    /// The `aud` that each token must have or hold, if any.
    pub audience: Option<String>,
    /// By how many seconds the clocks of issuer and verifier may differ.
    pub leeway_seconds: u8,
}

/// What a token's `sub` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JwtSubject {
    /// The user's id.
    #[default]
    Id,
    /// The platform's older id: a string, or an integer as its decimal text.
    ExternalId,
}

/// Checks tokens signed with HS256.
pub struct JwtVerifier {
    key: DecodingKey,
    options: JwtOptions,
    clock: Arc<dyn Clock>,
}

impl JwtVerifier {
    /// Checks tokens as the options say, by the time of this clock.
    pub fn new(options: JwtOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            key: DecodingKey::from_secret(options.secret.expose_secret().as_bytes()),
            options,
            clock,
        }
    }

    fn check(&self, token: &str) -> Result<VerifiedToken, TokenRejected> {
        if token.len() > MAX_BYTES {
            return Err(rejected("it is too long"));
        }
        let (message, signature) = token
            .rsplit_once('.')
            .ok_or_else(|| rejected("it has no signature"))?;
        let (header, payload) = message
            .split_once('.')
            .ok_or_else(|| rejected("it has no payload"))?;
        check_header(&object(header, "header")?)?;
        match crypto::verify(signature, message.as_bytes(), &self.key, Algorithm::HS256) {
            Ok(true) => {}
            Ok(false) | Err(_) => return Err(rejected("its signature is wrong")),
        }
        claims::check(
            &object(payload, "payload")?,
            &self.options,
            self.clock.now(),
        )
    }
}

#[async_trait]
impl TokenVerifier for JwtVerifier {
    async fn verify(&self, token: &str) -> Result<VerifiedToken, TokenRejected> {
        self.check(token)
    }
}

/// Refuses another algorithm, and headers that bring keys or rules of their own.
fn check_header(header: &Map<String, Value>) -> Result<(), TokenRejected> {
    if header.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err(rejected("its algorithm is not the key's"));
    }
    for refused in ["crit", "jku", "jwk", "x5u", "x5c", "zip", "b64"] {
        if header.contains_key(refused) {
            return Err(rejected(&format!("its header has {refused}")));
        }
    }
    Ok(())
}

fn object(part: &str, name: &str) -> Result<Map<String, Value>, TokenRejected> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| rejected(&format!("its {name} is not base64url")))?;
    match parse_strict(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err(rejected(&format!(
            "its {name} is not a JSON object without repeated names"
        ))),
    }
}

fn rejected(reason: &str) -> TokenRejected {
    TokenRejected(reason.to_owned())
}

#[cfg(test)]
mod tests;
