use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use user_domain::values::Timestamp;

use super::*;

const KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// `{"alg":"EdDSA","kid":"other"}`, an empty payload and an empty signature.
const OF_ANOTHER: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6Im90aGVyIn0.e30.";

struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> Timestamp {
        Timestamp::from_utc(chrono::DateTime::UNIX_EPOCH)
    }
}

fn of_file(file: PathBuf) -> Jwks {
    let options = JwksOptions {
        url: None,
        ca_file: None,
        file: Some(file),
        refresh: Duration::from_hours(1),
    };
    Jwks::new(options, Arc::new(Epoch))
}

fn unknown() -> Token<'static> {
    Token::read(OF_ANOTHER).unwrap()
}

/// What reads the keys, at the test's word.
fn refresher(jwks: &Jwks) -> Refresher {
    let sources = Source::all(&jwks.options);
    Refresher::new(
        sources,
        jwks.options.refresh,
        jwks.kept.clone(),
        jwks.clock.clone(),
    )
}

#[tokio::test]
async fn a_key_that_is_not_known_is_rejected_only_once_the_sources_have_been_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let jwks = of_file(file.clone());
    let mut refresher = refresher(&jwks);
    assert!(!refresher.attempt());
    assert!(matches!(jwks.check_later(&unknown()).await, Later::NotYet));
    std::fs::write(&file, format!(r#"{{"keys":[{KEY}]}}"#)).unwrap();
    assert!(refresher.attempt());
    let later = jwks.check_later(&unknown()).await;
    assert!(matches!(later, Later::Verdict(Verdict::Unknown)));
    assert_eq!(jwks.known().0.len(), 1);
}

#[test]
fn what_a_source_says_that_is_no_document_leaves_the_keys_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, format!(r#"{{"keys":[{KEY}]}}"#)).unwrap();
    let jwks = of_file(file.clone());
    let mut refresher = refresher(&jwks);
    assert!(refresher.attempt());
    let swollen = format!(r#"{{"keys":[{KEY}]}}{}"#, " ".repeat(256 * 1024));
    for text in ["", "{}", r#"{"keys":[]}"#, &swollen] {
        std::fs::write(&file, text).unwrap();
        assert!(!refresher.attempt(), "{text:.80}");
        assert_eq!(jwks.known().0.len(), 1, "{text:.80}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(!refresher.attempt());
    assert_eq!(jwks.known().0.len(), 1);
    let another = KEY.replace(r#""kid":"k""#, r#""kid":"another""#);
    std::fs::write(&file, format!(r#"{{"keys":[{another}]}}"#)).unwrap();
    assert!(refresher.attempt());
    let known = jwks.known();
    assert!(
        known.has("another") && !known.has("k"),
        "a good document is all that counts"
    );
}

#[tokio::test]
async fn whoever_asks_while_an_attempt_is_under_way_joins_it() {
    let jwks = of_file(PathBuf::from("/nowhere/keys.json"));
    jwks.kept.progress().running = true;
    for _ in 0..100 {
        assert!(jwks.ask().unwrap().had_begun);
    }
    jwks.kept.progress().running = false;
    // Nobody follows them, so that there is nobody to ask.
    assert!(jwks.ask().is_none());
    assert!(!jwks.kept.progress().running);
}

#[tokio::test]
async fn of_very_many_who_would_wait_the_last_are_answered_at_once() {
    let jwks = of_file(PathBuf::from("/nowhere/keys.json"));
    jwks.kept.progress().running = true;
    let tokens: Vec<Token<'_>> = (0..=MOST_WAITING).map(|_| unknown()).collect();
    let mut waiting: Vec<_> = tokens
        .iter()
        .map(|token| Box::pin(jwks.check_later(token)))
        .collect();
    let mut last = waiting.pop().unwrap();
    for one in &mut waiting {
        assert!(one.now_or_never().is_none());
    }
    let answer = last.as_mut().now_or_never();
    assert!(matches!(answer, Some(Later::NotYet)));
}

#[test]
fn the_thread_ends_with_what_follows_it() {
    struct Told(Arc<AtomicBool>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    struct Watched(#[expect(dead_code, reason = "its end is what counts")] Told);
    impl Clock for Watched {
        fn now(&self) -> Timestamp {
            Epoch.now()
        }
    }
    let has_ended = Arc::new(AtomicBool::new(false));
    let options = of_file(PathBuf::from("/nowhere/keys.json")).options;
    let jwks = Jwks::new(options, Arc::new(Watched(Told(has_ended.clone()))));
    let followed = jwks.follow().unwrap();
    let kept = Arc::downgrade(&jwks.kept);
    drop(jwks);
    drop(followed);
    let deadline = Instant::now() + Duration::from_mins(1);
    while kept.strong_count() > 0 || !has_ended.load(Ordering::SeqCst) {
        assert!(Instant::now() < deadline, "the thread goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
}
