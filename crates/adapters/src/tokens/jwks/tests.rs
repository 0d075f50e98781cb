use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use user_domain::values::Timestamp;

use super::*;
use rate_limiter::BURST;

const KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// `{"alg":"EdDSA","kid":"other"}`, an empty payload and an empty signature.
const OF_ANOTHER: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6Im90aGVyIn0.e30.";

/// The same with the `kid` of [`KEY`].
const OF_KNOWN_KEY: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ.e30.";

struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> Timestamp {
        Timestamp::from_utc(chrono::DateTime::UNIX_EPOCH)
    }
}

fn of_file(file: PathBuf) -> Jwks {
    with_clock(file, Arc::new(Epoch))
}

fn with_clock(file: PathBuf, clock: Arc<dyn Clock>) -> Jwks {
    Jwks::new(vec![KeySource::File(file)], Duration::from_hours(1), clock)
}

fn unknown() -> Token<'static> {
    Token::read(OF_ANOTHER).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_rejected_only_after_all_sources_were_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let jwks = of_file(file.clone());
    let mut refresher = jwks.refresher();
    assert!(!refresher.refresh().await);
    assert_eq!(jwks.check_after_refresh(&unknown()).await, None);
    std::fs::write(&file, format!(r#"{{"keys":[{KEY}]}}"#)).unwrap();
    assert!(refresher.refresh().await);
    let verdict = jwks.check_after_refresh(&unknown()).await;
    assert_eq!(verdict, Some(KeyVerdict::Unknown));
    let wrong = Token::read(OF_KNOWN_KEY).unwrap();
    let verdict = jwks.check_after_refresh(&wrong).await;
    assert_eq!(verdict, Some(KeyVerdict::Invalid));
    assert_eq!(jwks.known().0.len(), 1);
}

#[tokio::test]
async fn an_invalid_document_keeps_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, format!(r#"{{"keys":[{KEY}]}}"#)).unwrap();
    let jwks = of_file(file.clone());
    let mut refresher = jwks.refresher();
    assert!(refresher.refresh().await);
    let oversized = format!(r#"{{"keys":[{KEY}]}}{}"#, " ".repeat(256 * 1024));
    for text in ["", "{}", r#"{"keys":[]}"#, &oversized] {
        std::fs::write(&file, text).unwrap();
        assert!(!refresher.refresh().await, "{text:.80}");
        assert_eq!(jwks.known().0.len(), 1, "{text:.80}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(!refresher.refresh().await);
    assert_eq!(jwks.known().0.len(), 1);
    let another = KEY.replace(r#""kid":"k""#, r#""kid":"another""#);
    std::fs::write(&file, format!(r#"{{"keys":[{another}]}}"#)).unwrap();
    assert!(refresher.refresh().await);
    let known = jwks.known();
    assert!(
        known.has("another") && !known.has("k"),
        "a valid document replaces all keys"
    );
}

#[test]
fn a_request_during_a_refresh_joins_it() {
    let jwks = of_file(PathBuf::from("/nowhere/keys.json"));
    // The first refresh needs no request.
    for _ in 0..100 {
        assert_eq!(jwks.request_refresh(), Some(0));
    }
    let finish = || {
        jwks.state.send_modify(|state| {
            state.is_idle = true;
            state.finished += 1;
        });
    };
    for finished in 1..=u64::from(BURST) {
        finish();
        for _ in 0..100 {
            assert_eq!(jwks.request_refresh(), Some(finished));
        }
    }
    finish();
    assert_eq!(jwks.request_refresh(), None, "the rate limiter refuses");
    assert!(jwks.state.borrow().is_idle);
}

#[tokio::test]
async fn tokens_beyond_the_waiting_limit_are_answered_at_once() {
    let jwks = of_file(PathBuf::from("/nowhere/keys.json"));
    let tokens: Vec<Token<'_>> = (0..=MAX_WAITING_TOKENS).map(|_| unknown()).collect();
    let mut waiting: Vec<_> = tokens
        .iter()
        .map(|token| Box::pin(jwks.check_after_refresh(token)))
        .collect();
    let mut last = waiting.pop().unwrap();
    for one in &mut waiting {
        assert!(one.now_or_never().is_none());
    }
    assert_eq!(last.as_mut().now_or_never(), Some(None));
}

#[tokio::test]
async fn the_refresh_ends_when_its_task_is_stopped() {
    struct DropFlag(Arc<AtomicBool>);
    impl Drop for DropFlag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    struct Watched(#[expect(dead_code, reason = "only its drop matters")] DropFlag);
    impl Clock for Watched {
        fn now(&self) -> Timestamp {
            Epoch.now()
        }
    }
    let has_ended = Arc::new(AtomicBool::new(false));
    let clock = Watched(DropFlag(has_ended.clone()));
    let jwks = with_clock(PathBuf::from("/nowhere/keys.json"), Arc::new(clock));
    let task = tokio::spawn(async move { jwks.keep_fresh().await });
    tokio::task::yield_now().await;
    assert!(!has_ended.load(Ordering::SeqCst), "the refresh is running");
    task.abort();
    let deadline = Instant::now() + Duration::from_mins(1);
    while !has_ended.load(Ordering::SeqCst) {
        assert!(Instant::now() < deadline, "the refresh keeps running");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
