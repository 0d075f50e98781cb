//! Tokens of users: JSON Web Tokens (RFC 7519) of the Auth Service, signed with a shared secret (HS256) or with one of
//! the keys that it publishes (RS256, ES256, `EdDSA`).
//!
//! The algorithm is bound to the key, so the header of a token can only make the token invalid. Each claim must have
//! its exact JSON type, because a lenient and a strict parser could disagree about the user.

mod claims;
mod verified_cache;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};
use user_domain::Rejection;
use user_domain::ports::{Clock, TokenVerifier, VerifiedToken, VerifyTokenError};

use super::jwks::Jwks;
use super::keys::{KeySet, KeyVerdict};
use super::token::Token;
use claims::Claims;
use verified_cache::{PendingEntry, VerifiedTokenCache};

/// The maximum length of a token in bytes. A longer one is rejected without parsing.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The settings for the verification of tokens.
#[derive(Debug, Clone)]
pub struct JwtOptions {
    /// The secret shared with the Auth Service, if any. It is used as raw bytes.
    pub secret: Option<SecretString>,
    /// The previous secret, for as long as tokens signed with it are accepted.
    pub previous_secret: Option<SecretString>,
    /// The kind of id in `sub`.
    pub subject: JwtSubject,
    /// The required `iss`, if any.
    pub issuer: Option<String>,
    /// The required `aud`, if any. The claim may also be an array that contains it.
    pub audience: Option<String>,
    /// The allowed difference between the clocks of issuer and verifier, in seconds.
    pub leeway_seconds: u8,
}

/// The kind of id in the `sub` of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JwtSubject {
    /// The user's id.
    #[default]
    Id,
    /// The external id: a string, or an integer in its decimal form.
    ExternalId,
}

/// Verifies tokens that are signed with the shared secrets or with published keys.
pub struct JwtVerifier {
    secrets: Vec<DecodingKey>,
    jwks: Option<Arc<Jwks>>,
    options: JwtOptions,
    clock: Arc<dyn Clock>,
    verified: VerifiedTokenCache,
}

impl JwtVerifier {
    /// Creates a verifier with these published keys, if any.
    pub fn new(options: JwtOptions, jwks: Option<Arc<Jwks>>, clock: Arc<dyn Clock>) -> Self {
        let secrets = [&options.secret, &options.previous_secret];
        let key =
            |secret: &SecretString| DecodingKey::from_secret(secret.expose_secret().as_bytes());
        Self {
            secrets: secrets.into_iter().flatten().map(key).collect(),
            jwks,
            options,
            clock,
            verified: VerifiedTokenCache::default(),
        }
    }

    async fn check(&self, token: &str) -> Result<VerifiedToken, VerifyTokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejection::TooLong.into());
        }
        let keys = self.jwks.as_ref().map(|jwks| jwks.known());
        match self.verified.find(token, keys) {
            Ok(claims) => {
                claims.check_again(&self.options, self.clock.now())?;
                Ok(claims.token.clone())
            }
            Err(pending) => self.verify_uncached(token, pending).await,
        }
    }

    /// Verifies a token that is not cached.
    ///
    /// The kind and the times are checked first, so that the reasons which the client sees never depend on the
    /// signature. The signature is next. The remaining claims are last; the client does not see why they are rejected.
    async fn verify_uncached(
        &self,
        token: &str,
        pending: PendingEntry,
    ) -> Result<VerifiedToken, VerifyTokenError> {
        let token = Token::read(token)?;
        let raw_claims = token.claims()?;
        let times = claims::check_text(&raw_claims, &self.options, self.clock.now())?;
        let claims = || claims::check(&raw_claims, times, &self.options);
        if token.algorithm() == Algorithm::HS256 {
            self.check_shared_secrets(&token, pending.keys())?;
            return Ok(self.cache(pending, claims()?));
        }
        let (jwks, keys) = self
            .jwks
            .as_ref()
            .zip(pending.keys())
            .ok_or(Rejection::NoKeyForAlgorithm)?;
        if keys.check(&token) == KeyVerdict::Valid {
            return Ok(self.cache(pending, claims()?));
        }
        // A token with invalid claims triggers no refresh.
        let claims = claims()?;
        match jwks.check_after_refresh(&token).await {
            Some(KeyVerdict::Valid) => Ok(claims.token),
            Some(KeyVerdict::Invalid) => Err(Rejection::WrongSignature.into()),
            Some(KeyVerdict::Unknown) => Err(Rejection::UnknownKey.into()),
            None => Err(VerifyTokenError::Unavailable(
                "the token verification keys have not been read since the start".to_owned(),
            )),
        }
    }

    /// Caches a valid token.
    fn cache(&self, pending: PendingEntry, claims: Claims) -> VerifiedToken {
        self.verified.add(pending, claims).token.clone()
    }

    /// Verifies a token with the shared secrets, the current one first.
    fn check_shared_secrets(
        &self,
        token: &Token<'_>,
        published: Option<&KeySet>,
    ) -> Result<(), Rejection> {
        if self.secrets.is_empty() {
            return Err(Rejection::NoKeyForAlgorithm);
        }
        if let (Some(published), Some(id)) = (published, token.key_id())
            && published.has(id)
        {
            return Err(Rejection::KeyAlgorithmMismatch);
        }
        if self.secrets.iter().any(|secret| token.is_signed_by(secret)) {
            return Ok(());
        }
        Err(Rejection::WrongSignature)
    }
}

#[async_trait]
impl TokenVerifier for JwtVerifier {
    async fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyTokenError> {
        self.check(token).await
    }

    fn verify_cached(&self, token: &str) -> Option<VerifiedToken> {
        let keys = self.jwks.as_ref().map(|jwks| jwks.known());
        let claims = self.verified.find(token, keys).ok()?;
        claims.check_again(&self.options, self.clock.now()).ok()?;
        Some(claims.token.clone())
    }
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtVerifier")
    }
}

#[cfg(test)]
mod tests;
