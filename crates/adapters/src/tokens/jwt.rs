//! Tokens of users: JSON Web Tokens (RFC 7519) of the Auth Service, signed with a shared secret (HS256) or with one of the
//! keys that it publishes (RS256, ES256, `EdDSA`).
//!
//! The algorithm is bound to the key: what a token says of itself can only make it worthless. Claims are read strictly,
//! each by its exact JSON type, since a lenient reader and a strict one disagree about who is meant.

mod claims;
mod keys;
mod remembered;
mod token;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};
use user_domain::ports::{Clock, TokenRejected, TokenVerifier, VerifiedToken, VerifyTokenError};

use super::jwks::{Jwks, Later};
use claims::Claims;
pub(super) use keys::{Key, Keys, Verdict};
use remembered::{Remembered, Unproven};
pub(super) use token::{LONGEST_KEY_ID, Token, algorithm_named};

/// A token of more bytes is not looked at.
const LONGEST: usize = 16 * 1024;

/// How tokens are checked.
#[derive(Debug, Clone)]
pub struct JwtOptions {
    /// The secret shared with the Auth Service, used as raw bytes, if there is one.
    pub secret: Option<SecretString>,
    /// The secret before it, while tokens signed with it are still good.
    pub previous_secret: Option<SecretString>,
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

/// Checks tokens signed with the shared secrets, or with published keys.
pub struct JwtVerifier {
    secrets: Vec<DecodingKey>,
    jwks: Option<Arc<Jwks>>,
    options: JwtOptions,
    clock: Arc<dyn Clock>,
    remembered: Remembered,
}

impl JwtVerifier {
    /// Checks tokens as the options say, by these published keys, if any, and by the time of this clock.
    pub fn new(options: JwtOptions, jwks: Option<Arc<Jwks>>, clock: Arc<dyn Clock>) -> Self {
        let secrets = [&options.secret, &options.previous_secret];
        let key =
            |secret: &SecretString| DecodingKey::from_secret(secret.expose_secret().as_bytes());
        Self {
            secrets: secrets.into_iter().flatten().map(key).collect(),
            jwks,
            options,
            clock,
            remembered: Remembered::default(),
        }
    }

    async fn check(&self, token: &str) -> Result<VerifiedToken, VerifyTokenError> {
        if token.len() > LONGEST {
            return Err(rejected("it is too long").into());
        }
        let keys = self.jwks.as_ref().map(|jwks| jwks.known());
        match self.remembered.find(token, keys) {
            Ok(claims) => {
                claims.check_again(&self.options, self.clock.now())?;
                Ok(claims.token.clone())
            }
            Err(unproven) => self.check_anew(token, unproven).await,
        }
    }

    async fn check_anew(
        &self,
        token: &str,
        unproven: Unproven,
    ) -> Result<VerifiedToken, VerifyTokenError> {
        let token = Token::read(token)?;
        if token.algorithm() == Algorithm::HS256 {
            self.check_by_secret(&token, unproven.keys())?;
            return self.believe(&token, unproven);
        }
        let (jwks, keys) = self
            .jwks
            .as_ref()
            .zip(unproven.keys())
            .ok_or_else(no_such_key)?;
        match keys.check(&token) {
            Verdict::Holds => return self.believe(&token, unproven),
            Verdict::Wrong => return Err(forged().into()),
            Verdict::Unknown => {}
        }
        // What would be refused anyway waits for no key, and asks nobody for one.
        let claims = self.claims(&token)?;
        match jwks.check_later(&token).await {
            Later::Verdict(Verdict::Holds) => Ok(claims.token),
            Later::Verdict(Verdict::Wrong) => Err(forged().into()),
            Later::Verdict(Verdict::Unknown) => Err(rejected("its key is not known").into()),
            Later::NotYet => Err(VerifyTokenError::Unavailable(
                "the keys of tokens have not been read since the start".to_owned(),
            )),
        }
    }

    /// Checks what a token says whose signature holds, and remembers it.
    fn believe(
        &self,
        token: &Token<'_>,
        unproven: Unproven,
    ) -> Result<VerifiedToken, VerifyTokenError> {
        let claims = self.remembered.add(unproven, self.claims(token)?);
        Ok(claims.token.clone())
    }

    /// Holds a token to the shared secrets, the current one first.
    fn check_by_secret(
        &self,
        token: &Token<'_>,
        published: Option<&Keys>,
    ) -> Result<(), TokenRejected> {
        if self.secrets.is_empty() {
            return Err(no_such_key());
        }
        if let (Some(published), Some(id)) = (published, token.key_id())
            && published.has(id)
        {
            return Err(rejected("its algorithm is not that of the key it names"));
        }
        if self.secrets.iter().any(|secret| token.is_signed_by(secret)) {
            return Ok(());
        }
        Err(forged())
    }

    fn claims(&self, token: &Token<'_>) -> Result<Claims, TokenRejected> {
        claims::check(&token.claims()?, &self.options, self.clock.now())
    }
}

#[async_trait]
impl TokenVerifier for JwtVerifier {
    async fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyTokenError> {
        self.check(token).await
    }

    fn remembered(&self, token: &str) -> Option<VerifiedToken> {
        let keys = self.jwks.as_ref().map(|jwks| jwks.known());
        let claims = self.remembered.find(token, keys).ok()?;
        claims.check_again(&self.options, self.clock.now()).ok()?;
        Some(claims.token.clone())
    }
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtVerifier")
    }
}

fn rejected(reason: &str) -> TokenRejected {
    TokenRejected(reason.to_owned())
}

fn no_such_key() -> TokenRejected {
    rejected("no key has its algorithm")
}

fn forged() -> TokenRejected {
    rejected("its signature is wrong")
}

#[cfg(test)]
mod tests;
