use serde_json::json;

use super::*;

/// The key of RFC 7517, appendix A.1, at P-256.
fn p256_key() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": "1",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    })
}

/// The key of RFC 8037, appendix A.2.
fn ed25519_key() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn rsa_key(bits: usize) -> Value {
    let mut modulus = vec![0xff; bits / 8];
    if !bits.is_multiple_of(8) {
        modulus.insert(0, (1 << (bits % 8)) - 1);
    }
    json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB"})
}

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

/// Reads a document of a key beside one that is good, and tells why it is ignored, if it is.
fn ignored(key: &Value) -> Option<&'static str> {
    let text = json!({"keys": [with(ed25519_key(), "kid", json!("good")), key]}).to_string();
    let document = read(text.as_bytes()).unwrap();
    assert_eq!(document.keys.len() + document.ignored.len(), 2);
    let ignored = document.ignored.first();
    assert!(ignored.is_none_or(|ignored| ignored.place == 1));
    ignored.map(|ignored| ignored.reason)
}

#[test]
fn each_kind_of_key_is_for_one_algorithm() {
    let keys = json!({"keys": [rsa_key(2048), p256_key(), ed25519_key()], "more": 1});
    let document = read(keys.to_string().as_bytes()).unwrap();
    let algorithms: Vec<Algorithm> = document.keys.iter().map(|key| key.algorithm).collect();
    assert_eq!(
        algorithms,
        [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
    );
    let ids: Vec<Option<&str>> = document.keys.iter().map(|key| key.id.as_deref()).collect();
    assert_eq!(ids, [None, Some("1"), None]);
}

#[test]
fn members_that_say_what_a_key_is_for_may_be_absent_or_right() {
    for (name, value) in [
        ("use", json!("sig")),
        ("alg", json!("ES256")),
        ("key_ops", json!(["verify"])),
        ("key_ops", json!(["sign", "verify"])),
        ("x5t", json!("whatever")),
        ("kid", json!("x".repeat(256))),
    ] {
        assert_eq!(
            ignored(&with(p256_key(), name, value.clone())),
            None,
            "{name} {value}"
        );
    }
}

#[test]
fn a_key_that_is_for_something_else_is_ignored() {
    for (name, value) in [
        ("use", json!("enc")),
        ("use", json!("")),
        ("use", json!(["sig"])),
        ("use", json!(null)),
        ("alg", json!("ES384")),
        ("alg", json!("RS256")),
        ("alg", json!("HS256")),
        ("alg", json!("none")),
        ("alg", json!(256)),
        ("key_ops", json!([])),
        ("key_ops", json!(["encrypt"])),
        ("key_ops", json!("verify")),
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("kty", json!("OKP")),
        ("kty", json!("oct")),
        ("kty", json!("ec")),
        ("kty", json!(null)),
        ("kid", json!(1)),
        ("kid", json!("x".repeat(257))),
        ("x", json!("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4=")),
        ("x", json!("AA")),
        ("y", json!(1)),
    ] {
        let key = with(p256_key(), name, value.clone());
        assert!(ignored(&key).is_some(), "{name} {value}");
    }
    let kinds = [json!({"kty": "RSA"}), json!({}), json!(null), json!("key")];
    for key in kinds {
        assert!(ignored(&key).is_some(), "{key}");
    }
}

#[test]
fn secrets_and_private_keys_are_ignored_and_told_apart() {
    let secret = json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"});
    assert!(ignored(&secret).unwrap().contains("shared secret"));
    for (key, member) in [
        (p256_key(), "d"),
        (rsa_key(2048), "p"),
        (ed25519_key(), "d"),
    ] {
        let key = with(key, member, json!("AA"));
        assert!(ignored(&key).unwrap().contains("private"), "{member}");
    }
}

#[test]
fn a_modulus_has_2048_to_8192_bits_and_an_exponent_is_odd_and_above_one() {
    for (bits, is_good) in [
        (1024, false),
        (2047, false),
        (2048, true),
        (3072, true),
        (8192, true),
        (8193, false),
    ] {
        assert_eq!(ignored(&rsa_key(bits)).is_none(), is_good, "{bits}");
    }
    let padded: Vec<u8> = [0, 0].into_iter().chain([0xff; 255]).collect();
    let padded = with(rsa_key(2048), "n", json!(URL_SAFE_NO_PAD.encode(padded)));
    assert!(ignored(&padded).is_some(), "2040 bits behind zeros");
    for (exponent, is_good) in [
        ("AQAB", true),
        ("Aw", true),
        ("AAEAAQ", true),
        ("AQ", false),
        ("AA", false),
        ("", false),
        ("Ag", false),
        ("AQAAAAE", false),
    ] {
        let key = with(rsa_key(2048), "e", json!(exponent));
        assert_eq!(ignored(&key).is_none(), is_good, "{exponent:?}");
    }
}

#[test]
fn of_two_keys_with_one_name_for_one_algorithm_the_first_counts() {
    let document = json!({"keys": [
        p256_key(), p256_key(), with(ed25519_key(), "kid", json!("1")), ed25519_key(), ed25519_key(),
    ]});
    let document = read(document.to_string().as_bytes()).unwrap();
    let places: Vec<usize> = document.ignored.iter().map(|key| key.place).collect();
    assert_eq!((document.keys.len(), places), (4, vec![1]));
}

#[test]
fn what_is_no_document_of_keys_is_an_error() {
    let of = |keys: Vec<Value>| json!({"keys": keys}).to_string();
    for (text, error) in [
        (String::new(), DocumentError::NotJson),
        ("{".to_owned(), DocumentError::NotJson),
        (
            format!(r#"{{"keys":[],"keys":[{}]}}"#, p256_key()),
            DocumentError::NotJson,
        ),
        ("[]".to_owned(), DocumentError::NoKeys),
        ("{}".to_owned(), DocumentError::NoKeys),
        (r#"{"keys":{}}"#.to_owned(), DocumentError::NoKeys),
        (of(vec![]), DocumentError::NoneUsable),
        (
            of(vec![json!({"kty": "oct", "k": "AA"})]),
            DocumentError::NoneUsable,
        ),
        (of(vec![ed25519_key(); 65]), DocumentError::TooMany),
    ] {
        assert_eq!(read(text.as_bytes()).err(), Some(error), "{text:.80}");
    }
    assert!(read(of(vec![ed25519_key(); 64]).as_bytes()).is_ok());
}
