use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use user_domain::ports::{Changed, Changes, Voucher};
use user_domain::test_support::mocks::MockChangeLog;
use user_domain::test_support::samples;
use user_domain::user::User;

use super::*;
use crate::cache::first_tier::Begun;
use crate::guards::Guards;

/// Everything that a look touches.
struct Replica {
    tail: Tail,
    first: Arc<FirstTier>,
    freshness: Freshness,
    meters: Arc<Meters>,
}

fn replica() -> Replica {
    let meters = Arc::default();
    Replica {
        tail: Tail::default(),
        first: Arc::new(FirstTier::new(1 << 20, Guards::default(), &meters)),
        freshness: Freshness::new(Guards::default()),
        meters,
    }
}

impl Replica {
    async fn look(&self, log: &MockChangeLog) -> Result<(), StoreError> {
        let begun = Instant::now();
        self.tail.look(log, &self.first, &self.meters, begun).await
    }

    /// Follows a log for so long.
    async fn follow(&self, log: &MockChangeLog, time: Duration, measure: impl Fn()) {
        let Self {
            tail,
            first,
            freshness,
            meters,
        } = self;
        let follow = tail.follow(log, first, freshness, meters, measure);
        assert!(timeout(time, follow).await.is_err(), "it never ends");
    }

    /// Knows somebody.
    fn fill(&self) -> Arc<User> {
        let user = Arc::new(samples::user("alice"));
        assert!(self.first.fill(self.first.lease(user.id), Some(&user)));
        user
    }

    fn knows(&self, user: &User) -> bool {
        matches!(self.first.begin(user.id), Begun::Known(_))
    }

    async fn corrections(&self) -> Vec<Correction> {
        let mut received = self.tail.corrections().await;
        let mut corrections = Vec::new();
        while let Ok(correction) = received.try_recv() {
            corrections.push(correction);
        }
        corrections
    }
}

fn position(text: &str) -> LogPosition {
    LogPosition::from_store(text.to_owned())
}

fn away() -> StoreError {
    StoreError::Unavailable("away".to_owned())
}

fn nothing_at(text: &str) -> Changes {
    Changes {
        changed: Vec::new(),
        tokens: Vec::new(),
        complete: true,
        position: position(text),
    }
}

fn changed(user: &User, version: i64) -> Changed {
    Changed {
        id: user.id,
        version: user_domain::values::Version::from_i64(version).unwrap(),
        at: user.updated_at,
    }
}

/// A log that begins at position 0 and then gives these answers, the last again and again.
fn log(answers: impl IntoIterator<Item = Result<Changes, StoreError>>) -> MockChangeLog {
    let mut log = MockChangeLog::new();
    log.expect_position().returning(|| Ok(position("0")));
    let answers: Mutex<VecDeque<_>> = Mutex::new(answers.into_iter().collect());
    log.expect_since().returning(move |_| {
        let mut answers = answers.lock().unwrap();
        let last = answers.front().cloned();
        if answers.len() > 1 {
            answers.pop_front();
        }
        last.unwrap_or_else(|| Ok(nothing_at("0")))
    });
    log
}

#[tokio::test]
async fn the_first_position_forgets_what_was_filled_in_before() {
    let replica = replica();
    let (known, leased) = (replica.fill(), samples::user_id());
    let held = replica.first.lease(leased);
    let log = log([Ok(nothing_at("0"))]);
    replica.look(&log).await.unwrap();
    assert!(!replica.knows(&known));
    assert!(!replica.first.fill(held, None), "leased before it");
    assert_eq!(replica.tail.position().await, position("0"));
    assert_eq!(replica.corrections().await.len(), 0, "nothing was told");
    let known = replica.fill();
    replica.look(&log).await.unwrap();
    assert!(replica.knows(&known));
}

#[tokio::test]
async fn each_look_goes_on_where_the_last_one_ended() {
    let replica = replica();
    let mut log = MockChangeLog::new();
    log.expect_position().return_once(|| Ok(position("7")));
    for (from, to) in [("7", "9"), ("9", "9"), ("9", "12")] {
        log.expect_since()
            .withf(move |asked| *asked == position(from))
            .times(1)
            .return_once(move |_| Ok(nothing_at(to)));
    }
    for _ in 0..4 {
        replica.look(&log).await.unwrap();
    }
    assert_eq!(replica.tail.position().await, position("12"));
}

#[tokio::test]
async fn who_has_changed_is_dropped_and_nobody_else() {
    let replica = replica();
    let log = log([Ok(nothing_at("0"))]);
    replica.look(&log).await.unwrap();
    let [older, same, other] = [replica.fill(), replica.fill(), replica.fill()];
    let told = Changes {
        changed: vec![changed(&older, 2), changed(&same, 1)],
        ..nothing_at("2")
    };
    let log = self::log([Ok(told)]);
    replica.look(&log).await.unwrap();
    assert!(!replica.knows(&older));
    assert!(replica.knows(&same));
    assert!(replica.knows(&other));
}

#[tokio::test]
async fn an_incomplete_answer_forgets_everything() {
    let replica = replica();
    let known = Changes {
        complete: false,
        ..nothing_at("20000")
    };
    let log = log([Ok(nothing_at("0")), Ok(known), Ok(nothing_at("20000"))]);
    for _ in 0..2 {
        replica.look(&log).await.unwrap();
    }
    let user = replica.fill();
    let held = replica.first.lease(user.id);
    replica.look(&log).await.unwrap();
    assert!(!replica.knows(&user));
    assert!(!replica.first.fill(held, Some(&user)));
    assert_eq!(replica.tail.position().await, position("20000"));
    let user = replica.fill();
    replica.look(&log).await.unwrap();
    assert!(replica.knows(&user));
    let told: Vec<bool> = replica
        .corrections()
        .await
        .iter()
        .map(|told| told.complete)
        .collect();
    assert_eq!(told, [true, false, true]);
}

#[tokio::test]
async fn what_a_look_told_is_handed_on_with_its_number() {
    let replica = replica();
    let user = samples::user("alice");
    let told = Changes {
        changed: vec![changed(&user, 5)],
        ..nothing_at("1")
    };
    let log = log([Ok(told), Ok(nothing_at("1"))]);
    for _ in 0..3 {
        replica.look(&log).await.unwrap();
    }
    let corrections = replica.corrections().await;
    let [first, second] = corrections.as_slice() else {
        panic!("{corrections:?}");
    };
    assert_eq!(first.changed, [(user.id, 5)]);
    assert_eq!(first.position, position("1"));
    assert_eq!(second.number, first.number + 1);
    assert!(first.begun <= second.begun);
    assert_eq!(second.changed, []);
}

#[tokio::test]
async fn looks_that_nobody_takes_up_leave_a_gap_in_the_numbers() {
    let replica = replica();
    let answers = (0..=WAITING + 2).map(|_| Ok(nothing_at("0")));
    let log = log(answers);
    for _ in 0..=WAITING + 2 {
        replica.look(&log).await.unwrap();
    }
    let waiting = replica.corrections().await;
    assert_eq!(waiting.len(), WAITING);
    let last = waiting.last().unwrap().number;
    replica.look(&log).await.unwrap();
    let next = replica.corrections().await;
    assert_eq!(next.first().unwrap().number, last + 3);
}

#[tokio::test]
async fn a_look_that_fails_keeps_its_place() {
    let replica = replica();
    let user = samples::user("alice");
    let told = Changes {
        changed: vec![changed(&user, 2)],
        ..nothing_at("1")
    };
    let log = log([Err(away()), Ok(told)]);
    replica.look(&log).await.unwrap();
    assert_eq!(replica.look(&log).await, Err(away()));
    assert_eq!(replica.tail.position().await, position("0"));
    assert_eq!(replica.corrections().await.len(), 0);
    replica.look(&log).await.unwrap();
    assert_eq!(replica.tail.position().await, position("1"));
    assert_eq!(replica.corrections().await[0].changed, [(user.id, 2)]);
}

#[tokio::test]
async fn a_log_without_a_first_position_is_asked_for_it_again() {
    let replica = replica();
    let mut log = MockChangeLog::new();
    log.expect_position().times(1).return_once(|| Err(away()));
    assert_eq!(replica.look(&log).await, Err(away()));
    log.checkpoint();
    log.expect_position().return_once(|| Ok(position("3")));
    replica.look(&log).await.unwrap();
    assert_eq!(replica.tail.position().await, position("3"));
}

#[tokio::test]
async fn following_looks_every_quarter_of_a_second_and_measures_each_time() {
    let replica = replica();
    let log = log([]);
    let measured = AtomicUsize::new(0);
    let begun = Instant::now();
    replica
        .follow(&log, INTERVAL * 2 + INTERVAL / 2, || {
            measured.fetch_add(1, Ordering::Relaxed);
        })
        .await;
    let measured = measured.into_inner();
    assert!((2..=3).contains(&measured), "{measured}");
    assert_eq!(
        replica
            .freshness
            .stamps()
            .voucher(begun + Duration::from_millis(1)),
        Some(Voucher::Store)
    );
}

/// Whether the replicas vouch, two seconds on: only if the database is known to be away.
fn is_failing(replica: &Replica) -> bool {
    let later = Instant::now() + Duration::from_secs(2);
    replica.freshness.beaten(later);
    replica.freshness.stamps().voucher(later) == Some(Voucher::Replicas)
}

#[tokio::test]
async fn a_log_that_fails_is_known_to_be_away_until_it_answers() {
    let replica = replica();
    let a_while = Duration::from_millis(20);
    replica.follow(&log([]), a_while, || {}).await;
    assert!(!is_failing(&replica));
    replica.follow(&log([Err(away())]), a_while, || {}).await;
    assert!(is_failing(&replica));
    replica
        .follow(&log([Ok(nothing_at("0"))]), a_while, || {})
        .await;
    assert!(!is_failing(&replica));
}

/// A log that begins and is silent from then on.
struct Silent;

#[async_trait::async_trait]
impl ChangeLog for Silent {
    async fn about(
        &self,
        _: user_domain::values::UserId,
    ) -> Result<Vec<user_domain::user::Event>, StoreError> {
        Ok(Vec::new())
    }

    async fn position(&self) -> Result<LogPosition, StoreError> {
        Ok(position("0"))
    }

    async fn since(&self, _: &LogPosition) -> Result<Changes, StoreError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_log_that_is_silent_is_known_to_be_away() {
    let replica = replica();
    let Replica {
        tail,
        first,
        freshness,
        meters,
    } = &replica;
    let follow = tail.follow(&Silent, first, freshness, meters, || {});
    // The first look is done at once; the second gives up after its deadline.
    let time = INTERVAL + DEADLINE + Duration::from_millis(600);
    assert!(timeout(time, follow).await.is_err());
    assert!(is_failing(&replica));
}
