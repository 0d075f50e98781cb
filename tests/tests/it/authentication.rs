//! Which credentials authenticate a caller.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use user_tests::{API_TOKEN, JWT_SECRET, Reply, Store, TestApp, claims, sign, sign_as};

use crate::common::{assert_problem, assert_view, id, path};

const ME: &str = "/v1/users/me";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Valid claims with one claim changed. Null removes the claim.
fn with(sub: &str, name: &str, value: Value) -> Value {
    let mut claims = claims(sub);
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

fn now() -> i64 {
    claims("")["iat"].as_i64().unwrap() + 1
}

#[track_caller]
fn assert_unauthenticated(reply: &Reply, code: &str) {
    assert_problem(reply, 401, code);
    let challenge = if code == "missing_credentials" {
        r#"Bearer realm="user-service""#.to_owned()
    } else {
        let detail = reply.json["detail"].as_str().unwrap();
        let description = DESCRIPTIONS
            .iter()
            .find(|description| detail == format!("{description}."));
        let described =
            description.map(|description| format!(r#", error_description="{description}""#));
        format!(
            r#"Bearer realm="user-service", error="invalid_token"{}"#,
            described.unwrap_or_default()
        )
    };
    assert_eq!(reply.header("www-authenticate"), challenge);
    assert_eq!(reply.json.get("errors"), None);
}

/// The error descriptions that may reach a client. Each reports only what the token itself reveals.
const DESCRIPTIONS: [&str; 5] = [
    "The token is not a signed JSON Web Token",
    "The token is not an access token",
    "The token has no expiry time",
    "The token has expired",
    "The token is not valid yet",
];

/// Asserts that each of these `Authorization` values is rejected as invalid, with one of the permitted descriptions.
async fn assert_rejected(app: &TestApp, values: &[(String, String)]) {
    for (name, value) in values {
        let refused = app.authorized(value).get(ME).await;
        assert_eq!(
            (refused.status, refused.code()),
            (401, "invalid_token"),
            "{name}: {}",
            refused.text
        );
        assert_unauthenticated(&refused, "invalid_token");
        let detail = refused.json["detail"].as_str().unwrap();
        let is_described = DESCRIPTIONS
            .iter()
            .any(|description| detail == format!("{description}."));
        assert!(is_described || detail == PLAIN, "{name}: {detail}");
    }
}

/// The detail of every other invalid credential.
const PLAIN: &str = "The token was not accepted.";

/// Signs with HS512, which the service does not accept.
fn sign_hs512(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS512);
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

user_tests::on_each_store! {
    async fn only_a_valid_token_authenticates_a_user(app: &TestApp) {
        let user = app.register("alice").await;
        let sub = id(&user);
        let good = claims(sub);
        let signed = |header: &str, claims: &Value| sign_as(header, &claims.to_string(), JWT_SECRET.as_bytes());
        let unsigned = |header: &str| format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(good.to_string()));
        let token = sign(&good);
        let [head, body, signature] = <[&str; 3]>::try_from(token.split('.').collect::<Vec<_>>()).unwrap();
        let mut bad: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, token: String| bad.push((name.to_owned(), format!("Bearer {token}")));

        for alg in ["none", "None", "NONE", "nOnE", ""] {
            add(alg, unsigned(&json!({"alg": alg, "typ": "JWT"}).to_string()));
            add(alg, signed(&json!({"alg": alg, "typ": "JWT"}).to_string(), &good));
        }
        for alg in ["hs256", "HS384", "HS512", "RS256", "ES256", "EdDSA", "HS256 "] {
            add(alg, signed(&json!({"alg": alg}).to_string(), &good));
        }
        add("HS512", sign_hs512(&good));
        for header in [r#"{"typ":"JWT"}"#, r#"{"alg":256}"#, r#"{"alg":null}"#, r#"{"alg":["HS256"]}"#, "{}", "[]", "\"HS256\"", "", "nonsense"] {
            add(header, signed(header, &good));
        }
        for name in ["crit", "jku", "jwk", "x5u"] {
            let value = match name {
                "crit" => json!(["exp"]),
                "jwk" => json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(JWT_SECRET)}),
                _ => json!("https://example.org/keys"),
            };
            add(name, signed(&json!({"alg": "HS256", name: value}).to_string(), &good));
        }
        add("a header with alg twice", signed(r#"{"alg":"none","alg":"HS256"}"#, &good));

        add("another secret", sign_as(HEADER, &good.to_string(), b"another-secret-of-more-than-32-bytes-in-all"));
        add("no secret", sign_as(HEADER, &good.to_string(), b""));
        add("the service's token as secret", sign_as(HEADER, &good.to_string(), API_TOKEN.as_bytes()));
        add("no signature", format!("{head}.{body}"));
        add("an empty signature", format!("{head}.{body}."));
        add("a truncated signature", token[..token.len() - 2].to_owned());
        add("a padded signature", format!("{token}="));
        add("another signature", format!("{head}.{body}.{}", "A".repeat(signature.len())));
        add("a fourth part", format!("{token}.{signature}"));
        add("an altered payload", format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(with(sub, "roles", json!(["admin"])).to_string())));
        add("a padded payload", format!("{head}.{body}=.{signature}"));
        add("a space inside", format!("{head}. {body}.{signature}"));
        for token in ["", ".", "..", "...", "x", "a.b.c", "%", "ey", "null", "undefined", "[object Object]"] {
            add("no token", token.to_owned());
        }
        add("two tokens", format!("{token} {token}"));
        add("a huge token", signed(HEADER, &with(sub, "padding", json!("x".repeat(11_000)))) + &"A".repeat(700));
        add("a huge word", "A".repeat(15_000));

        for (name, value) in [
            ("exp", Value::Null), ("exp", json!(now() - 1)), ("exp", json!(now() - 86_400)), ("exp", json!(0)), ("exp", json!(-1)),
            ("exp", json!((now() + 60).to_string())), ("exp", json!(true)), ("exp", json!([now() + 60])),
            ("nbf", json!(now() + 60)), ("nbf", json!((now() - 60).to_string())), ("nbf", json!(false)),
            ("iat", json!("yesterday")),
            ("sub", Value::Null), ("sub", json!("")), ("sub", json!(17)), ("sub", json!("17")), ("sub", json!([sub])), ("sub", json!({"id": sub})),
            ("sub", json!("alice")), ("sub", json!("alice@example.org")), ("sub", json!(format!(" {sub}"))),
            ("sub", json!("0199b8f2-7c1e-7000-8000-000000000000")),
            ("type", json!("refresh")), ("type", json!("")), ("typ", json!("Refresh")), ("token_type", json!("refresh")), ("iat", json!(now() + 60)), ("type", json!(1)), ("token_use", json!("id")), ("token_use", json!(["access"])),
            ("roles", json!("admin")), ("roles", json!({"admin": true})), ("roles", json!([1])), ("roles", json!(["admin", null])),
            ("aud", json!(1)), ("aud", json!([1])), ("iss", json!(["x"])),
        ] {
            add(&format!("{name} {value}"), sign(&with(sub, name, value)));
        }
        add("exp null", signed(HEADER, &json!({"sub": sub, "exp": null})));
        for (name, payload) in [
            ("sub twice", format!(r#"{{"sub":"{sub}","sub":"{sub}","exp":{}}}"#, now() + 60)),
            ("sub twice, once escaped", format!(r#"{{"sub":"{sub}","su\u0062":"x","exp":{}}}"#, now() + 60)),
            ("exp twice", format!(r#"{{"sub":"{sub}","exp":1,"exp":{}}}"#, now() + 60)),
            ("exp too great for a number", format!(r#"{{"sub":"{sub}","exp":1e999}}"#)),
            ("exp not a number", format!(r#"{{"sub":"{sub}","exp":NaN}}"#)),
            ("an array", format!("[{good}]")),
            ("text behind", format!("{good}{good}")),
            ("no JSON", "sub".to_owned()),
            ("nothing", String::new()),
        ] {
            add(name, sign_as(HEADER, &payload, JWT_SECRET.as_bytes()));
        }
        assert!(bad.len() > 80);

        for scheme in ["Basic", "Token", "JWT", "Bearer:", "Digest", "xBearer"] {
            bad.push((scheme.to_owned(), format!("{scheme} {token}")));
            bad.push((scheme.to_owned(), format!("{scheme} {API_TOKEN}")));
        }
        bad.push(("Basic".to_owned(), format!("Basic {}", STANDARD.encode(format!("user:{API_TOKEN}")))));
        bad.push(("a bare token of a user".to_owned(), token.clone()));
        bad.push(("a comma list".to_owned(), format!("Bearer {token}, Bearer {token}")));
        for other in [API_TOKEN.to_uppercase(), API_TOKEN[1..].to_owned(), format!("{API_TOKEN}x"), format!("\"{API_TOKEN}\""), format!("{API_TOKEN},")] {
            bad.push(("nearly the service's token".to_owned(), format!("Bearer {other}")));
            bad.push(("nearly the service's token".to_owned(), other));
        }
        assert_rejected(app, &bad).await;

        // After all rejections, valid tokens are still accepted.
        for (name, value) in [
            ("type", Value::Null), ("type", json!("Access")), ("typ", json!("Bearer")), ("token_type", json!("access")), ("nonce", json!("n")), ("iat", Value::Null), ("nbf", json!(now() - 60)), ("token_use", json!("access")), ("exp", json!(4_102_444_800.5)),
            ("aud", json!("anything")), ("aud", json!(["a", "b"])), ("iss", json!("any")), ("roles", json!([])), ("fresh", json!(true)),
            ("jti", json!(5)), ("unknown", json!({"a": [null]})), ("sub", json!(sub.to_uppercase())),
        ] {
            let own = app.authorized(format!("Bearer {}", sign(&with(sub, name, value.clone())))).get(ME).await;
            assert_eq!((own.status, own.id()), (200, sub), "{name} {value}: {}", own.text);
        }
        for header in [r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","kid":"1","typ":"at+jwt"}"#] {
            let own = app.authorized(format!("Bearer {}", signed(header, &good))).get(ME).await;
            assert_eq!(own.status, 200, "{header}: {}", own.text);
        }
    }

    async fn an_error_names_only_faults_that_the_token_itself_reveals(app: &TestApp) {
        let user = app.register("alice").await;
        let sub = id(&user);
        let forger = b"another-secret-of-more-than-32-bytes-in-all";
        for (name, value, description) in [
            ("exp", json!(now() - 60), DESCRIPTIONS[3]),
            ("exp", Value::Null, DESCRIPTIONS[2]),
            ("nbf", json!(now() + 600), DESCRIPTIONS[4]),
            ("iat", json!(now() + 600), DESCRIPTIONS[4]),
            ("typ", json!("Refresh"), DESCRIPTIONS[1]),
            ("token_type", json!("refresh"), DESCRIPTIONS[1]),
            ("token_use", json!("id"), DESCRIPTIONS[1]),
        ] {
            let payload = with(sub, name, value).to_string();
            for secret in [JWT_SECRET.as_bytes(), forger] {
                let token = sign_as(HEADER, &payload, secret);
                let refused = app.authorized(format!("Bearer {token}")).get(ME).await;
                assert_unauthenticated(&refused, "invalid_token");
                assert_eq!(refused.json["detail"], format!("{description}."), "{payload}");
            }
        }
        let opaque = app.authorized("Bearer opaque").get(ME).await;
        assert_eq!(opaque.json["detail"], format!("{}.", DESCRIPTIONS[0]));
        // The response does not reveal whether the signature, the user or the service token is the reason.
        let unknown = with("0199b8f2-7c1e-7000-8000-000000000000", "jti", json!("1"));
        let service_token = format!("ust_{}_{}", "0".repeat(32), "A".repeat(43));
        for token in [
            sign_as(HEADER, &claims(sub).to_string(), forger),
            sign(&unknown),
            sign(&with(sub, "roles", json!("admin"))),
            service_token,
        ] {
            let refused = app.authorized(format!("Bearer {token}")).get(ME).await;
            assert_unauthenticated(&refused, "invalid_token");
            assert_eq!(refused.json["detail"], PLAIN, "{token}");
        }
    }

    async fn a_locked_out_users_token_is_rejected_like_a_forged_one(app: &TestApp) {
        let mut tokens = Vec::new();
        for (username, verb) in [("suspended.one", "/suspend"), ("deleted.one", ""), ("erased.one", "?erase=true")] {
            let user = app.register(username).await;
            let address = format!("{}{verb}", path(&user));
            let done = if verb == "/suspend" { app.service().post_empty(&address, &[]).await } else { app.service().delete(&address).await };
            assert!(done.status < 300, "{}", done.text);
            tokens.push((username.to_owned(), format!("Bearer {}", sign(&claims(id(&user))))));
        }
        assert_rejected(app, &tokens).await;
    }

    async fn each_form_of_a_credential_works(app: &TestApp) {
        let user = app.register("alice").await;
        let token = sign(&claims(id(&user)));
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            let own = app.authorized(format!("{scheme} {token}")).get(&path(&user)).await;
            assert_eq!((own.status, own.version_and_view()), (200, "1-own"), "{scheme}");
            let service = app.authorized(format!("{scheme} {API_TOKEN}")).get(&path(&user)).await;
            assert_eq!((service.status, service.version_and_view()), (200, "1-full"), "{scheme}");
        }
        let bare = app.authorized(API_TOKEN).get(&path(&user)).await;
        assert_eq!((bare.status, bare.version_and_view()), (200, "1-full"));
        let by_header = app.anonymous().get_with(&path(&user), &[("X-API-Token", API_TOKEN)]).await;
        assert_eq!((by_header.status, by_header.version_and_view()), (200, "1-full"));
        for value in [&*token, "x", &format!("Bearer {API_TOKEN}"), &API_TOKEN.to_uppercase()] {
            let refused = app.anonymous().get_with(&path(&user), &[("X-API-Token", value)]).await;
            assert_unauthenticated(&refused, "invalid_token");
        }
        let none = app.anonymous().get(&path(&user)).await;
        assert_unauthenticated(&none, "missing_credentials");
    }

    async fn an_administrator_needs_the_claim_and_the_stored_role(app: &TestApp) {
        let admin = app.admin().await;
        let boss = admin.get(ME).await;
        assert_view(&boss.json, "full");
        let claiming = |roles: Value| app.authorized(format!("Bearer {}", sign(&with(boss.id(), "roles", roles))));
        for (roles, status) in [
            (json!(["admin"]), 200), (json!(["x", "admin"]), 200), (json!([]), 403), (json!(["Admin"]), 403), (json!(["admin "]), 403),
            (json!(["administrator"]), 403), (Value::Null, 403),
        ] {
            assert_eq!(claiming(roles.clone()).get("/v1/users/count").await.status, status, "{roles}");
        }
        for other in [json!(["admins"]), json!([])] {
            app.service().patch(&format!("/v1/users/{}", boss.id()), &json!({"roles": other})).await;
            assert_problem(&admin.get("/v1/users/count").await, 403, "forbidden");
            assert_view(&admin.get(ME).await.json, "own");
        }
    }
}

#[tokio::test]
async fn more_than_one_credential_is_ambiguous() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    let bearer = format!("Bearer {}", sign(&claims(id(&user))));
    for headers in [
        vec![("Authorization", &*bearer), ("X-API-Token", API_TOKEN)],
        vec![("Authorization", API_TOKEN), ("X-API-Token", API_TOKEN)],
        vec![("Authorization", "nonsense"), ("X-API-Token", "nonsense")],
        vec![("Authorization", &*bearer), ("Authorization", &*bearer)],
        vec![("X-API-Token", API_TOKEN), ("X-API-Token", API_TOKEN)],
    ] {
        let refused = app.anonymous().get_with(ME, &headers).await;
        assert_problem(&refused, 400, "ambiguous_credentials");
    }
    app.stop().await;
}

#[tokio::test]
async fn every_api_resource_authenticates_before_validating() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    let of_user = |rest: &str| format!("{}{rest}", path(&user));
    let routes = [
        (Method::GET, "/v1/users".to_owned()),
        (Method::POST, "/v1/users".to_owned()),
        (Method::POST, "/v1/users/batch".to_owned()),
        (Method::GET, "/v1/users/count?nonsense=1".to_owned()),
        (Method::GET, ME.to_owned()),
        (Method::PATCH, ME.to_owned()),
        (Method::GET, "/v1/users/by-username/alice".to_owned()),
        (Method::GET, "/v1/users/by-external-id/x".to_owned()),
        (Method::GET, of_user("?fields=nonsense")),
        (Method::HEAD, of_user("")),
        (Method::PATCH, of_user("")),
        (Method::PUT, of_user("")),
        (Method::DELETE, of_user("?erase=nonsense")),
        (Method::GET, of_user("/export")),
        (Method::POST, of_user("/restore")),
        (Method::POST, of_user("/suspend")),
        (Method::POST, of_user("/activate")),
        (Method::PATCH, "/v1/users/nobody".to_owned()),
    ];
    for (method, path) in routes {
        for (caller, code) in [
            (app.anonymous(), "missing_credentials"),
            (app.authorized(""), "missing_credentials"),
            (app.authorized("Bearer nonsense"), "invalid_token"),
        ] {
            let request = caller
                .request(method.clone(), &path)
                .header("If-Match", "nonsense")
                .header("Idempotency-Key", "not a key")
                .body("{");
            let refused = Reply::send(request).await;
            if method == Method::HEAD {
                assert_eq!((refused.status, &*refused.text), (401, ""), "{path}");
            } else {
                assert_eq!(
                    (refused.status, refused.code()),
                    (401, code),
                    "{method} {path}: {}",
                    refused.text
                );
                assert_unauthenticated(&refused, code);
            }
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn configured_issuer_and_audience_are_required() {
    let settings = [
        ("JWT_ISSUER", "https://auth.example.org"),
        ("JWT_AUDIENCE", "users"),
        ("JWT_LEEWAY_SECONDS", "5"),
    ];
    let app = TestApp::start_with(Store::Sqlite, &settings).await;
    let user = app.register("alice").await;
    let token = |iss: Value, aud: Value| {
        let mut claims = claims(id(&user));
        for (name, value) in [("iss", iss), ("aud", aud)] {
            if !value.is_null() {
                claims[name] = value;
            }
        }
        format!("Bearer {}", sign(&claims))
    };
    let issuer = || json!("https://auth.example.org");
    for aud in [json!("users"), json!(["users"]), json!(["other", "users"])] {
        let own = app.authorized(token(issuer(), aud.clone())).get(ME).await;
        assert_eq!(own.status, 200, "{aud}: {}", own.text);
    }
    let mut bad = Vec::new();
    for aud in [
        Value::Null,
        json!("other"),
        json!("Users"),
        json!([]),
        json!(["other"]),
        json!(["users", 1]),
        json!("users,other"),
        json!(1),
    ] {
        bad.push((aud.to_string(), token(issuer(), aud)));
    }
    for iss in [
        Value::Null,
        json!("https://auth.example.org/"),
        json!(""),
        json!(["https://auth.example.org"]),
        json!(1),
    ] {
        bad.push((iss.to_string(), token(iss, json!("users"))));
    }
    let within = |name: &str, value: i64| {
        let mut claims = claims(id(&user));
        claims["iss"] = issuer();
        claims["aud"] = json!("users");
        claims[name] = json!(value);
        format!("Bearer {}", sign(&claims))
    };
    bad.push(("expired".to_owned(), within("exp", now() - 7)));
    bad.push(("too early".to_owned(), within("nbf", now() + 30)));
    assert_rejected(&app, &bad).await;
    for good in [within("exp", now() - 1), within("nbf", now() + 2)] {
        assert_eq!(
            app.authorized(good).get(ME).await.status,
            200,
            "a difference within the leeway is accepted"
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn a_subject_may_be_an_external_id_as_text_or_integer() {
    let app = TestApp::start_with(Store::Sqlite, &[("JWT_SUBJECT", "external_id")]).await;
    let user = app.register("alice").await;
    app.service()
        .patch(&path(&user), &json!({"external_id": "17"}))
        .await;
    let by = |sub: Value| app.authorized(format!("Bearer {}", sign(&with("", "sub", sub))));
    for sub in [json!("17"), json!(17)] {
        assert_eq!(by(sub.clone()).get(ME).await.id(), id(&user), "{sub}");
    }
    let payload = |sub: &str| format!(r#"{{"sub":{sub},"exp":{}}}"#, now() + 60);
    for sub in [
        "17.0",
        "1.7e1",
        "-17",
        "18",
        "\"017\"",
        "\"\"",
        "true",
        "null",
        "[17]",
        &format!("\"{}\"", id(&user)),
    ] {
        let token = sign_as(HEADER, &payload(sub), JWT_SECRET.as_bytes());
        let refused = app.authorized(format!("Bearer {token}")).get(ME).await;
        assert_unauthenticated(&refused, "invalid_token");
    }
    app.stop().await;
}
