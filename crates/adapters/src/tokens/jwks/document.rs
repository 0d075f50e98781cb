//! A document of keys (JSON Web Key Set, RFC 7517), read strictly.
//!
//! A key that cannot be used here, or should not be, is left out and the others count: an issuer may publish keys for
//! other purposes and for algorithms to come.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};
use user_domain::json::parse_strict;

use crate::tokens::jwt::{Key, LONGEST_KEY_ID, algorithm_named};

/// The most keys of a document, those that are ignored included.
pub(super) const MOST_KEYS: usize = 64;
/// The members of a key that only its owner may know.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// The bytes of a coordinate of P-256, and of a public key of Ed25519.
const COORDINATE: usize = 32;

/// A document that was read.
#[derive(Default)]
pub(super) struct Document {
    /// The keys that count.
    pub(super) keys: Vec<Key>,
    /// Those that do not.
    pub(super) ignored: Vec<Ignored>,
}

/// A key that does not count.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ignored {
    /// Its place in the document, from 0.
    pub(super) place: usize,
    /// Why, in words that hold nothing of it.
    pub(super) reason: &'static str,
}

/// Why a text is no document of keys.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("its document is not JSON without repeated names")]
    NotJson,
    #[error("its document has no array of keys")]
    NoKeys,
    #[error("its document has more than {MOST_KEYS} keys")]
    TooMany,
    #[error("its document has no key that can be used")]
    NoneUsable,
}

/// Reads a document. One without any key that can be used is an error: it is more likely a mistake than a wish that
/// nobody be let in.
pub(super) fn read(text: &[u8]) -> Result<Document, DocumentError> {
    let document = parse_strict(text).map_err(|_| DocumentError::NotJson)?;
    let keys = document
        .get("keys")
        .and_then(Value::as_array)
        .ok_or(DocumentError::NoKeys)?;
    if keys.len() > MOST_KEYS {
        return Err(DocumentError::TooMany);
    }
    let mut read = Document::default();
    for (place, key) in keys.iter().enumerate() {
        match read_key(key) {
            Ok(key) if read.has_twin_of(&key) => read.ignored.push(Ignored {
                place,
                reason: "another key has its kid and its algorithm",
            }),
            Ok(key) => read.keys.push(key),
            Err(reason) => read.ignored.push(Ignored { place, reason }),
        }
    }
    if read.keys.is_empty() {
        return Err(DocumentError::NoneUsable);
    }
    Ok(read)
}

impl Document {
    fn has_twin_of(&self, key: &Key) -> bool {
        key.id.is_some()
            && self
                .keys
                .iter()
                .any(|other| other.id == key.id && other.algorithm == key.algorithm)
    }
}

fn read_key(key: &Value) -> Result<Key, &'static str> {
    let key = key.as_object().ok_or("it is no object")?;
    if text(key, "kty")? == Some("oct") {
        return Err("it is a shared secret, which must not be published");
    }
    if PRIVATE.iter().any(|name| key.contains_key(*name)) {
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
    if id.is_some_and(|id| id.len() > LONGEST_KEY_ID) {
        return Err("its kid is too long");
    }
    Ok(Key {
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
    let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
    if !is_odd || exponent == [1] || exponent.len() > 4 {
        return Err("its exponent is not one that keys have");
    }
    Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

fn p256(key: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    let (x, y) = (bytes(key, "x")?, bytes(key, "y")?);
    if x.len() != COORDINATE || y.len() != COORDINATE {
        return Err("its point has another length");
    }
    // SEC 1, 2.3.3: an uncompressed point.
    let point: Vec<u8> = [4].into_iter().chain(x).chain(y).collect();
    Ok(DecodingKey::from_ec_der(&point))
}

fn ed25519(key: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    let x = bytes(key, "x")?;
    if x.len() != COORDINATE {
        return Err("its point has another length");
    }
    Ok(DecodingKey::from_ed_der(&x))
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
