//! No reader of the event feed misses an event of a concurrent write.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::sqlx::{Connection, Executor, Row};
use tokio::time::sleep;
use user_adapters::guards::{Guard, Guards};
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::StoreError;
use user_domain::event_frontier::FrontierTracker;
use user_domain::ports::{
    EventFeed, FeedError, FeedEventKind, FeedRequest, FeedStart, Records, Retention, UserEvent,
    UserWriter,
};
use user_domain::test_support::samples;
use user_domain::values::UserId;
use user_domain::write::WriteError;
use user_tests::PostgresDatabase;

const WRITERS: usize = 8;
const WRITES: usize = 150;
const USERS: usize = 6;
/// One of this many transactions is rolled back after it has drawn a number.
const ROLLED_BACK: usize = 20;
/// The time after which readers that have not reached the end fail the test.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// An event as a reader received it: its position, its user and the user's revision.
type Received = (i64, UserId, i64);

/// What readers saw of racing writes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    skipped: usize,
    repeated: usize,
    falling: usize,
}

const INSERT: &str = "
    INSERT INTO events (id, type, subject_kind, subject_id, version, changed, actor, at)
    VALUES (gen_random_uuid(), 'user.updated', 'user', gen_random_uuid(), 1, '[]', 'operator', now())";

async fn store(database: &PostgresDatabase, guards: Guards) -> Arc<SeaOrmUsers> {
    let options = PoolOptions {
        max_connections: 8,
        guards,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&database.url(), &options).await;
    Arc::new(SeaOrmUsers::new(connections.unwrap()))
}

/// Repeats an operation while the store is too busy for it, as on a machine that does much else.
async fn until_free<T, E>(
    operation: impl AsyncFn() -> Result<T, E>,
    is_busy: impl Fn(&E) -> bool,
) -> Result<T, E> {
    loop {
        let done = operation().await;
        match &done {
            Err(error) if is_busy(error) => sleep(Duration::from_millis(10)).await,
            _ => return done,
        }
    }
}

/// Writes as one of the writers, and rolls some transactions back.
async fn write(database: &PostgresDatabase, store: &SeaOrmUsers, users: &[UserId], writer: usize) {
    let mut other = database.connect().await;
    for number in 0..WRITES {
        if number % ROLLED_BACK == writer {
            let mut transaction = other.begin().await.unwrap();
            transaction.execute(INSERT).await.unwrap();
            transaction.rollback().await.unwrap();
        } else {
            let user = users[(number + writer) % users.len()];
            let change = samples::set_name(&format!("{writer} {number}"));
            let is_busy =
                |error: &WriteError| matches!(error, WriteError::Store(StoreError::Unavailable(_)));
            let write = async || store.change(user, &change, &samples::context()).await;
            until_free(write, is_busy).await.unwrap();
        }
    }
}

/// Reads the feed along one cursor until all writers have ended and the end is reached.
async fn read(store: &SeaOrmUsers, writing: &AtomicUsize) -> Vec<Received> {
    let (mut tracker, mut received) = (FrontierTracker::default(), Vec::new());
    let (mut start, began) = (FeedStart::Oldest, Instant::now());
    loop {
        assert!(began.elapsed() < READ_TIMEOUT, "the frontier is stuck");
        let is_over = writing.load(Ordering::Acquire) == 0;
        let look = async || store.look(tracker.settled().cloned()).await;
        let look = until_free(look, |error| matches!(error, StoreError::Unavailable(_)));
        let look = look.await.unwrap();
        let newest = look.newest.at;
        tracker.observe(look, began.elapsed());
        let Some(until) = tracker.settled().cloned() else {
            continue;
        };
        let request = FeedRequest {
            start,
            until,
            kinds: FeedEventKind::all().collect(),
            subject: None,
            limit: 50,
        };
        let is_busy =
            |error: &FeedError| matches!(error, FeedError::Store(StoreError::Unavailable(_)));
        let page = until_free(async || store.page(&request).await, is_busy).await;
        let page = page.unwrap();
        received.extend(page.events.iter().map(|event| match &event.event {
            UserEvent::User(about) => (event.at.get(), about.subject_id, about.revision.get()),
            UserEvent::Relationship(_) => panic!("no relationship was written"),
        }));
        start = FeedStart::After(page.end);
        if is_over && !page.has_more && page.end.at == newest {
            return received;
        }
    }
}

/// Lets two readers follow the feed beside eight writers on two replicas, while a transaction of another database of the
/// server stays open.
async fn seen_beside_racing_writers(guards: Guards) -> Seen {
    let database = PostgresDatabase::create().await;
    let elsewhere = PostgresDatabase::create().await;
    let mut foreign = elsewhere.connect().await;
    let mut foreign = foreign.begin().await.unwrap();
    foreign.execute(INSERT).await.unwrap();
    let replicas = [
        store(&database, guards).await,
        store(&database, guards).await,
    ];
    let mut users = Vec::new();
    for number in 0..USERS {
        let new = samples::new_user(&format!("user{number}"));
        let user = samples::registered(&new, &samples::context());
        replicas[0].add(&user, &samples::context()).await.unwrap();
        users.push(user.user.id);
    }
    let writing = AtomicUsize::new(WRITERS);
    let writers = join_all((0..WRITERS).map(|writer| {
        let (replica, database, users, writing) =
            (&replicas[writer % 2], &database, &users, &writing);
        async move {
            write(database, replica, users, writer).await;
            writing.fetch_sub(1, Ordering::Release);
        }
    }));
    let readers = join_all(replicas.iter().map(|replica| read(replica, &writing)));
    let (_, received) = tokio::join!(writers, readers);
    foreign.rollback().await.unwrap();

    let mut connection = database.connect().await;
    let rows = connection
        .fetch_all("SELECT seq FROM events")
        .await
        .unwrap();
    let written: HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    let mut seen = Seen::default();
    for received in received {
        let distinct: HashSet<i64> = received.iter().map(|(at, ..)| *at).collect();
        seen.skipped += written.difference(&distinct).count();
        seen.repeated += received.len() - distinct.len();
        let mut revisions = HashMap::new();
        for (_, user, revision) in received {
            let last = revisions.insert(user, revision).unwrap_or_default();
            seen.falling += usize::from(revision <= last);
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fence_keeps_readers_from_skipping_events() {
    let seen = seen_beside_racing_writers(Guards::default()).await;
    assert_eq!(seen, Seen::default());
    let without = seen_beside_racing_writers(Guards::without(Guard::FeedFence)).await;
    assert!(
        without.skipped > 0,
        "nothing was skipped without the fence, so the race proves nothing: {without:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_keeps_events_after_one_that_is_not_yet_visible() {
    let database = PostgresDatabase::create().await;
    let store = store(&database, Guards::default()).await;
    let mut slow = database.connect().await;
    let mut slow = slow.begin().await.unwrap();
    slow.execute(INSERT).await.unwrap();
    let user = samples::registered(&samples::new_user("alice"), &samples::context());
    store.add(&user, &samples::context()).await.unwrap();
    let due = samples::start().plus(Records::Events.retention());
    let purge = || store.purge(Records::Events, due);
    assert_eq!(purge().await.unwrap().removed, 0);
    slow.rollback().await.unwrap();
    assert_eq!(purge().await.unwrap().removed, 1);
}
