//! Which tokens are access tokens, and why the others are rejected.

use super::*;

/// Tokens as real issuers create them: the header's `typ`, the claims, and whether it is an access token.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn tokens_of_issuers() -> Vec<(&'static str, Value, Value, bool)> {
    let jwt = json!("JWT");
    vec![
        (
            "Django SimpleJWT, access",
            jwt.clone(),
            json!({"token_type": "access", "iat": NOW - 10, "jti": "5f6c", "user_id": 7}),
            true,
        ),
        (
            "Django SimpleJWT, refresh",
            jwt.clone(),
            json!({"token_type": "refresh", "iat": NOW - 10, "jti": "5f6c", "user_id": 7}),
            false,
        ),
        (
            "Django SimpleJWT, sliding",
            jwt.clone(),
            json!({"token_type": "sliding", "iat": NOW - 10, "refresh_exp": NOW + 900}),
            false,
        ),
        (
            "Flask-JWT-Extended, access",
            jwt.clone(),
            json!({"fresh": false, "type": "access", "nbf": NOW - 10, "iat": NOW - 10, "csrf": "c0"}),
            true,
        ),
        (
            "Flask-JWT-Extended, refresh",
            jwt.clone(),
            json!({"fresh": false, "type": "refresh", "nbf": NOW - 10, "iat": NOW - 10}),
            false,
        ),
        (
            "Keycloak, access",
            jwt.clone(),
            json!({"typ": "Bearer", "azp": "web", "sid": "a1", "nonce": "n", "scope": "openid",
                   "realm_access": {"roles": ["user"]}, "iat": NOW - 10}),
            true,
        ),
        (
            "Keycloak, refresh",
            jwt.clone(),
            json!({"typ": "Refresh", "azp": "web", "sid": "a1", "iat": NOW - 10}),
            false,
        ),
        (
            "Keycloak, offline",
            jwt.clone(),
            json!({"typ": "Offline", "azp": "web", "iat": NOW - 10}),
            false,
        ),
        (
            "Keycloak, id",
            jwt.clone(),
            json!({"typ": "ID", "azp": "web", "at_hash": "h", "nonce": "n", "iat": NOW - 10}),
            false,
        ),
        (
            "Keycloak, logout",
            jwt.clone(),
            json!({"typ": "Logout", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
            false,
        ),
        (
            "Cognito, access",
            Value::Null,
            json!({"token_use": "access", "client_id": "c", "scope": "openid", "event_id": "e", "iat": NOW - 10}),
            true,
        ),
        (
            "Cognito, id",
            Value::Null,
            json!({"token_use": "id", "aud": "c", "cognito:username": "u", "at_hash": "h", "iat": NOW - 10}),
            false,
        ),
        (
            "Auth0, access",
            jwt.clone(),
            json!({"iss": "https://t.auth0.com/", "aud": ["users"], "azp": "c", "scope": "openid", "iat": NOW - 10}),
            true,
        ),
        (
            "Auth0, access by RFC 9068",
            json!("at+jwt"),
            json!({"iss": "https://t.auth0.com/", "aud": ["users"], "client_id": "c", "jti": "j", "iat": NOW - 10}),
            true,
        ),
        (
            "OpenID Connect, id",
            jwt.clone(),
            json!({"iss": "https://op.example.org", "aud": "c", "nonce": "n", "at_hash": "h", "iat": NOW - 10}),
            false,
        ),
        (
            "OpenID Connect, logout",
            json!("logout+jwt"),
            json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "jti": "j"}),
            false,
        ),
        (
            "OpenID Connect, logout without a type",
            jwt.clone(),
            json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "jti": "j"}),
            false,
        ),
        (
            "a security event (RFC 8417)",
            json!("secevent+jwt"),
            json!({"events": {"urn:example": {}}}),
            false,
        ),
        (
            "DPoP (RFC 9449), proof",
            json!("dpop+jwt"),
            json!({"jti": "j"}),
            false,
        ),
    ]
}

fn signed(header_type: &Value, more: &Value) -> String {
    let mut header = json!({"alg": "HS256"});
    if !header_type.is_null() {
        header["typ"] = header_type.clone();
    }
    sign_text(&header.to_string(), &claims(more).to_string())
}

#[track_caller]
fn assert_rejected(token: &str, expected: Rejection) {
    let checked = check(token, options());
    assert_eq!(checked, Err(expected.into()), "{token}");
}

#[test]
fn only_the_access_tokens_of_known_issuers_are_accepted() {
    for (name, header_type, more, is_access) in tokens_of_issuers() {
        let checked = check(&signed(&header_type, &more), options());
        let expected = is_access
            .then_some(())
            .ok_or(Rejection::NotAccessToken.into());
        assert_eq!(checked.map(drop), expected, "{name}");
    }
}

#[test]
fn every_claim_for_the_kind_must_mean_an_access_token() {
    for name in ["type", "token_use", "typ", "token_type"] {
        for kind in ["access", "Access", "BEARER", "bearer", "access_token"] {
            let token = signed(&json!("JWT"), &json!({name: kind}));
            assert!(check(&token, options()).is_ok(), "{name} {kind}");
        }
        for kind in [
            json!("refresh"),
            json!("ID"),
            json!(""),
            json!(" access"),
            json!("accesses"),
            json!(null),
            json!(1),
            json!(true),
            json!(["access"]),
            json!({"access": true}),
        ] {
            assert_rejected(
                &signed(&json!("JWT"), &json!({name: kind})),
                Rejection::NotAccessToken,
            );
        }
    }
    let both = signed(&json!("JWT"), &json!({"type": "access", "typ": "Refresh"}));
    assert_rejected(&both, Rejection::NotAccessToken);
    for (name, value) in [("nonce", json!("n")), ("at_hash", json!("h"))] {
        let token = signed(&json!("JWT"), &json!({name: value}));
        assert!(
            check(&token, options()).is_ok(),
            "{name} alone marks no id token"
        );
    }
}

#[test]
fn the_header_type_must_be_that_of_an_access_token() {
    for header_type in [
        "JWT",
        "jwt",
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "application/JWT",
    ] {
        let token = signed(&json!(header_type), &json!({}));
        assert!(check(&token, options()).is_ok(), "{header_type}");
    }
    for header_type in [
        json!("id+jwt"),
        json!("refresh+jwt"),
        json!("JWE"),
        json!("JOSE"),
        json!(""),
        json!("application/"),
        json!("text/jwt"),
        json!(1),
        json!(["JWT"]),
    ] {
        assert_rejected(&signed(&header_type, &json!({})), Rejection::NotAccessToken);
    }
}

#[test]
fn kind_and_time_errors_do_not_depend_on_the_signature() {
    let said = [
        (json!({"exp": NOW}), Rejection::Expired),
        (json!({"nbf": NOW + 1}), Rejection::NotYetValid),
        (json!({"iat": NOW + 1}), Rejection::NotYetValid),
        (json!({"type": "refresh"}), Rejection::NotAccessToken),
        (
            json!({"token_type": "refresh", "exp": NOW - 60}),
            Rejection::NotAccessToken,
        ),
    ];
    for (more, expected) in said {
        let token = sign(&claims(&more));
        assert_rejected(&token, expected);
        let (message, _) = token.rsplit_once('.').unwrap();
        assert_rejected(&format!("{message}.forged"), expected);
    }
    assert_rejected(&sign(&json!({"sub": ID})), Rejection::NoExpiry);
    for text in [
        "",
        "x",
        "a.b",
        "a.b.c",
        "..",
        "eyJhbGciOiJIUzI1NiJ9..",
        "a.b.c.d.e",
    ] {
        assert_rejected(text, Rejection::NotJwt);
    }
    let good = sign(&claims(&json!({})));
    let (message, _) = good.rsplit_once('.').unwrap();
    assert_rejected(&format!("{message}.forged"), Rejection::WrongSignature);
    assert_rejected(
        &sign(&claims(&json!({"exp": "soon"}))),
        Rejection::WrongClaimType("exp"),
    );
    assert_rejected(
        &sign(&claims(&json!({"roles": "admin"}))),
        Rejection::WrongClaimType("roles"),
    );
    assert_rejected(
        &sign(&claims(&json!({"sub": "alice"}))),
        Rejection::InvalidSubject,
    );
}

#[test]
fn a_rejected_token_is_not_cached() {
    let clock = Arc::new(Moving(AtomicI64::new(NOW)));
    let verifier = JwtVerifier::new(options(), None, clock.clone());
    let check = |token: &str| verifier.check(token).now_or_never().unwrap();
    for (more, expected) in [
        (json!({"typ": "Refresh"}), Rejection::NotAccessToken),
        (json!({"iat": NOW + 30}), Rejection::NotYetValid),
        (json!({"sub": "alice"}), Rejection::InvalidSubject),
    ] {
        let token = sign(&claims(&more));
        for _ in 0..2 {
            assert_eq!(check(&token), Err(expected.into()), "{more}");
            assert_eq!(verifier.verify_cached(&token), None, "{more}");
        }
    }
    // A cached token that is not valid yet is accepted only from its start time.
    let early = sign(&claims(&json!({"iat": NOW + 30})));
    clock.0.store(NOW + 30, Ordering::Relaxed);
    assert!(check(&early).is_ok() && verifier.verify_cached(&early).is_some());
    clock.0.store(NOW, Ordering::Relaxed);
    assert_eq!(check(&early), Err(Rejection::NotYetValid.into()));
    assert_eq!(verifier.verify_cached(&early), None);
}
