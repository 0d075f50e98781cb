//! Forged tokens that must be rejected, and tokens of another library that must be accepted.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

/// Keys and tokens created by `PyJWT`.
struct PyJwtData(Value);

impl PyJwtData {
    fn read() -> Self {
        let text = std::fs::read_to_string(Self::path()).unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    fn path() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("data/foreign_tokens.json")
    }

    fn tokens(&self, kind: &str) -> Vec<(String, String)> {
        let tokens = self.0[kind].as_object().unwrap();
        tokens
            .iter()
            .map(|(name, token)| (name.clone(), token.as_str().unwrap().to_owned()))
            .collect()
    }
}

/// Settings with the shared secret beside the keys, and with the keys alone.
const CONFIGURATIONS: [&[(&str, &str)]; 2] = [
    &[],
    &[
        ("JWT_SECRET_KEY", ""),
        ("SEALING_KEY", "the-tests-own-sealing-key-of-32-bytes"),
    ],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pyjwt_tokens_are_accepted_and_pyjwt_forgeries_are_rejected() {
    let foreign = PyJwtData::read();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, foreign.0["jwks"].to_string()).unwrap();
    for configuration in CONFIGURATIONS {
        let mut settings = vec![
            ("JWT_JWKS_FILE", file.to_str().unwrap()),
            ("JWT_SUBJECT", "external_id"),
        ];
        settings.extend(configuration);
        let app = TestApp::start_with(Store::Sqlite, &settings).await;
        let user = app.register("alice").await;
        let known = json!({"external_id": foreign.0["subject"]});
        let path = format!("/v1/users/{}", id(&user));
        assert_eq!(app.service().patch(&path, &known).await.status, 200);

        let good = foreign.tokens("good");
        assert_eq!(good.len(), 7);
        until(&app, 200, || good[0].1.clone()).await;
        for (name, token) in good {
            assert_eq!(me(&app, &token).await.id(), id(&user), "{name}");
        }
        let bad = foreign.tokens("bad");
        assert!(bad.len() > 30);
        for (name, token) in bad {
            let refused = me(&app, &token).await;
            assert_eq!(refused.status, 401, "{name}: {}", refused.text);
            assert_problem(&refused, 401, "invalid_token");
        }
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_with_a_key_a_crit_or_an_odd_kid_is_rejected() {
    let key = SigningKey::rsa("k");
    let server = JwksServer::start(&[&key]);
    let app = app_on(&server).await;
    let user = app.register("alice").await;
    let payload = claims(id(&user));
    until(&app, 200, || key.sign(&payload)).await;
    let header = |more: Value| {
        let mut header = json!({"alg": "RS256", "typ": "JWT", "kid": "k"});
        for (name, value) in more.as_object().unwrap() {
            header[name] = value.clone();
        }
        header.to_string()
    };
    let mut bad: Vec<String> = [
        json!({"jku": server.url()}),
        json!({"jwk": key.published()}),
        json!({"x5u": server.url()}),
        json!({"x5c": ["AA"]}),
        json!({"crit": ["exp"]}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"zip": "DEF"}),
        json!({"alg": "none"}),
        json!({"alg": "None"}),
        json!({"alg": "NONE"}),
        json!({"alg": ""}),
        json!({"alg": "RS384"}),
        json!({"alg": "PS256"}),
        json!({"alg": "rs256"}),
        json!({"alg": "HS256"}),
        json!({"alg": "ES256"}),
        json!({"alg": "EdDSA"}),
        json!({"alg": ["RS256"]}),
        json!({"alg": null}),
        json!({"kid": 1}),
        json!({"kid": null}),
        json!({"kid": ["k"]}),
        json!({"kid": ""}),
        json!({"kid": "K"}),
        json!({"kid": "k "}),
        json!({"kid": "../../../../dev/null"}),
        json!({"kid": "/proc/self/environ"}),
        json!({"kid": "k' UNION SELECT 'secret' --"}),
        json!({"kid": "k\u{0}"}),
        json!({"kid": "k\r\nx-injected: 1"}),
        json!({"kid": "x".repeat(257)}),
        json!({"kid": "x".repeat(8000)}),
        json!({"kid": server.url()}),
    ]
    .into_iter()
    .map(|more| key.sign_text(&header(more), &payload.to_string()))
    .collect();
    bad.push(key.sign_text(
        r#"{"alg":"RS256","kid":"x","kid":"k"}"#,
        &payload.to_string(),
    ));
    bad.push(key.sign_text(
        r#"{"alg":"none","alg":"RS256","kid":"k"}"#,
        &payload.to_string(),
    ));
    let sub = id(&user);
    for twice in [
        format!(r#"{{"sub":"{sub}","sub":"{sub}","exp":4102444800}}"#),
        format!(r#"{{"sub":"{sub}","exp":1,"exp":4102444800}}"#),
        format!(r#"{{"sub":"{sub}","exp":4102444800,"roles":[],"roles":["admin"]}}"#),
    ] {
        bad.push(key.sign_text(&header(json!({})), &twice));
    }
    // A token that names a key is verified with that key only, never with the shared secret.
    bad.push(sign_as(
        r#"{"alg":"HS256","kid":"k"}"#,
        &payload.to_string(),
        user_tests::JWT_SECRET.as_bytes(),
    ));
    let parts: Vec<String> = key.sign(&payload).split('.').map(str::to_owned).collect();
    let other = URL_SAFE_NO_PAD.encode(json!({"sub": sub, "exp": 4_102_444_800_u64}).to_string());
    bad.push(format!("{}.{}.", parts[0], parts[1]));
    bad.push(format!("{}.{other}.{}", parts[0], parts[2]));
    bad.push(format!("{}.{}.{}", parts[0], parts[1], "A".repeat(342)));
    for token in bad {
        let refused = me(&app, &token).await;
        assert_problem(&refused, 401, "invalid_token");
    }
    assert_eq!(me(&app, &key.sign(&payload)).await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_tokens_are_rejected_unparsed() {
    let key = SigningKey::p256("k");
    let server = JwksServer::start(&[&key]);
    let app = app_with(&server, &[("JWT_JWKS_REFRESH_SECONDS", "86400")]).await;
    let user = app.register("alice").await;
    let mut payload = claims(id(&user));
    until(&app, 200, || key.sign(&payload)).await;
    let requests = server.request_count();
    for (length, statuses) in [
        (11_000, [401, 401]),
        (75_000, [431, 431]),
        (300_000, [431, 400]),
    ] {
        payload["padding"] = json!("x".repeat(length));
        let refused = me(&app, &SigningKey::p256("unknown").sign(&payload)).await;
        assert!(
            statuses.contains(&refused.status),
            "{length}: {}",
            refused.status
        );
    }
    assert!(
        server.request_count() <= requests + 1,
        "a token up to 16 kB may name a key"
    );
    app.stop().await;
}
