use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use jsonwebtoken::{EncodingKey, Header, crypto, encode};
use serde_json::{Value, json};

use super::*;
use user_domain::ports::UserKey;
use user_domain::values::{ExternalId, Timestamp, UserId};

const SECRET: &str = "an-example-secret-of-more-than-32-bytes";
const ID: &str = "0199a5b2-0000-7000-8000-000000000001";
const NOW: i64 = 1_795_000_000;

struct At(i64);

struct Moving(AtomicI64);

impl Clock for Moving {
    fn now(&self) -> Timestamp {
        At(self.0.load(Ordering::Relaxed)).now()
    }
}

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_utc(DateTime::<Utc>::from_timestamp(self.0, 0).unwrap())
    }
}

fn options() -> JwtOptions {
    JwtOptions {
        secret: Some(SECRET.into()),
        previous_secret: None,
        subject: JwtSubject::Id,
        issuer: None,
        audience: None,
        leeway_seconds: 0,
    }
}

fn sign(claims: &Value) -> String {
    sign_text(
        &json!({"alg": "HS256", "typ": "JWT"}).to_string(),
        &claims.to_string(),
    )
}

fn sign_text(header: &str, claims: &str) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn check(token: &str, options: JwtOptions) -> Result<VerifiedToken, VerifyTokenError> {
    let verifier = JwtVerifier::new(options, None, Arc::new(At(NOW)));
    verifier.check(token).now_or_never().unwrap()
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({"sub": ID, "exp": NOW + 60});
    claims
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    claims
}

#[test]
fn a_token_of_flask_jwt_extended_is_accepted() {
    let token = sign(&json!({
        "fresh": false, "iat": NOW - 10, "jti": "b6d2…", "type": "access", "sub": ID, "nbf": NOW - 10,
        "csrf": "c0ffee", "exp": NOW + 900, "roles": ["admin", "editor"]
    }));
    let verified = check(&token, options()).unwrap();
    assert_eq!(verified.subject, UserKey::Id(UserId::parse(ID).unwrap()));
    assert!(verified.claims_admin);
    assert_eq!(verified.issued_at, Some(At(NOW - 10).now()));
}

#[test]
fn an_integer_subject_is_an_external_id_in_decimal() {
    let options = JwtOptions {
        subject: JwtSubject::ExternalId,
        ..options()
    };
    for (sub, id) in [
        (json!(42), "42"),
        (json!("42"), "42"),
        (json!("legacy:7"), "legacy:7"),
    ] {
        let verified = check(&sign(&claims(&json!({"sub": sub}))), options.clone()).unwrap();
        assert_eq!(
            verified.subject,
            UserKey::ExternalId(ExternalId::parse(id).unwrap())
        );
    }
    for sub in [
        json!(4.5),
        json!(1e3),
        json!(null),
        json!([42]),
        json!(""),
        json!("a b"),
    ] {
        assert!(
            check(&sign(&claims(&json!({"sub": sub}))), options.clone()).is_err(),
            "{sub}"
        );
    }
}

#[test]
fn a_claim_of_a_wrong_type_or_value_is_rejected() {
    let refused = [
        json!({"sub": 42}),
        json!({"sub": "x"}),
        json!({"sub": null}),
        json!({"exp": "1795000060"}),
        json!({"exp": null}),
        json!({"exp": NOW}),
        json!({"exp": NOW - 1}),
        json!({"exp": [NOW + 60]}),
        json!({"nbf": NOW + 1}),
        json!({"nbf": "0"}),
        json!({"iat": "0"}),
        json!({"iat": NOW + 1}),
        json!({"iss": 1}),
        json!({"iss": ["a"]}),
        json!({"aud": {"a": 1}}),
        json!({"aud": [1]}),
        json!({"roles": "admin"}),
        json!({"roles": {"admin": true}}),
        json!({"roles": [1]}),
        json!({"roles": null}),
        json!({"type": "refresh"}),
        json!({"type": 1}),
        json!({"token_use": "id"}),
    ];
    for more in refused {
        assert!(check(&sign(&claims(&more)), options()).is_err(), "{more}");
    }
}

#[test]
fn issuer_and_audience_are_required_only_if_configured() {
    let strict = JwtOptions {
        issuer: Some("auth".into()),
        audience: Some("users".into()),
        ..options()
    };
    for more in [
        json!({"iss": "auth", "aud": "users"}),
        json!({"iss": "auth", "aud": ["posts", "users"]}),
    ] {
        assert!(
            check(&sign(&claims(&more)), strict.clone()).is_ok(),
            "{more}"
        );
        assert!(check(&sign(&claims(&more)), options()).is_ok(), "{more}");
    }
    for more in [
        json!({}),
        json!({"iss": "auth"}),
        json!({"aud": "users"}),
        json!({"iss": "other", "aud": "users"}),
        json!({"iss": "auth", "aud": "posts"}),
        json!({"iss": "auth", "aud": []}),
        json!({"iss": "auth", "aud": "users2"}),
    ] {
        assert!(
            check(&sign(&claims(&more)), strict.clone()).is_err(),
            "{more}"
        );
    }
}

#[test]
fn leeway_extends_the_validity_period_at_both_ends() {
    let options = JwtOptions {
        leeway_seconds: 5,
        ..options()
    };
    for more in [
        json!({"exp": NOW - 4}),
        json!({"nbf": NOW + 5}),
        json!({"iat": NOW + 5}),
    ] {
        assert!(
            check(&sign(&claims(&more)), options.clone()).is_ok(),
            "{more}"
        );
    }
    for more in [
        json!({"exp": NOW - 5}),
        json!({"nbf": NOW + 6}),
        json!({"iat": NOW + 6}),
        json!({"nbf": NOW, "iat": NOW + 6}),
    ] {
        assert!(
            check(&sign(&claims(&more)), options.clone()).is_err(),
            "{more}"
        );
    }
}

#[test]
fn the_times_of_a_cached_token_are_checked_again() {
    let clock = Arc::new(Moving(AtomicI64::new(NOW)));
    let verifier = JwtVerifier::new(options(), None, clock.clone());
    let check = |token: &str| verifier.check(token).now_or_never().unwrap();
    let token = sign(&claims(&json!({"nbf": NOW - 5, "iat": NOW - 5})));
    let first = check(&token).unwrap();
    for (now, holds) in [(0, true), (59, true), (60, false), (-5, true), (-6, false)] {
        clock.0.store(NOW + now, Ordering::Relaxed);
        assert_eq!(check(&token).ok(), holds.then(|| first.clone()), "{now}");
    }
}

#[test]
fn a_token_similar_to_a_cached_one_is_verified() {
    let verifier = JwtVerifier::new(options(), None, Arc::new(At(NOW)));
    let check = |token: &str| verifier.check(token).now_or_never().unwrap();
    let token = sign(&claims(&json!({})));
    assert!(check(&token).is_ok());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let other = sign(&claims(&json!({"roles": ["admin"]})));
    let (others, _) = other.rsplit_once('.').unwrap();
    for forged in [
        format!("{others}.{signature}"),
        format!("{message}."),
        format!("{token} "),
    ] {
        assert!(check(&forged).is_err(), "{forged}");
    }
}

#[test]
fn a_signed_token_with_an_unsupported_header_is_rejected() {
    let body = claims(&json!({})).to_string();
    assert!(
        check(
            &sign_text(r#"{"alg":"HS256","kid":"anything"}"#, &body),
            options()
        )
        .is_ok()
    );
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":["HS256"]}"#,
        "{}",
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","jku":"https://example.org"}"#,
        r#"{"alg":"HS256","jwk":{}}"#,
        r#"{"alg":"HS256","x5u":"https://example.org"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"["HS256"]"#,
        "not json",
    ] {
        assert!(
            check(&sign_text(header, &body), options()).is_err(),
            "{header}"
        );
    }
}

#[test]
fn duplicate_claims_are_rejected() {
    let body = format!(r#"{{"sub":"{ID}","sub":"{ID}","exp":{}}}"#, NOW + 60);
    assert!(check(&sign_text(r#"{"alg":"HS256"}"#, &body), options()).is_err());
}

#[test]
fn a_forged_truncated_or_oversized_token_is_rejected() {
    let good = sign(&claims(&json!({})));
    assert!(check(&good, options()).is_ok());
    let other_key = EncodingKey::from_secret(b"another-secret-of-more-than-32-bytes-length");
    let forged = encode(&Header::default(), &claims(&json!({})), &other_key).unwrap();
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    let oversized = sign(&claims(&json!({"x": "a".repeat(16 * 1024)})));
    let padded = format!("{good}=");
    for token in [
        forged,
        unsigned,
        oversized,
        padded,
        String::new(),
        "a.b.c".into(),
        "..".into(),
        format!("{good}.x"),
    ] {
        assert!(check(&token, options()).is_err(), "{token:.80}");
    }
}

#[test]
fn only_the_current_and_the_previous_secret_are_accepted() {
    let next = JwtOptions {
        secret: Some("the-next-secret-of-more-than-32-bytes-length".into()),
        ..options()
    };
    let both = JwtOptions {
        previous_secret: Some(SECRET.into()),
        ..next.clone()
    };
    let good = sign(&claims(&json!({})));
    assert!(check(&good, both).is_ok());
    assert!(check(&good, next).is_err());
    let none = JwtOptions {
        secret: None,
        ..options()
    };
    assert!(check(&good, none).is_err());
}

#[test]
fn a_kid_that_is_long_or_no_string_is_rejected() {
    let body = claims(&json!({})).to_string();
    for (kid, is_good) in [
        (json!("x"), true),
        (json!("x".repeat(256)), true),
        (json!("x".repeat(257)), false),
        (json!(1), false),
        (json!(null), false),
    ] {
        let header = json!({"alg": "HS256", "kid": kid}).to_string();
        let checked = check(&sign_text(&header, &body), options());
        assert_eq!(checked.is_ok(), is_good, "{header:.80}");
    }
}

mod kinds;
