//! Ids, names, secrets and digests of service tokens.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::macros::{parsed_text, stored_text, text_value};
use crate::Violation;

/// The identifier of a service token: a UUID of version 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceTokenId(Uuid);

/// The name of a token's service: 1 to 64 characters of `a-z 0-9 : _ . -`.
///
/// Several tokens may have the same name, so that a service can rotate its token without downtime.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenName(Box<str>);

/// The secret of a token: 43 letters and digits that encode 256 random bits.
#[derive(Clone, Debug)]
pub struct TokenSecret(SecretString);

/// The SHA-256 digest of a secret, as the store keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl ServiceTokenId {
    /// Creates an id from a UUID of any version.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// Parses the hyphenated form of 36 characters, in any case. Violation: `format`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        super::UserId::parse(text).map(|id| Self(id.as_uuid()))
    }
}

impl fmt::Display for ServiceTokenId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(formatter)
    }
}

parsed_text!(ServiceTokenId);

impl TokenName {
    /// The maximum length in characters.
    pub const MAX_CHARS: usize = 64;

    /// The prefix of the names of static tokens, which the settings define.
    const STATIC_TOKEN_PREFIX: &str = "token-";

    /// Parses a name, untrimmed. Violations: `blank`, `too_long`, `forbidden_character`, and `reserved` for the prefix
    /// `token-` of static tokens.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Err(Violation::new("blank", "Must not be empty."));
        }
        let is_allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b":_.-".contains(&byte)
        };
        if !text.bytes().all(is_allowed) {
            return Err(Violation::new(
                "forbidden_character",
                "Must have only a-z, 0-9, colon, underscore, full stop and hyphen.",
            ));
        }
        if text.len() > Self::MAX_CHARS {
            return Err(Violation::new(
                "too_long",
                "Must have at most 64 characters.",
            ));
        }
        if text.starts_with(Self::STATIC_TOKEN_PREFIX) {
            return Err(Violation::new(
                "reserved",
                "Must not begin with token-, which is reserved for tokens in the settings.",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_value!(TokenName);
stored_text!(TokenName);

impl TokenSecret {
    /// The number of characters that 256 bits need.
    const CHARS: usize = 43;
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    /// The prefix of every token, by which secret scanners recognise it.
    const PREFIX: &str = "ust_";
    const ID_CHARS: usize = 32;

    /// Encodes random bytes as letters and digits. Different bytes yield different texts.
    pub fn from_random(mut bytes: [u8; 32]) -> Self {
        let mut text = String::with_capacity(Self::CHARS);
        for _ in 0..Self::CHARS {
            let digit = bytes.iter_mut().fold(0_usize, |rest, byte| {
                let value = rest * 256 + usize::from(*byte);
                *byte = u8::try_from(value / Self::ALPHABET.len()).unwrap_or_default();
                value % Self::ALPHABET.len()
            });
            let letter = Self::ALPHABET.get(digit).copied().unwrap_or_default();
            text.push(char::from(letter));
        }
        Self(text.into())
    }

    /// The secret text.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Formats the token as a service sends it: `ust_<id>_<secret>`.
    pub fn format_token(&self, id: ServiceTokenId) -> SecretString {
        format!("{}{}_{}", Self::PREFIX, id.0.as_simple(), self.expose()).into()
    }

    /// Parses id and secret of a token. `None` if the text does not have exactly the form of a token.
    pub fn parse_token(token: &str) -> Option<(ServiceTokenId, Self)> {
        let (id, secret) = token.strip_prefix(Self::PREFIX)?.split_once('_')?;
        let is_id = id.len() == Self::ID_CHARS
            && id
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let is_secret =
            secret.len() == Self::CHARS && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_id || !is_secret {
            return None;
        }
        let id = Uuid::try_parse(id).ok()?;
        Some((ServiceTokenId(id), Self(secret.into())))
    }
}

impl TokenDigest {
    /// Creates a digest from its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_valid_name_is_kept_unchanged() {
        let longest = "a".repeat(64);
        for name in [
            "p",
            "posts",
            "auth:v2",
            "a_b.c-d:0",
            "tokens",
            longest.as_str(),
        ] {
            assert_eq!(TokenName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn an_invalid_name_is_rejected_by_its_rule() {
        let longer = "a".repeat(65);
        for (name, code) in [
            ("", "blank"),
            (longer.as_str(), "too_long"),
            ("Posts", "forbidden_character"),
            (" posts", "forbidden_character"),
            ("pösts", "forbidden_character"),
            ("a/b", "forbidden_character"),
            ("token-12345678", "reserved"),
        ] {
            assert_eq!(TokenName::parse(name).unwrap_err().code(), code, "{name}");
        }
    }

    #[test]
    fn a_token_has_the_format_that_scanners_recognise() {
        let id = ServiceTokenId::parse("0199B8F2-7c1e-7000-8000-00000000000a").unwrap();
        let token = TokenSecret::from_random([0; 32]).format_token(id);
        assert_eq!(
            token.expose_secret(),
            format!("ust_0199b8f27c1e7000800000000000000a_{}", "0".repeat(43))
        );
    }

    #[test]
    fn the_greatest_random_values_fit_and_differ() {
        let mut last_differs = [255; 32];
        last_differs[31] = 254;
        let mut first_differs = [255; 32];
        first_differs[0] = 254;
        let texts: HashSet<String> = [[255; 32], last_differs, first_differs]
            .map(|bytes| TokenSecret::from_random(bytes).expose().to_owned())
            .into();
        assert_eq!(texts.len(), 3);
        assert!(texts.iter().all(|text| text.len() == 43));
    }

    #[test]
    fn a_text_in_any_other_form_is_not_a_token() {
        let id = "0199b8f27c1e7000800000000000000a";
        let secret = "a".repeat(43);
        for text in [
            String::new(),
            "ust_".to_owned(),
            format!("ust_{id}"),
            format!("ust_{id}_"),
            format!("UST_{id}_{secret}"),
            format!("ust_{}_{secret}", id.to_uppercase()),
            format!("ust_{id}_{secret}a"),
            format!("ust_{id}_{}", "a".repeat(42)),
            format!("ust_{id}_{}-", "a".repeat(42)),
            format!("ust_{id}__{}", "a".repeat(42)),
            format!("ust_{id}_{}é", "a".repeat(41)),
            format!(" ust_{id}_{secret}"),
            format!("ust_0199b8f2-7c1e-7000-8000-00000000000a_{secret}"),
        ] {
            assert!(TokenSecret::parse_token(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn debug_hides_secret_and_digest() {
        let secret = TokenSecret::from_random([7; 32]);
        assert!(!format!("{secret:?}").contains(secret.expose()));
        assert_eq!(
            format!("{:?}", TokenDigest::from_bytes([7; 32])),
            "TokenDigest(…)"
        );
    }

    proptest! {
        #[test]
        fn a_formatted_token_parses_to_its_parts(number in any::<u128>(), bytes in any::<[u8; 32]>()) {
            let id = ServiceTokenId::from_uuid(Uuid::from_u128(number));
            let secret = TokenSecret::from_random(bytes);
            let token = secret.format_token(id);
            let (parsed_id, parsed_secret) = TokenSecret::parse_token(token.expose_secret()).unwrap();
            prop_assert_eq!(parsed_id, id);
            prop_assert_eq!(parsed_secret.expose(), secret.expose());
        }

        #[test]
        fn no_text_makes_parse_panic(text in any::<String>()) {
            let _ = TokenSecret::parse_token(&text);
            let _ = TokenSecret::parse_token(&format!("ust_{text}"));
        }
    }
}
