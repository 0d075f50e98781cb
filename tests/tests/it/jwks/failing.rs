//! Sources that fail, and strangers who make the service ask them.

use futures_util::future::join_all;

use super::*;

/// What a source may say that is no document of keys.
fn failures() -> Vec<(&'static str, Answer)> {
    let raw = |body: &str| Answer::Raw(200, String::new(), body.as_bytes().to_vec());
    let key = SigningKey::p256("late").published();
    let many: Vec<Value> = (0..65).map(|_| key.clone()).collect();
    let padded = json!({"keys": [key], "padding": "x".repeat(300 * 1024)});
    vec![
        ("500", Answer::Raw(500, String::new(), b"{}".to_vec())),
        ("404", Answer::Raw(404, String::new(), Vec::new())),
        ("204", Answer::Raw(204, String::new(), Vec::new())),
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
        ("too many keys", Answer::Keys(many)),
        ("too much", raw(&padded.to_string())),
        ("half an answer", Answer::Cut),
        ("nothing at all", Answer::Hang),
        (
            "ever elsewhere",
            Answer::Redirections(usize::MAX, Vec::new()),
        ),
    ]
}

/// Whether a token was not believed: at once, or, on a machine so busy that the time of the request was over while it
/// waited for the source, not at all.
fn is_refused(status: u16) -> bool {
    matches!(status, 401 | 503)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_fails_in_any_way_leaves_the_keys_that_are_known_until_it_is_well_again() {
    let trials = failures().into_iter().map(async |(name, failure)| {
        let (known, late) = (SigningKey::p256("known"), SigningKey::p256("late"));
        let server = JwksServer::start(&[&known]);
        let app = app_on(&server).await;
        let user = app.register("alice").await;
        let says = claims(id(&user));
        until(&app, 200, || known.sign(&says)).await;

        let answered = server.answered();
        server.answer(failure.clone());
        let refused = me(&app, &late.sign(&says)).await;
        assert!(is_refused(refused.status), "{name}: {}", refused.text);
        if !matches!(failure, Answer::Hang) {
            until_true(|| server.answered() > answered).await;
        }
        let asked = server.asked();
        // The next attempt begins only when this one has ended.
        if !matches!(failure, Answer::Hang) {
            until_true(|| server.asked() > asked).await;
        }
        assert_eq!(me(&app, &known.sign(&says)).await.status, 200, "{name}");

        server.publish(&[&known, &late]);
        until(&app, 200, || late.sign(&says)).await;
        app.stop().await;
    });
    join_all(trials).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_unknown_keys_cost_a_few_questions_and_nobody_elses_requests() {
    let key = SigningKey::p256("known");
    let stranger = SigningKey::ed25519("stranger");
    let server = JwksServer::start(&[&key]);
    let app = app_with(&server, &[("JWT_JWKS_REFRESH_SECONDS", "86400")]).await;
    let user = app.register("alice").await;
    let says = claims(id(&user));
    until(&app, 200, || key.sign(&says)).await;
    let asked = server.asked();
    let begun = Instant::now();
    let flood = (0..16).map(async |client| {
        for turn in 0..200 {
            let named = json!(format!("{client}-{turn}"));
            let refused = me(&app, &stranger.sign_naming(&named, &says)).await;
            assert_eq!(refused.status, 401, "{}", refused.text);
            if turn % 10 == 0 {
                assert_eq!(me(&app, &key.sign(&says)).await.status, 200);
            }
        }
    });
    join_all(flood).await;
    // Two that were saved up, and one in ten seconds.
    let granted = 3 + begun.elapsed().as_secs() / 10;
    let asked = server.asked() - asked;
    assert!(
        asked as u64 <= granted,
        "asked {asked} times, not {granted}"
    );

    // The same while the source hangs: those who wait keep nobody else waiting.
    server.answer(Answer::Hang);
    let waiting = (0..200).map(async |number| {
        let named = json!(format!("late-{number}"));
        me(&app, &stranger.sign_naming(&named, &says)).await.status
    });
    let others = (0..50).map(async |_| me(&app, &key.sign(&says)).await.status);
    let (waiting, others) = futures_util::join!(join_all(waiting), join_all(others));
    assert!(waiting.into_iter().all(is_refused));
    assert_eq!(others, [200; 50]);
    app.stop().await;
}
