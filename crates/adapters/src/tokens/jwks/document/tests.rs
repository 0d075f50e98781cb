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

/// Parses a document with this key and a valid one. Returns why this key is ignored, if it is.
fn ignored(key: &Value) -> Option<&'static str> {
    let text = json!({"keys": [with(ed25519_key(), "kid", json!("good")), key]}).to_string();
    let document = read(text.as_bytes()).unwrap();
    assert_eq!(document.keys.len() + document.ignored.len(), 2);
    let ignored = document.ignored.first();
    assert!(ignored.is_none_or(|ignored| ignored.place == 1));
    ignored.map(|ignored| ignored.reason)
}

#[test]
fn each_key_type_has_one_algorithm() {
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
fn the_members_use_key_ops_and_alg_may_be_absent() {
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
fn a_key_for_another_purpose_is_ignored() {
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
        ("x", json!("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D5")),
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
fn secrets_and_private_keys_are_ignored_with_distinct_reasons() {
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
fn an_rsa_modulus_or_exponent_out_of_range_is_ignored() {
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
        ("AAEAAQ", true),
        ("AQAD", true),
        ("AQAAAQ", true),
        ("Aw", false),
        ("EQ", false),
        ("__8", false),
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
fn an_even_modulus_is_ignored() {
    let even: Vec<u8> = [0xff; 255].into_iter().chain([0xfe]).collect();
    let even = with(rsa_key(2048), "n", json!(URL_SAFE_NO_PAD.encode(even)));
    assert_eq!(ignored(&even), Some("its modulus is even"));
}

/// The points of small order and their other encodings, as libsodium and "Taming the many `EdDSAs`" list them.
const SMALL_ORDER: [&str; 14] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

fn bytes_of(hex: &str) -> Vec<u8> {
    let byte = |place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn an_ed25519_key_of_small_order_is_ignored() {
    for (place, point) in SMALL_ORDER.into_iter().enumerate() {
        let x = URL_SAFE_NO_PAD.encode(bytes_of(point));
        let reason = ignored(&with(ed25519_key(), "x", json!(x))).unwrap();
        let expected = if place < 10 {
            "small order"
        } else {
            "not encoded canonically"
        };
        assert!(reason.contains(expected), "{point}: {reason}");
    }
    // The base point, and the keys of RFC 8032, section 7.1.
    for point in [
        "5866666666666666666666666666666666666666666666666666666666666666",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    ] {
        let x = URL_SAFE_NO_PAD.encode(bytes_of(point));
        assert_eq!(
            ignored(&with(ed25519_key(), "x", json!(x))),
            None,
            "{point}"
        );
    }
}

/// Shows what the check prevents: with the identity as key, one signature is valid for every message.
#[test]
fn a_signature_by_a_small_order_key_fits_any_message() {
    let identity = DecodingKey::from_ed_der(&bytes_of(SMALL_ORDER[2]));
    let signature = [bytes_of(SMALL_ORDER[2]), vec![0; 32]].concat();
    let signature = URL_SAFE_NO_PAD.encode(signature);
    for message in ["one", "another"] {
        let believed = jsonwebtoken::crypto::verify(
            &signature,
            message.as_bytes(),
            &identity,
            Algorithm::EdDSA,
        );
        assert_eq!(believed.ok(), Some(true), "{message}");
    }
}

#[test]
fn a_point_outside_p256_is_ignored() {
    let swapped = with(p256_key(), "x", p256_key()["y"].clone());
    let zero = URL_SAFE_NO_PAD.encode([0; 32]);
    let origin = with(with(p256_key(), "x", json!(zero)), "y", json!(zero));
    for key in [swapped, origin] {
        assert_eq!(ignored(&key), Some("its point is not on the curve"));
    }
}

#[test]
fn a_second_key_with_the_same_kid_and_algorithm_is_ignored() {
    let document = json!({"keys": [
        p256_key(), p256_key(), with(ed25519_key(), "kid", json!("1")), ed25519_key(), ed25519_key(),
    ]});
    let document = read(document.to_string().as_bytes()).unwrap();
    let places: Vec<usize> = document.ignored.iter().map(|key| key.place).collect();
    assert_eq!((document.keys.len(), places), (4, vec![1]));
}

#[test]
fn an_invalid_document_is_an_error() {
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
