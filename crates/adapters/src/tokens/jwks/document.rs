//! Parses a JSON Web Key Set (RFC 7517) strictly.
//!
//! A key that is unsupported or unsafe is ignored, and the other keys are used: an issuer may publish keys for other
//! purposes and for future algorithms.

mod curves;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};
use user_domain::json::parse_strict;

use crate::tokens::keys::PublicKey;
use crate::tokens::token::{MAX_KEY_ID_BYTES, algorithm_named};

/// The maximum number of keys in a document, including ignored ones.
pub(super) const MAX_KEYS: usize = 64;
/// The members that contain private key material.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// The length of a coordinate of P-256, and of a public key of Ed25519.
const COORDINATE_BYTES: usize = 32;

/// A parsed document.
#[derive(Default)]
pub(super) struct Document {
    /// The usable keys.
    pub(super) keys: Vec<PublicKey>,
    /// The ignored keys.
    pub(super) ignored: Vec<IgnoredKey>,
}

/// A key that is ignored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IgnoredKey {
    /// Its index in the document.
    pub(super) place: usize,
    /// The reason, which contains nothing of the key.
    pub(super) reason: &'static str,
}

/// Why a document is invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("its document is not JSON without repeated names")]
    NotJson,
    #[error("its document has no array of keys")]
    NoKeys,
    #[error("its document has more than {MAX_KEYS} keys")]
    TooMany,
    #[error("its document has no key that can be used")]
    NoneUsable,
}

/// Parses a document. A document without a usable key is an error, because it is more likely a mistake than a request
/// to reject every token.
pub(super) fn read(text: &[u8]) -> Result<Document, DocumentError> {
    let document = parse_strict(text).map_err(|_| DocumentError::NotJson)?;
    let keys = document
        .get("keys")
        .and_then(Value::as_array)
        .ok_or(DocumentError::NoKeys)?;
    if keys.len() > MAX_KEYS {
        return Err(DocumentError::TooMany);
    }
    let mut read = Document::default();
    for (place, key) in keys.iter().enumerate() {
        match read_key(key) {
            Ok(key) if read.has_duplicate_of(&key) => read.ignored.push(IgnoredKey {
                place,
                reason: "another key has its kid and its algorithm",
            }),
            Ok(key) => read.keys.push(key),
            Err(reason) => read.ignored.push(IgnoredKey { place, reason }),
        }
    }
    if read.keys.is_empty() {
        return Err(DocumentError::NoneUsable);
    }
    Ok(read)
}

impl Document {
    fn has_duplicate_of(&self, key: &PublicKey) -> bool {
        key.id.is_some()
            && self
                .keys
                .iter()
                .any(|other| other.id == key.id && other.algorithm == key.algorithm)
    }
}

fn read_key(key: &Value) -> Result<PublicKey, &'static str> {
    let key = key.as_object().ok_or("it is no object")?;
    if text(key, "kty")? == Some("oct") {
        return Err("it is a shared secret, which must not be published");
    }
    if PRIVATE_MEMBERS.iter().any(|name| key.contains_key(*name)) {
        return Err("it is a private key, which must not be published");
    }
    let (algorithm, decoding) = match (text(key, "kty")?, text(key, "crv")?) {
        (Some("RSA"), _) => (Algorithm::RS256, rsa(key)?),
        (Some("EC"), Some("P-256")) => (Algorithm::ES256, p256(key)?),
        (Some("OKP"), Some("Ed25519")) => (Algorithm::EdDSA, ed25519(key)?),
        _ => return Err("its kind is not one of RSA, P-256 and Ed25519"),
    };
    check_purpose(key, algorithm)?;
    let id = text(key, "kid")?;
    if id.is_some_and(|id| id.len() > MAX_KEY_ID_BYTES) {
        return Err("its kid is too long");
    }
    Ok(PublicKey {
        id: id.map(str::to_owned),
        algorithm,
        public: decoding,
    })
}

/// Refuses keys that are not meant to check signatures of this algorithm by.
fn check_purpose(key: &Map<String, Value>, algorithm: Algorithm) -> Result<(), &'static str> {
    if text(key, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err("its use is not sig");
    }
    let verifies = match key.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => false,
    };
    if !verifies {
        return Err("its key_ops do not hold verify");
    }
    let named = text(key, "alg")?;
    if named.is_some_and(|name| algorithm_named(name) != Some(algorithm)) {
        return Err("its alg is not the one of its kind that is accepted");
    }
    Ok(())
}

fn rsa(key: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    let number = |name| bytes(key, name).map(without_leading_zeros);
    let (modulus, exponent) = (number("n")?, number("e")?);
    let first = modulus.first().map_or(0, |first| first.leading_zeros());
    let bits = modulus.len() * 8 - usize::try_from(first).unwrap_or_default();
    if !(2048..=8192).contains(&bits) {
        return Err("its modulus has not 2048 to 8192 bits");
    }
    if modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err("its modulus is even");
    }
    let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
    // FIPS 186-5, A.1.1: at least 65,537. More than four bytes would slow down every verification.
    let is_large_enough = exponent.len() > 2;
    if !is_odd || !is_large_enough || exponent.len() > 4 {
        return Err("its exponent is not an odd number from 65537 to 4294967295");
    }
    Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

fn p256(key: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    let (x, y) = (bytes(key, "x")?, bytes(key, "y")?);
    if x.len() != COORDINATE_BYTES || y.len() != COORDINATE_BYTES {
        return Err("its point has another length");
    }
    if !curves::is_on_p256(&x, &y) {
        return Err("its point is not on the curve");
    }
    // SEC 1, 2.3.3: an uncompressed point.
    let point: Vec<u8> = [4].into_iter().chain(x).chain(y).collect();
    Ok(DecodingKey::from_ec_der(&point))
}

fn ed25519(key: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    let x = bytes(key, "x")?;
    let point: [u8; COORDINATE_BYTES] = x.try_into().map_err(|_| "its point has another length")?;
    curves::check_ed25519(point)?;
    Ok(DecodingKey::from_ed_der(&point))
}

fn text<'a>(key: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, &'static str> {
    match key.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err("one of its members has another type"),
    }
}

fn bytes(key: &Map<String, Value>, name: &str) -> Result<Vec<u8>, &'static str> {
    let encoded = text(key, name)?.ok_or("one of its members is missing")?;
    URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| "one of its members is not base64url")
}

fn without_leading_zeros(number: Vec<u8>) -> Vec<u8> {
    number.into_iter().skip_while(|byte| *byte == 0).collect()
}

#[cfg(test)]
mod tests;
