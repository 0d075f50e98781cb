use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::Counter;
use user_domain::ports::{
    Changed, Changes, Discontinuity, EventPage, EventPosition, EventsRequest, FreshnessSource,
    PastChanges,
};
use user_domain::test_support::mocks::MockChangeLog;
use user_domain::test_support::samples;
use user_domain::user::{EventKind, User};

use super::*;
use crate::cache::memory::MemoryLookup;
use crate::cache::recent_changes::SealedHeader;
use crate::guards::Guards;

/// Far longer than any scan takes.
const SCAN_TIMEOUT: Duration = Duration::from_mins(1);

/// A poller with everything that a poll updates.
struct Replica {
    poller: OutboxPoller,
    memory: Arc<MemoryTier>,
    freshness: FreshnessTracker,
    meters: Arc<Meters>,
}

fn replica() -> Replica {
    let meters = Arc::default();
    Replica {
        poller: OutboxPoller::default(),
        memory: Arc::new(MemoryTier::new(1 << 20, Guards::default(), &meters)),
        freshness: FreshnessTracker::new(Guards::default()),
        meters,
    }
}

impl Replica {
    async fn poll(&self, log: &MockChangeLog) -> Result<(), StoreError> {
        let started = Instant::now();
        self.poller
            .poll(log, &self.memory, &self.meters, started)
            .await
    }

    /// Polls a log for a time.
    async fn follow(&self, log: &MockChangeLog, time: Duration, measure: impl Fn()) {
        let Self {
            poller,
            memory,
            freshness,
            meters,
        } = self;
        let follow = poller.run(log, memory, freshness, meters, measure);
        assert!(timeout(time, follow).await.is_err(), "it never ends");
    }

    /// Polls a log until a condition holds.
    async fn follow_until(&self, log: &MockChangeLog, is_reached: impl Fn() -> bool) {
        let deadline = Instant::now() + SCAN_TIMEOUT;
        while !is_reached() {
            assert!(
                Instant::now() < deadline,
                "the condition is not met in time"
            );
            self.follow(log, POLL_INTERVAL * 2, || {}).await;
        }
    }

    /// Continues the backward scan, however slow the machine is.
    async fn scan(&self, log: &MockChangeLog) {
        let recent = self.poller.recent.as_ref().unwrap();
        let until = Instant::now() + SCAN_TIMEOUT;
        self.poller
            .scan
            .lock()
            .await
            .run_until(log, recent, until)
            .await;
    }

    /// Caches a user.
    fn fill(&self) -> Arc<User> {
        let user = Arc::new(samples::user("alice"));
        assert!(self.memory.fill(self.memory.lease(user.id), Some(&user)));
        user
    }

    fn knows(&self, user: &User) -> bool {
        matches!(self.memory.look_up(user.id), MemoryLookup::Known(_))
    }

    async fn corrections(&self) -> Vec<Correction> {
        let mut received = self.poller.corrections().await;
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

fn unavailable() -> StoreError {
    StoreError::Unavailable("away".to_owned())
}

fn nothing_at(text: &str) -> Changes {
    Changes {
        changed: Vec::new(),
        tokens: Vec::new(),
        complete: true,
        discontinuity: None,
        position: position(text),
    }
}

fn changed(user: &User, revision: i64) -> Changed {
    Changed {
        id: user.id,
        revision: user_domain::values::Revision::from_i64(revision).unwrap(),
        kind: EventKind::Updated,
        at: user.updated_at,
    }
}

/// Returns a log that starts at position 0 and returns these answers, repeating the last one.
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
async fn the_first_poll_clears_earlier_entries_and_leases() {
    let replica = replica();
    let (known, leased) = (replica.fill(), samples::user_id());
    let lease = replica.memory.lease(leased);
    let log = log([Ok(nothing_at("0"))]);
    replica.poll(&log).await.unwrap();
    assert!(!replica.knows(&known));
    assert!(!replica.memory.fill(lease, None), "leased before it");
    assert_eq!(replica.poller.position().await, position("0"));
    assert_eq!(replica.corrections().await.len(), 0, "there was no change");
    let known = replica.fill();
    replica.poll(&log).await.unwrap();
    assert!(replica.knows(&known));
}

#[tokio::test]
async fn each_poll_continues_at_the_last_position() {
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
        replica.poll(&log).await.unwrap();
    }
    assert_eq!(replica.poller.position().await, position("12"));
}

#[tokio::test]
async fn only_changed_users_are_removed() {
    let replica = replica();
    let log = log([Ok(nothing_at("0"))]);
    replica.poll(&log).await.unwrap();
    let [older, same, other] = [replica.fill(), replica.fill(), replica.fill()];
    let changes = Changes {
        changed: vec![changed(&older, 2), changed(&same, 1)],
        ..nothing_at("2")
    };
    let log = self::log([Ok(changes)]);
    replica.poll(&log).await.unwrap();
    assert!(!replica.knows(&older));
    assert!(replica.knows(&same));
    assert!(replica.knows(&other));
}

#[tokio::test]
async fn an_incomplete_poll_clears_the_cache() {
    let replica = replica();
    let known = Changes {
        complete: false,
        ..nothing_at("20000")
    };
    let log = log([Ok(nothing_at("0")), Ok(known), Ok(nothing_at("20000"))]);
    for _ in 0..2 {
        replica.poll(&log).await.unwrap();
    }
    let user = replica.fill();
    let lease = replica.memory.lease(user.id);
    replica.poll(&log).await.unwrap();
    assert!(!replica.knows(&user));
    assert!(!replica.memory.fill(lease, Some(&user)));
    assert_eq!(replica.poller.position().await, position("20000"));
    let user = replica.fill();
    replica.poll(&log).await.unwrap();
    assert!(replica.knows(&user));
    let changes: Vec<bool> = replica
        .corrections()
        .await
        .iter()
        .map(|changes| changes.complete)
        .collect();
    assert_eq!(changes, [true, false, true]);
}

#[tokio::test]
async fn a_restore_is_counted_once_and_the_next_one_again() {
    let [by_server, by_restore] = [(); 2].map(|()| Arc::new(AtomicU64::default()));
    let replica = Replica {
        meters: Arc::new(Meters {
            discontinued_by_server: Counter::from_arc(by_server.clone()),
            discontinued_by_restore: Counter::from_arc(by_restore.clone()),
            ..Meters::default()
        }),
        ..replica()
    };
    let user = samples::user("alice");
    let broken = |cause| Changes {
        complete: false,
        discontinuity: Some(cause),
        ..nothing_at("1")
    };
    let unsettled = || Changes {
        complete: false,
        ..nothing_at("1")
    };
    let written = || Changes {
        changed: vec![changed(&user, 2)],
        ..nothing_at("2")
    };
    let polls = [
        (broken(Discontinuity::Restore), [0, 1]),
        // The restore fills one table after the other.
        (unsettled(), [0, 1]),
        (broken(Discontinuity::Restore), [0, 1]),
        (nothing_at("1"), [0, 1]),
        (broken(Discontinuity::Restore), [0, 1]),
        (written(), [0, 1]),
        (broken(Discontinuity::Server), [1, 1]),
        (broken(Discontinuity::Restore), [1, 2]),
        (written(), [1, 2]),
        (broken(Discontinuity::Restore), [1, 3]),
    ];
    let answers: Vec<Result<Changes, StoreError>> = polls
        .iter()
        .map(|(changes, _)| Ok(changes.clone()))
        .collect();
    let log = log(answers);
    replica.poll(&log).await.unwrap();
    for (number, (_, counted)) in polls.iter().enumerate() {
        replica.poll(&log).await.unwrap();
        let counts = [&by_server, &by_restore].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counts, *counted, "{number}");
    }
}

#[tokio::test]
async fn a_poll_queues_a_numbered_correction() {
    let replica = replica();
    let user = samples::user("alice");
    let changes = Changes {
        changed: vec![changed(&user, 5)],
        ..nothing_at("1")
    };
    let log = log([Ok(changes), Ok(nothing_at("1"))]);
    for _ in 0..3 {
        replica.poll(&log).await.unwrap();
    }
    let corrections = replica.corrections().await;
    let [first, second] = corrections.as_slice() else {
        panic!("{corrections:?}");
    };
    assert_eq!(first.changed, [(user.id, 5)]);
    assert_eq!(first.position, position("1"));
    assert_eq!(second.number, first.number + 1);
    assert!(first.started <= second.started);
    assert_eq!(second.changed, []);
}

#[tokio::test]
async fn corrections_beyond_the_queue_leave_a_gap_in_the_numbers() {
    let replica = replica();
    let answers = (0..=MAX_PENDING_CORRECTIONS + 2).map(|_| Ok(nothing_at("0")));
    let log = log(answers);
    for _ in 0..=MAX_PENDING_CORRECTIONS + 2 {
        replica.poll(&log).await.unwrap();
    }
    let waiting = replica.corrections().await;
    assert_eq!(waiting.len(), MAX_PENDING_CORRECTIONS);
    let last = waiting.last().unwrap().number;
    replica.poll(&log).await.unwrap();
    let next = replica.corrections().await;
    assert_eq!(next.first().unwrap().number, last + 3);
}

#[tokio::test]
async fn a_failed_poll_keeps_the_position() {
    let replica = replica();
    let user = samples::user("alice");
    let changes = Changes {
        changed: vec![changed(&user, 2)],
        ..nothing_at("1")
    };
    let log = log([Err(unavailable()), Ok(changes)]);
    replica.poll(&log).await.unwrap();
    assert_eq!(replica.poll(&log).await, Err(unavailable()));
    assert_eq!(replica.poller.position().await, position("0"));
    assert_eq!(replica.corrections().await.len(), 0);
    replica.poll(&log).await.unwrap();
    assert_eq!(replica.poller.position().await, position("1"));
    assert_eq!(replica.corrections().await[0].changed, [(user.id, 2)]);
}

#[tokio::test]
async fn a_failed_first_position_is_requested_again() {
    let replica = replica();
    let mut log = MockChangeLog::new();
    log.expect_position()
        .times(1)
        .return_once(|| Err(unavailable()));
    assert_eq!(replica.poll(&log).await, Err(unavailable()));
    log.checkpoint();
    log.expect_position().return_once(|| Ok(position("3")));
    replica.poll(&log).await.unwrap();
    assert_eq!(replica.poller.position().await, position("3"));
}

#[tokio::test]
async fn the_poller_polls_and_measures_four_times_a_second() {
    let replica = replica();
    let log = log([]);
    let measured = AtomicUsize::new(0);
    let started = Instant::now();
    replica
        .follow(&log, POLL_INTERVAL * 2 + POLL_INTERVAL / 2, || {
            measured.fetch_add(1, Ordering::Relaxed);
        })
        .await;
    let measured = measured.into_inner();
    assert!((2..=3).contains(&measured), "{measured}");
    assert_eq!(
        replica
            .freshness
            .snapshot()
            .memory_source(started + Duration::from_millis(1)),
        Some(FreshnessSource::Store)
    );
}

/// Whether the database is known to be unavailable: only then do the replicas prove freshness two seconds later.
fn is_known_unavailable(replica: &Replica) -> bool {
    let later = Instant::now() + Duration::from_secs(2);
    replica.freshness.record_heartbeat(later);
    replica.freshness.snapshot().memory_source(later) == Some(FreshnessSource::Replicas)
}

#[tokio::test]
async fn a_failing_log_is_unavailable_until_it_answers() {
    let replica = replica();
    let a_while = Duration::from_millis(20);
    replica.follow(&log([]), a_while, || {}).await;
    assert!(!is_known_unavailable(&replica));
    replica
        .follow(&log([Err(unavailable())]), a_while, || {})
        .await;
    assert!(is_known_unavailable(&replica));
    replica
        .follow(&log([Ok(nothing_at("0"))]), a_while, || {})
        .await;
    assert!(!is_known_unavailable(&replica));
}

/// Returns a replica that also reads users from Redis.
fn replica_with_redis() -> (Replica, Arc<RecentChanges>) {
    let recent = Arc::new(RecentChanges::new(Arc::new(SystemClock), Guards::default()));
    let replica = Replica {
        poller: OutboxPoller::with_recent_changes(recent.clone()),
        ..replica()
    };
    (replica, recent)
}

/// Whether a revision is accepted whose reader started a second ago.
fn accepts(recent: &RecentChanges, user: &User, revision: i64) -> bool {
    let now = recent.now();
    let started = now - 1_000_000;
    recent.accepts(user.id, SealedHeader { revision, started }, now)
}

fn past(changed: Vec<Changed>, next: Option<i64>) -> PastChanges {
    PastChanges {
        latest: changed.iter().map(|change| change.at).max(),
        changed,
        next: next.map(EventPosition::from_store),
    }
}

#[tokio::test]
async fn nothing_is_accepted_from_redis_before_the_backward_scan() {
    let (replica, recent) = replica_with_redis();
    let users = [
        samples::user("alice"),
        samples::user("bob"),
        samples::user("carl"),
    ];
    let mut log = log([]);
    let now = SystemClock.now();
    let of = |place: usize, revision| Changed {
        at: now,
        ..changed(&users[place], revision)
    };
    let pages = [
        (None, past(vec![of(0, 5)], Some(20))),
        (Some(20), past(vec![of(1, 3), of(0, 4)], Some(10))),
        (Some(10), past(Vec::new(), None)),
    ];
    for (from, page) in pages {
        log.expect_before()
            .withf(move |position, _| position.map(EventPosition::get) == from)
            .times(1)
            .return_once(move |_, _| Ok(page));
    }
    assert!(!accepts(&recent, &users[2], 1));
    replica.poll(&log).await.unwrap();
    replica.scan(&log).await;
    assert!(accepts(&recent, &users[2], 1));
    for (place, revision) in [(0, 5), (1, 3)] {
        assert!(!accepts(&recent, &users[place], revision - 1));
        assert!(accepts(&recent, &users[place], revision));
    }
}

#[tokio::test]
async fn an_interrupted_scan_continues_until_it_is_finished() {
    let (replica, recent) = replica_with_redis();
    let user = samples::user("alice");
    let mut log = log([]);
    let recently = Changed {
        at: SystemClock.now(),
        ..changed(&user, 2)
    };
    let mut answers = VecDeque::from([
        Err(unavailable()),
        Ok(past(vec![recently], Some(9))),
        Err(unavailable()),
        Ok(past(Vec::new(), None)),
    ]);
    log.expect_before()
        .times(4)
        .returning(move |_, _| answers.pop_front().unwrap());
    // A poller that is started again continues the scan as well.
    replica
        .follow_until(&log, || accepts(&recent, &user, 2))
        .await;
    assert!(!accepts(&recent, &user, 1));
}

#[tokio::test]
async fn an_incomplete_poll_restarts_the_backward_scan() {
    let (replica, recent) = replica_with_redis();
    let user = samples::user("alice");
    let behind = Changes {
        complete: false,
        ..nothing_at("20000")
    };
    let mut log = log([Ok(behind), Ok(nothing_at("20000"))]);
    let change = changed(&user, 4);
    let mut scans = 0;
    log.expect_before().times(2).returning(move |_, _| {
        scans += 1;
        let known = if scans == 1 { Vec::new() } else { vec![change] };
        Ok(past(known, None))
    });
    replica.poll(&log).await.unwrap();
    replica.scan(&log).await;
    assert!(accepts(&recent, &user, 3));
    replica.poll(&log).await.unwrap();
    assert!(!accepts(&recent, &user, 4), "no change is known");
    replica.scan(&log).await;
    assert!(accepts(&recent, &user, 4));
    assert!(!accepts(&recent, &user, 3));
}

#[tokio::test]
async fn a_polled_revision_is_the_minimum_accepted_from_redis() {
    let (replica, recent) = replica_with_redis();
    let [user, erased] = [samples::user("alice"), samples::user("bob")];
    let changes = Changes {
        changed: vec![
            changed(&user, 5),
            Changed {
                kind: EventKind::Erased,
                ..changed(&erased, 9)
            },
        ],
        ..nothing_at("1")
    };
    let mut log = log([Ok(changes), Ok(nothing_at("1"))]);
    log.expect_before()
        .returning(|_, _| Ok(past(Vec::new(), None)));
    replica.follow(&log, POLL_INTERVAL * 3 / 2, || {}).await;
    assert!(!accepts(&recent, &user, 4));
    assert!(accepts(&recent, &user, 5));
    assert!(!accepts(&recent, &erased, 9));
    assert!(accepts(&recent, &erased, 0));
}

/// A log that returns its first position, and hangs afterwards.
struct Silent;

#[async_trait::async_trait]
impl ChangeLog for Silent {
    async fn about(&self, _: &EventsRequest) -> Result<EventPage, StoreError> {
        Ok(EventPage::default())
    }

    async fn position(&self) -> Result<LogPosition, StoreError> {
        Ok(position("0"))
    }

    async fn since(&self, _: &LogPosition) -> Result<Changes, StoreError> {
        std::future::pending().await
    }

    async fn before(&self, _: Option<EventPosition>, _: u16) -> Result<PastChanges, StoreError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_hanging_log_counts_as_unavailable() {
    let replica = replica();
    let Replica {
        poller,
        memory,
        freshness,
        meters,
    } = &replica;
    let follow = poller.run(&Silent, memory, freshness, meters, || {});
    // The first poll completes at once; the second times out.
    let time = POLL_INTERVAL + POLL_TIMEOUT + Duration::from_millis(600);
    assert!(timeout(time, follow).await.is_err());
    assert!(is_known_unavailable(&replica));
}

#[tokio::test]
async fn a_reader_waits_for_a_poll_that_begins_after_it() {
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = polls.clone();
    let mut log = MockChangeLog::new();
    log.expect_position().returning(|| Ok(position("1")));
    log.expect_since().returning(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(nothing_at("1"))
    });
    let replica = replica();
    let read = async {
        // The first poll reads the position only.
        assert!(replica.poller.catch_up().await);
        for _ in 0..3 {
            let before = polls.load(Ordering::SeqCst);
            assert!(replica.poller.catch_up().await);
            let after = polls.load(Ordering::SeqCst);
            assert!(after > before, "a poll is made for the reader");
        }
    };
    let Replica {
        poller,
        memory,
        freshness,
        meters,
    } = &replica;
    let follow = poller.run(&log, memory, freshness, meters, || {});
    tokio::select! {
        () = follow => unreachable!("it never ends"),
        () = read => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_refused_if_no_poll_succeeds() {
    let mut log = MockChangeLog::new();
    log.expect_position().returning(|| Err(unavailable()));
    let replica = replica();
    let Replica {
        poller,
        memory,
        freshness,
        meters,
    } = &replica;
    let follow = poller.run(&log, memory, freshness, meters, || {});
    tokio::select! {
        () = follow => unreachable!("it never ends"),
        reached = poller.catch_up() => assert!(!reached),
    }
}
