//! Lost responses, outages and conflicts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use serde_json::json;
use user_client::{Client, Code, ErrorKind, NewToken, NewUser, UserFilter};
use user_tests::{API_TOKEN, Gateway, JwksServer, Proxy, Store, TestApp, Verdict, free_port};

use super::client;

const CREATES: u64 = 1000;

/// A deadline for a loaded machine.
const LONG: Duration = Duration::from_mins(2);

fn through(gateway: &Gateway) -> Client {
    Client::builder(&gateway.url())
        .token(API_TOKEN)
        .deadline(LONG)
        .attempt_timeout(LONG)
        .build()
        .unwrap()
}

/// The response of the service to a request that it cannot serve.
fn problem(status: u16, code: &str, retry_after: Option<&str>) -> Verdict {
    let body = json!({"type": "urn:x", "title": "T", "status": status, "detail": "D.", "code": code, "request_id": "r"});
    let fields = retry_after.map(|seconds| ("Retry-After", seconds.to_owned()));
    Verdict::Respond(status, fields.into_iter().collect(), body.to_string())
}

/// Gives each request the next of these verdicts, and forwards the rest.
fn in_turn(verdicts: Vec<Verdict>) -> impl Fn(&user_tests::Received) -> Verdict {
    let next = AtomicUsize::new(0);
    move |_| {
        let number = next.fetch_add(1, Ordering::SeqCst);
        verdicts.get(number).cloned().unwrap_or(Verdict::Forward)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_creates_are_done_once_although_a_fifth_of_the_responses_is_lost() {
    let app = TestApp::start(Store::Sqlite).await;
    let proxy = Proxy::start(app.address().to_string()).await;
    proxy.lose_one_reply_in(5);
    let unreliable = Client::builder(&format!("http://{}", proxy.address()))
        .token(API_TOKEN)
        .deadline(LONG)
        .attempt_timeout(LONG)
        .build()
        .unwrap();
    let replayed = AtomicU64::new(0);
    let all_done = stream::iter(0..CREATES).for_each_concurrent(16, |number| {
        let (unreliable, replayed) = (&unreliable, &replayed);
        async move {
            let name = format!("user{number}");
            let user = NewUser::new(&name).email(format!("{name}@example.org"));
            let created = unreliable.create_user(&user).send().await.unwrap();
            assert_eq!(created.value.username, name);
            replayed.fetch_add(u64::from(created.was_replayed), Ordering::Relaxed);
        }
    });
    all_done.await;
    let lost = proxy.lost_replies();
    assert!(lost >= CREATES / 5, "only {lost} responses were lost");
    let replayed = replayed.into_inner();
    assert!(replayed > CREATES / 10, "only {replayed} were replayed");
    let count = client(&app).count_users(&UserFilter::new()).await.unwrap();
    assert_eq!(count, CREATES);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_repeated_under_its_key_after_503_429_504_and_a_lost_response() {
    let app = TestApp::start(Store::Sqlite).await;
    let verdicts = vec![
        problem(503, "unavailable", Some("0")),
        problem(429, "rate_limited", Some("0")),
        Verdict::LoseResponse,
        problem(504, "outcome_unknown", None),
    ];
    let gateway = Gateway::start(app.address(), in_turn(verdicts));
    let user = NewUser::new("alice").email("alice@example.org");
    let created = through(&gateway).create_user(&user).send().await.unwrap();
    assert!(created.was_replayed);
    let requests = gateway.requests();
    assert_eq!(requests.len(), 5);
    let key = requests[0].header("idempotency-key");
    assert!(key.len() >= 32, "{key}");
    for request in &requests {
        assert_eq!(request.header("idempotency-key"), key);
        assert_eq!(request.body, requests[0].body);
    }
    // Another write has another key.
    let bob = NewUser::new("bob").email("bob@example.org");
    through(&gateway).create_user(&bob).await.unwrap();
    assert_ne!(gateway.requests()[5].header("idempotency-key"), key);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_safe_to_repeat_is_sent_once() {
    let app = TestApp::start(Store::Sqlite).await;
    let gateway = Gateway::start(app.address(), in_turn(vec![Verdict::LoseResponse]));
    let token = NewToken::new("posts", ["users:read"]);
    let error = through(&gateway).create_token(&token).await.unwrap_err();
    assert!(error.may_be_done() && error.is_transient(), "{error:?}");
    assert!(
        matches!(error.kind(), ErrorKind::NoResponse(_)),
        "{error:?}"
    );
    assert_eq!((error.status(), error.attempts()), (None, 1));
    assert_eq!(gateway.requests().len(), 1);
    let tokens = client(&app).list_tokens().await.unwrap().items;
    assert_eq!(tokens.len(), 1);

    // A 503 of the service says that nothing was done.
    let verdicts = vec![problem(503, "overloaded", Some("0"))];
    let gateway = Gateway::start(app.address(), in_turn(verdicts));
    let issued = through(&gateway).create_token(&token).await.unwrap();
    assert!(issued.secret.expose().starts_with("ust_"));
    assert_eq!(gateway.requests().len(), 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_response_cannot_be_read_may_be_done() {
    let app = TestApp::start(Store::Sqlite).await;
    let unreadable = |status| Verdict::Respond(status, Vec::new(), "x".to_owned());
    let verdicts = vec![
        problem(503, "unavailable", Some("0")),
        unreadable(201),
        unreadable(200),
    ];
    let gateway = Gateway::start(app.address(), in_turn(verdicts));
    let client = through(&gateway);
    let user = NewUser::new("alice").email("alice@example.org");
    let error = client.create_user(&user).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::InvalidResponse(_)),
        "{error:?}"
    );
    assert!(error.may_be_done(), "{error:?}");
    assert_eq!(error.attempts(), 2);

    let error = client.count_users(&UserFilter::new()).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::InvalidResponse(_)),
        "{error:?}"
    );
    assert!(!error.may_be_done(), "{error:?}");
    assert_eq!((error.attempts(), gateway.requests().len()), (1, 3));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_delay_that_a_gateway_asks_for_is_kept() {
    let app = TestApp::start(Store::Sqlite).await;
    let busy = |seconds: &str| {
        let fields = vec![("Retry-After", seconds.to_owned())];
        Verdict::Respond(503, fields, "busy".to_owned())
    };
    let verdicts = vec![busy("3600"), busy("1")];
    let gateway = Gateway::start(app.address(), in_turn(verdicts));
    let filter = UserFilter::new();
    let error = through(&gateway).count_users(&filter).await.unwrap_err();
    assert_eq!((error.status(), error.attempts()), (Some(503), 1));
    assert_eq!(error.retry_after(), Some(Duration::from_hours(1)));

    // A call without an end waits for as long as the gateway asks.
    let started = Instant::now();
    let count = through(&gateway).count_users(&filter);
    assert_eq!(count.deadline(Duration::MAX).await.unwrap(), 0);
    assert!(started.elapsed() >= Duration::from_secs(1));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_end_at_the_deadline() {
    let app = TestApp::start(Store::Sqlite).await;
    let unavailable = |_: &user_tests::Received| problem(503, "not_ready", Some("3600"));
    let gateway = Gateway::start(app.address(), unavailable);
    let error = through(&gateway).get_me().await.unwrap_err();
    assert!(error.is(&Code::NotReady), "{error}");
    // The next attempt would be after the deadline, so there is none.
    assert_eq!((error.attempts(), gateway.requests().len()), (1, 1));
    assert_eq!(error.retry_after(), Some(Duration::from_hours(1)));

    let at_once = |_: &user_tests::Received| problem(504, "outcome_unknown", None);
    let gateway = Gateway::start(app.address(), at_once);
    let user = NewUser::new("alice").email("alice@example.org");
    let deadline = Duration::from_millis(400);
    let write = through(&gateway).create_user(&user).deadline(deadline);
    let error = write.await.unwrap_err();
    assert!(error.may_be_done(), "{error:?}");
    assert!(error.is(&Code::OutcomeUnknown), "{error}");

    let address = format!("http://127.0.0.1:{}", free_port());
    let refused = Client::builder(&address)
        .token(API_TOKEN)
        .deadline(deadline)
        .build()
        .unwrap();
    let error = refused.create_user(&user).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::NoResponse(_)),
        "{error:?}"
    );
    assert!(!error.may_be_done(), "{error:?}");
    assert!(!format!("{error:?}").contains(API_TOKEN));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let server = JwksServer::start_tls(&[]);
    let url = server.url().replace("/keys/0", "");
    let client = Client::builder(&url)
        .token(API_TOKEN)
        .deadline(Duration::from_millis(400))
        .build()
        .unwrap();
    let user = NewUser::new("alice").email("alice@example.org");
    let error = client.create_user(&user).await.unwrap_err();
    // Nothing was sent, not even the token.
    assert!(!error.may_be_done(), "{error:?}");
    assert!(
        format!("{error:?}").contains("InvalidCertificate"),
        "{error:?}"
    );
    assert_eq!(server.request_count(), 0);
}
