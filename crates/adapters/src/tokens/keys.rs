//! The published keys, and the choice of those that may verify a token.

use jsonwebtoken::{Algorithm, DecodingKey};

use super::token::Token;

/// A published key and the only algorithm that it may be used with.
#[derive(Clone)]
pub(super) struct PublicKey {
    /// Its `kid`, if it has one.
    pub(super) id: Option<String>,
    /// The `alg` of tokens signed with it.
    pub(super) algorithm: Algorithm,
    /// The public key.
    pub(super) public: DecodingKey,
}

/// A snapshot of the published keys.
#[derive(Clone, Default)]
pub(super) struct KeySet(pub(super) Vec<PublicKey>);

/// The result of verifying a signature with the published keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyVerdict {
    /// A key for the token's algorithm has signed it.
    Valid,
    /// The named key has not signed the token, or is for another algorithm.
    Invalid,
    /// No known key applies; a key published since may.
    Unknown,
}

/// The maximum number of keys tried for a token without `kid`, because each costs a signature verification. An issuer
/// with more keys for one algorithm can set `kid`.
const MAX_TRIED_KEYS: usize = 16;

impl KeySet {
    /// Verifies a token with the key that it names. Without a name, tries the first [`MAX_TRIED_KEYS`] keys of its
    /// algorithm, those without `kid` first.
    pub(super) fn check(&self, token: &Token<'_>) -> KeyVerdict {
        let of_its_algorithm = |key: &&PublicKey| key.algorithm == token.algorithm();
        let signed = |key: &PublicKey| token.is_signed_by(&key.public);
        let Some(id) = token.key_id() else {
            let (named, unnamed): (Vec<&PublicKey>, Vec<&PublicKey>) = self
                .0
                .iter()
                .filter(of_its_algorithm)
                .partition(|key| key.id.is_some());
            let mut tried = unnamed.into_iter().chain(named).take(MAX_TRIED_KEYS);
            return if tried.any(signed) {
                KeyVerdict::Valid
            } else {
                KeyVerdict::Unknown
            };
        };
        if !self.has(id) {
            return KeyVerdict::Unknown;
        }
        let mut named = self.named(id).filter(of_its_algorithm);
        if named.any(signed) {
            KeyVerdict::Valid
        } else {
            KeyVerdict::Invalid
        }
    }

    /// Whether a key has this `kid`.
    pub(super) fn has(&self, id: &str) -> bool {
        self.named(id).next().is_some()
    }

    fn named(&self, id: &str) -> impl Iterator<Item = &PublicKey> {
        self.0
            .iter()
            .filter(move |key| key.id.as_deref() == Some(id))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// Returns an Ed25519 key, and a token without `kid` that it has signed.
    fn pair(number: u8, id: Option<&str>) -> (PublicKey, String) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap();
        let [header, payload] =
            [r#"{"alg":"EdDSA"}"#, "{}"].map(|part| URL_SAFE_NO_PAD.encode(part));
        let message = format!("{header}.{payload}");
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()));
        let key = PublicKey {
            id: id.map(str::to_owned),
            algorithm: Algorithm::EdDSA,
            public: DecodingKey::from_ed_der(pair.public_key().as_ref()),
        };
        (key, format!("{message}.{signature}"))
    }

    #[test]
    fn a_token_without_kid_is_tried_with_16_keys() {
        let named = |number: u8| pair(number, Some(&number.to_string()));
        let (unnamed, of_the_unnamed) = pair(99, None);
        let keys = (0..20).map(|number| named(number).0).chain([unnamed]);
        let keys = KeySet(keys.collect());
        let verdict = |token: &str| keys.check(&Token::read(token).unwrap());
        assert_eq!(verdict(&of_the_unnamed), KeyVerdict::Valid);
        assert_eq!(verdict(&named(0).1), KeyVerdict::Valid);
        assert_eq!(verdict(&named(14).1), KeyVerdict::Valid);
        assert_eq!(verdict(&named(15).1), KeyVerdict::Unknown);
        assert_eq!(verdict(&named(19).1), KeyVerdict::Unknown);
    }
}
