//! A parsed token that has not been verified.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};
use user_domain::Rejection;
use user_domain::json::parse_strict;

/// The maximum length of a `kid` in bytes.
pub(super) const MAX_KEY_ID_BYTES: usize = 256;
/// Headers that specify keys or processing rules.
const REFUSED_HEADERS: [&str; 7] = ["crit", "jku", "jwk", "x5u", "x5c", "zip", "b64"];

/// The parts of a token. Their encoding is valid, and the header contains nothing unsupported.
pub(super) struct Token<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Token<'a> {
    /// Parses a token.
    pub(super) fn read(token: &'a str) -> Result<Self, Rejection> {
        let (message, signature) = token.rsplit_once('.').ok_or(Rejection::NotJwt)?;
        let (header, payload) = message.split_once('.').ok_or(Rejection::NotJwt)?;
        let header = object(header)?;
        if REFUSED_HEADERS
            .iter()
            .any(|refused| header.contains_key(*refused))
        {
            return Err(Rejection::UnsupportedHeader);
        }
        check_type(&header)?;
        Ok(Self {
            algorithm: algorithm(&header)?,
            key_id: key_id(&header)?,
            message,
            payload,
            signature,
        })
    }

    /// The algorithm that the header names, which is one of the accepted algorithms.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key id that the header names.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Whether a key has signed the token. The caller has checked that the key is for the token's algorithm.
    pub(super) fn is_signed_by(&self, key: &DecodingKey) -> bool {
        let message = self.message.as_bytes();
        matches!(
            crypto::verify(self.signature, message, key, self.algorithm),
            Ok(true)
        )
    }

    /// Returns the claims.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, Rejection> {
        object(self.payload)
    }
}

/// Returns the algorithm of this name (RFC 7518, RFC 8037), if it is accepted.
pub(super) fn algorithm_named(name: &str) -> Option<Algorithm> {
    match name {
        "HS256" => Some(Algorithm::HS256),
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, Rejection> {
    let name = header.get("alg").and_then(Value::as_str);
    name.and_then(algorithm_named)
        .ok_or(Rejection::UnsupportedAlgorithm)
}

fn key_id(header: &Map<String, Value>) -> Result<Option<String>, Rejection> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) if id.len() <= MAX_KEY_ID_BYTES => Ok(Some(id.clone())),
        Some(_) => Err(Rejection::InvalidKeyId),
    }
}

/// Rejects a `typ` other than `JWT` (RFC 7519) and `at+jwt` (RFC 9068). Either may have the prefix `application/`
/// (RFC 7515, section 4.1.9).
fn check_type(header: &Map<String, Value>) -> Result<(), Rejection> {
    let Some(named) = header.get("typ") else {
        return Ok(());
    };
    let named = named.as_str().map(str::to_ascii_lowercase);
    let named = named.as_deref().unwrap_or_default();
    let short = named.strip_prefix("application/").unwrap_or(named);
    if matches!(short, "jwt" | "at+jwt") {
        return Ok(());
    }
    Err(Rejection::NotAccessToken)
}

fn object(part: &str) -> Result<Map<String, Value>, Rejection> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Rejection::NotJwt)?;
    match parse_strict(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err(Rejection::NotJwt),
    }
}
