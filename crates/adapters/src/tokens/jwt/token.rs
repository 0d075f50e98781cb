//! A token as it comes, before anything in it is believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};
use user_domain::json::parse_strict;
use user_domain::ports::TokenRejected;

use super::rejected;

/// The most bytes of a `kid`.
pub(in crate::tokens) const LONGEST_KEY_ID: usize = 256;
/// Headers that bring keys or rules of their own.
const REFUSED: [&str; 7] = ["crit", "jku", "jwk", "x5u", "x5c", "zip", "b64"];

/// A token taken apart: its parts are encoded well, and its header asks for nothing that is not done here.
pub(in crate::tokens) struct Token<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    pub(in crate::tokens) fn read(token: &'a str) -> Result<Self, TokenRejected> {
        let (message, signature) = token
            .rsplit_once('.')
            .ok_or_else(|| rejected("it has no signature"))?;
        let (header, payload) = message
            .split_once('.')
            .ok_or_else(|| rejected("it has no payload"))?;
        let header = object(header, "header")?;
        for refused in REFUSED {
            if header.contains_key(refused) {
                return Err(rejected(&format!("its header has {refused}")));
            }
        }
        Ok(Self {
            algorithm: algorithm(&header)?,
            key_id: key_id(&header)?,
            message,
            payload,
            signature,
        })
    }

    /// The algorithm that it says it is signed by: one that some key may have.
    pub(in crate::tokens) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that it says it is signed with.
    pub(in crate::tokens) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Whether a key for its algorithm has signed it. The caller holds the algorithm to be the key's.
    pub(in crate::tokens) fn is_signed_by(&self, key: &DecodingKey) -> bool {
        let message = self.message.as_bytes();
        matches!(
            crypto::verify(self.signature, message, key, self.algorithm),
            Ok(true)
        )
    }

    /// What it says.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, TokenRejected> {
        object(self.payload, "payload")
    }
}

/// The algorithm of this name (RFC 7518, RFC 8037), if it is one that is accepted.
pub(in crate::tokens) fn algorithm_named(name: &str) -> Option<Algorithm> {
    match name {
        "HS256" => Some(Algorithm::HS256),
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, TokenRejected> {
    let name = header.get("alg").and_then(Value::as_str);
    name.and_then(algorithm_named)
        .ok_or_else(|| rejected("its algorithm is none of those that are accepted"))
}

fn key_id(header: &Map<String, Value>) -> Result<Option<String>, TokenRejected> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) if id.len() <= LONGEST_KEY_ID => Ok(Some(id.clone())),
        Some(_) => Err(rejected("its kid is no string, or too long")),
    }
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
