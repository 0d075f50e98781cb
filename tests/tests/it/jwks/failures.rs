//! Failing key sources, and unknown keys that make the service query them.

use futures_util::future::join_all;

use super::*;

/// Responses of a key source that are not a valid key set.
fn failures() -> Vec<(&'static str, JwksResponse)> {
    let raw = |body: &str| JwksResponse::Raw(200, String::new(), body.as_bytes().to_vec());
    let key = SigningKey::p256("late").published();
    let many: Vec<Value> = (0..65).map(|_| key.clone()).collect();
    let padded = json!({"keys": [key], "padding": "x".repeat(300 * 1024)});
    vec![
        ("500", JwksResponse::Raw(500, String::new(), b"{}".to_vec())),
        ("404", JwksResponse::Raw(404, String::new(), Vec::new())),
        ("204", JwksResponse::Raw(204, String::new(), Vec::new())),
        ("nothing", raw("")),
        ("a page", raw("<html>Sign in, please</html>")),
        ("no keys", raw(r#"{"keys":[]}"#)),
        ("no array", raw(r#"{"keys":{}}"#)),
        ("an array", raw("[]")),
        (
            "no usable key",
            raw(r#"{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"k"}]}"#),
        ),
        (
            "keys twice",
            raw(&format!(r#"{{"keys":[],"keys":[{key}]}}"#)),
        ),
        ("too many keys", JwksResponse::Keys(many)),
        ("too much", raw(&padded.to_string())),
        ("a truncated response", JwksResponse::Cut),
        ("no response", JwksResponse::Hang),
        (
            "endless redirects",
            JwksResponse::Redirections(usize::MAX, Vec::new()),
        ),
    ]
}

/// Whether a token was rejected. On a busy machine the request may time out with 503 while it waits for the source.
fn is_refused(status: u16) -> bool {
    matches!(status, 401 | 503)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_keys_survive_every_failure_of_the_key_source() {
    let cases = failures().into_iter().map(async |(name, failure)| {
        let (known, late) = (SigningKey::p256("known"), SigningKey::p256("late"));
        let server = JwksServer::start(&[&known]);
        let app = app_on(&server).await;
        let user = app.register("alice").await;
        let payload = claims(id(&user));
        until(&app, 200, || known.sign(&payload)).await;

        let responses = server.response_count();
        server.respond_with(failure.clone());
        let refused = me(&app, &late.sign(&payload)).await;
        assert!(is_refused(refused.status), "{name}: {}", refused.text);
        if !matches!(failure, JwksResponse::Hang) {
            until_true(|| server.response_count() > responses).await;
        }
        let requests = server.request_count();
        // The next attempt starts only after this one has ended.
        if !matches!(failure, JwksResponse::Hang) {
            until_true(|| server.request_count() > requests).await;
        }
        assert_eq!(me(&app, &known.sign(&payload)).await.status, 200, "{name}");

        server.publish(&[&known, &late]);
        until(&app, 200, || late.sign(&payload)).await;
        app.stop().await;
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_keys_cause_few_refreshes_and_delay_no_other_requests() {
    let key = SigningKey::p256("known");
    let unpublished = SigningKey::ed25519("unpublished");
    let server = JwksServer::start(&[&key]);
    let app = app_with(&server, &[("JWT_JWKS_REFRESH_SECONDS", "86400")]).await;
    let user = app.register("alice").await;
    let payload = claims(id(&user));
    until(&app, 200, || key.sign(&payload)).await;
    let requests = server.request_count();
    let started = Instant::now();
    let flood = (0..16).map(async |client| {
        for turn in 0..200 {
            let named = json!(format!("{client}-{turn}"));
            let refused = me(&app, &unpublished.sign_naming(&named, &payload)).await;
            assert_eq!(refused.status, 401, "{}", refused.text);
            if turn % 10 == 0 {
                assert_eq!(me(&app, &key.sign(&payload)).await.status, 200);
            }
        }
    });
    join_all(flood).await;
    // A burst of three, then one every ten seconds.
    let allowed = 3 + started.elapsed().as_secs() / 10;
    let requests = server.request_count() - requests;
    assert!(
        requests as u64 <= allowed,
        "{requests} requests, expected at most {allowed}"
    );

    // While the source hangs, waiting requests do not delay others.
    server.respond_with(JwksResponse::Hang);
    let waiting = (0..200).map(async |number| {
        let named = json!(format!("late-{number}"));
        me(&app, &unpublished.sign_naming(&named, &payload))
            .await
            .status
    });
    let others = (0..50).map(async |_| me(&app, &key.sign(&payload)).await.status);
    let (waiting, others) = futures_util::join!(join_all(waiting), join_all(others));
    assert!(waiting.into_iter().all(is_refused));
    assert_eq!(others, [200; 50]);
    app.stop().await;
}
