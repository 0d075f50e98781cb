//! Many concurrent writers: no deadlocks, and correct counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::sqlx::{self, Connection as _, PgConnection};
use user_adapters::guards::Guards;
use user_adapters::sea_orm::SeaOrmUsers;
use user_domain::StoreError;
use user_domain::ports::{
    CountAuditBatch, FollowCountMaintenance as _, IdGenerator as _, Relationships as _,
    UserWriter as _,
};
use user_domain::relationship::{Edge, NewFollow, RelationshipChange};
use user_domain::test_support::samples;
use user_domain::user::Change;
use user_domain::values::UserId;
use user_domain::write::WriteError;
use user_tests::PostgresDatabase;

use super::{
    EVENT_IDS, FOLLOWS_BESIDE_BLOCKS, TIMEOUT, add_users, apply_all_pending, assert_all_applied,
    assert_counts_match_lists, assert_sums, follow, number, relate, replica, retry_unavailable,
    run,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follow_does_not_wait_for_a_locked_count_row() {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let users = add_users(&store, 40).await;
    let popular = users[0];
    follow(&store, users[1], popular).await;
    let mut db = database.connect().await;
    let mut holder = db.begin().await.unwrap();
    let parts = "SELECT part FROM follow_counts WHERE user_id = $1 FOR UPDATE";
    run(&mut holder, parts, &[popular]).await;
    follow(&store, users[2], popular).await;
    holder.rollback().await.unwrap();
    let parts = "SELECT count(*) FROM follow_counts WHERE followers > 0";
    assert_eq!(number(&mut db, parts).await, 2);
    let others = &users[3..];
    join_all(others.iter().map(|fan| follow(&store, *fan, popular))).await;
    assert!(number(&mut db, parts).await <= 16);
    assert_all_applied(&mut db).await;
    assert_counts_match_lists(&store, &mut db, &users).await;
}

/// Waits until this number of database connections wait for locks, or until the race is over.
async fn wait_for_locks(db: &mut PgConnection, count: i64, is_over: impl Fn() -> bool) {
    let started = Instant::now();
    while number(db, WAITING).await < count && !is_over() {
        assert!(
            started.elapsed() < TIMEOUT,
            "no connection waits for a lock"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

const WAITING: &str = "
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// Deletes a user while its follow of another user is in progress. Returns whether the counts of the other are correct.
pub(crate) async fn counts_are_correct_after_race(guards: Guards) -> bool {
    let started = Instant::now();
    loop {
        if let Some(is_correct) = race_a_follow_with_a_deletion(guards).await {
            return is_correct;
        }
        assert!(started.elapsed() < TIMEOUT, "the follow never succeeds");
    }
}

/// Returns none if the follow failed: it may wait too long for a lock on a slow machine.
async fn race_a_follow_with_a_deletion(guards: Guards) -> Option<bool> {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, guards).await;
    // A second replica, because one replica serialises writes to the same user.
    let other = replica(&database, guards).await;
    let users = add_users(&store, 2).await;
    let (fan, popular) = (users[0], users[1]);
    let (mut db, mut observer) = (database.connect().await, database.connect().await);
    // An uncommitted insertion of the same row blocks the follow after it has checked the status of both users.
    let mut holder = db.begin().await.unwrap();
    let same_row = "INSERT INTO follows VALUES ($1, $2, now(), true, true)";
    run(&mut holder, same_row, &[fan, popular]).await;
    let follows = tokio::spawn({
        let store = store.clone();
        async move { relate(&store, fan, RelationshipChange::Follow, popular).await }
    });
    wait_for_locks(&mut observer, 1, || follows.is_finished()).await;
    let deletion = tokio::spawn({
        let other = other.clone();
        async move {
            let context = samples::context();
            other.change(fan, &Change::Delete, &context).await
        }
    });
    let is_over = || deletion.is_finished() || follows.is_finished();
    wait_for_locks(&mut observer, 2, is_over).await;
    holder.rollback().await.unwrap();
    let followed = follows.await.unwrap();
    deletion.await.unwrap().ok()?;
    followed.ok()?;
    let counted = store.counts(&[popular], None).await.unwrap()[0].followers;
    apply_all_pending(&store).await;
    let applied = store.counts(&[popular], None).await.unwrap()[0].followers;
    assert_eq!(counted, applied);
    Some(counted == 0)
}

const USERS: usize = 12;
const TASKS: usize = 24;
const STEPS: usize = 40;

/// Executes random operations, which may be refused or time out but not fail otherwise. Returns the number of timeouts.
async fn write_randomly(store: Arc<SeaOrmUsers>, users: Vec<UserId>, seed: usize) -> usize {
    use rand::{RngExt as _, SeedableRng as _};
    let mut random = rand::rngs::StdRng::seed_from_u64(u64::try_from(seed).unwrap());
    let mut timeouts = 0;
    for _ in 0..STEPS {
        let from = users[random.random_range(0..USERS)];
        let to = users[random.random_range(0..USERS)];
        let user = users[random.random_range(0..USERS)];
        let pairs: Vec<(usize, usize)> = (0..8)
            .map(|_| (random.random_range(0..USERS), random.random_range(0..USERS)))
            .collect();
        let context = samples::context();
        let related = |change| {
            let store = store.clone();
            async move {
                match Edge::between(from, to) {
                    Some(_) => relate(&store, from, change, to).await.map(drop),
                    None => Ok(()),
                }
            }
        };
        let changed = |change| {
            let (store, context) = (store.clone(), context.clone());
            async move { store.change(user, &change, &context).await.map(drop) }
        };
        let done: Result<(), WriteError> = match random.random_range(0..14) {
            0..4 => related(RelationshipChange::Follow).await,
            4 => related(RelationshipChange::Unfollow).await,
            5 => related(RelationshipChange::Block).await,
            6 => related(RelationshipChange::Unblock).await,
            7 => changed(Change::Delete).await,
            8 => changed(Change::Restore).await,
            9 => changed(Change::suspend()).await,
            10 => changed(Change::Activate).await,
            11 => {
                let edges = pairs
                    .iter()
                    .filter_map(|(from, to)| Edge::between(users[*from], users[*to]));
                let follows = edges.map(|edge| NewFollow {
                    edge,
                    event_id: EVENT_IDS.event_id(),
                });
                let follows: Vec<NewFollow> = follows.collect();
                let done = store.follow_many(&follows, &context).await;
                done.map(drop)
            }
            12 => store
                .apply_pending()
                .await
                .map(drop)
                .map_err(WriteError::Store),
            _ => {
                let at =
                    samples::start().plus(CountAuditBatch::INTERVAL * u32::try_from(seed).unwrap());
                let audited = store.audit(at).await.map_err(WriteError::Store);
                audited.map(|audited| {
                    let drift = audited.followers_drift + audited.following_drift;
                    assert_eq!(drift, 0, "a count was wrong");
                })
            }
        };
        match done {
            Ok(()) | Err(WriteError::NotFound | WriteError::Refused(_)) => {}
            Err(WriteError::Store(StoreError::Unavailable(why))) => {
                assert!(!why.contains("deadlock"), "{why}");
                timeouts += 1;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    timeouts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writes_of_all_kinds_never_deadlock_and_keep_counts_correct() {
    let database = PostgresDatabase::create().await;
    let mut db = database.connect().await;
    detect_deadlocks_early(&mut db).await;
    let stores = [
        replica(&database, Guards::default()).await,
        replica(&database, Guards::default()).await,
    ];
    let users = add_users(&stores[0], USERS).await;
    let tasks = (0..TASKS).map(|n| {
        let task = write_randomly(stores[n % 2].clone(), users.clone(), n + 1);
        tokio::spawn(task)
    });
    let tasks: Vec<_> = tasks.collect();
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(number(&mut db, FOLLOWS_BESIDE_BLOCKS).await, 0);
        assert_sums(&mut db).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut timeouts = 0;
    for task in tasks {
        timeouts += task.await.unwrap();
    }
    assert!(timeouts < TASKS * STEPS / 2, "{timeouts} writes timed out");
    assert_counts_match_lists(&stores[0], &mut db, &users).await;
    apply_all_pending(&stores[0]).await;
    assert_all_applied(&mut db).await;
    assert_counts_match_lists(&stores[1], &mut db, &users).await;
}

/// Makes PostgreSQL report a deadlock before the lock timeout hides it. Without the right to set this, the test notices
/// deadlocks by the number of timeouts.
async fn detect_deadlocks_early(db: &mut PgConnection) {
    let statement = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 100', current_database());
        EXCEPTION WHEN insufficient_privilege THEN NULL; END $$";
    sqlx::query(statement).execute(db).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_racing_follow_and_block_never_both_remain() {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let other = replica(&database, Guards::default()).await;
    let mut db = database.connect().await;
    let users = add_users(&store, 24).await;
    for _ in 0..8 {
        let races = users.chunks(2).map(|pair| {
            let (store, other) = (store.clone(), other.clone());
            async move {
                let follow = relate(&store, pair[0], RelationshipChange::Follow, pair[1]);
                let block = async || {
                    let block = RelationshipChange::Block;
                    relate(&other, pair[1], block, pair[0]).await
                };
                let _ = tokio::join!(follow, retry_unavailable(block));
            }
        });
        join_all(races).await;
        assert_eq!(number(&mut db, FOLLOWS_BESIDE_BLOCKS).await, 0);
        assert_eq!(number(&mut db, "SELECT count(*) FROM follows").await, 0);
        for pair in users.chunks(2) {
            let unblocked = relate(&store, pair[1], RelationshipChange::Unblock, pair[0]);
            unblocked.await.unwrap();
        }
    }
    assert_all_applied(&mut db).await;
}
