//! Many writers at once: nobody waits for one who waits for it, and what they leave is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::sqlx::{self, Connection as _, PgConnection};
use user_adapters::guards::Guards;
use user_adapters::sea_orm::SeaOrmUsers;
use user_domain::StoreError;
use user_domain::ports::{
    IdGenerator as _, Recounted, RelationshipUpkeep as _, Relationships as _, UserWriter as _,
};
use user_domain::relationship::{Edge, NewFollow, RelationshipChange};
use user_domain::test_support::samples;
use user_domain::user::Change;
use user_domain::values::UserId;
use user_domain::write::WriteError;
use user_tests::PostgresDatabase;

use super::{
    BOTH, EVENT_IDS, PATIENCE, assert_settled, assert_sums, assert_told_truly, follow, number,
    people, relate, replica, run, settle, until_done,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_does_not_wait_for_another_who_is_counted() {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let people = people(&store, 40).await;
    let popular = people[0];
    follow(&store, people[1], popular).await;
    let mut db = database.connect().await;
    let mut held = db.begin().await.unwrap();
    let parts = "SELECT part FROM follow_counts WHERE user_id = $1 FOR UPDATE";
    run(&mut held, parts, &[popular]).await;
    follow(&store, people[2], popular).await;
    held.rollback().await.unwrap();
    let parts = "SELECT count(*) FROM follow_counts WHERE followers > 0";
    assert_eq!(number(&mut db, parts).await, 2);
    let others = &people[3..];
    join_all(others.iter().map(|fan| follow(&store, *fan, popular))).await;
    assert!(number(&mut db, parts).await <= 16);
    assert_settled(&mut db).await;
    assert_told_truly(&store, &mut db, &people).await;
}

/// Waits until so many of the database's connections wait for locks, or something has happened.
async fn wait_for_locks(db: &mut PgConnection, many: i64, or: impl Fn() -> bool) {
    let begun = Instant::now();
    while number(db, WAITING).await < many && !or() {
        assert!(begun.elapsed() < PATIENCE, "nobody waits for a lock");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

const WAITING: &str = "
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// Lets a user be deleted while its follow of another is half done; tells whether what is told of the other is true then.
pub(crate) async fn is_told_truly_after_a_race(guards: Guards) -> bool {
    let begun = Instant::now();
    loop {
        if let Some(told) = race_a_follow_with_a_deletion(guards).await {
            return told;
        }
        assert!(begun.elapsed() < PATIENCE, "the follow is never done");
    }
}

/// None where the follow was given up: it waits for no lock as long as a slow machine may need.
async fn race_a_follow_with_a_deletion(guards: Guards) -> Option<bool> {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, guards).await;
    // Another, since those who write to one user of one replica take turns.
    let other = replica(&database, guards).await;
    let people = people(&store, 2).await;
    let (fan, popular) = (people[0], people[1]);
    let (mut db, mut looking) = (database.connect().await, database.connect().await);
    // The same follow, by another who does not come to an end, holds it up behind what it was decided by.
    let mut held = db.begin().await.unwrap();
    let twin = "INSERT INTO follows VALUES ($1, $2, now(), true, true)";
    run(&mut held, twin, &[fan, popular]).await;
    let follows = tokio::spawn({
        let store = store.clone();
        async move { relate(&store, fan, RelationshipChange::Follow, popular).await }
    });
    wait_for_locks(&mut looking, 1, || follows.is_finished()).await;
    let deletion = tokio::spawn({
        let other = other.clone();
        async move {
            let context = samples::context();
            other.change(fan, &Change::Delete, &context).await
        }
    });
    let is_over = || deletion.is_finished() || follows.is_finished();
    wait_for_locks(&mut looking, 2, is_over).await;
    held.rollback().await.unwrap();
    let followed = follows.await.unwrap();
    deletion.await.unwrap().ok()?;
    followed.ok()?;
    let told = store.counts(&[popular], None).await.unwrap()[0].followers;
    settle(&store).await;
    let settled = store.counts(&[popular], None).await.unwrap()[0].followers;
    assert_eq!(told, settled);
    Some(told == 0)
}

const PEOPLE: usize = 12;
const TASKS: usize = 24;
const STEPS: usize = 40;

/// Does one thing after another, as the dice fall. Only what is refused or comes too late may fail.
async fn meddle(store: Arc<SeaOrmUsers>, people: Vec<UserId>, seed: usize) -> usize {
    use rand::{RngExt as _, SeedableRng as _};
    let mut dice = rand::rngs::StdRng::seed_from_u64(u64::try_from(seed).unwrap());
    let mut late = 0;
    for _ in 0..STEPS {
        let from = people[dice.random_range(0..PEOPLE)];
        let to = people[dice.random_range(0..PEOPLE)];
        let user = people[dice.random_range(0..PEOPLE)];
        let many: Vec<(usize, usize)> = (0..8)
            .map(|_| (dice.random_range(0..PEOPLE), dice.random_range(0..PEOPLE)))
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
        let done: Result<(), WriteError> = match dice.random_range(0..14) {
            0..4 => related(RelationshipChange::Follow).await,
            4 => related(RelationshipChange::Unfollow).await,
            5 => related(RelationshipChange::Block).await,
            6 => related(RelationshipChange::Unblock).await,
            7 => changed(Change::Delete).await,
            8 => changed(Change::Restore).await,
            9 => changed(Change::Suspend).await,
            10 => changed(Change::Activate).await,
            11 => {
                let edges = many
                    .iter()
                    .filter_map(|(from, to)| Edge::between(people[*from], people[*to]));
                let follows = edges.map(|edge| NewFollow {
                    edge,
                    event_id: EVENT_IDS.event_id(),
                });
                let follows: Vec<NewFollow> = follows.collect();
                let done = store.follow_many(&follows, &context).await;
                done.map(drop)
            }
            12 => store.settle().await.map(drop).map_err(WriteError::Store),
            _ => {
                let at = samples::start().plus(Recounted::EVERY * u32::try_from(seed).unwrap());
                let recounted = store.recount(at).await.map_err(WriteError::Store);
                recounted.map(|recounted| {
                    let drift = recounted.followers_drift + recounted.following_drift;
                    assert_eq!(drift, 0, "something was counted wrongly");
                })
            }
        };
        match done {
            Ok(()) | Err(WriteError::NotFound | WriteError::Refused(_)) => {}
            Err(WriteError::Store(StoreError::Unavailable(why))) => {
                assert!(!why.contains("deadlock"), "{why}");
                late += 1;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    late
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_all_kinds_wait_for_nobody_who_waits_for_them_and_leave_the_truth() {
    let database = PostgresDatabase::create().await;
    let mut db = database.connect().await;
    find_deadlocks_soon(&mut db).await;
    let stores = [
        replica(&database, Guards::default()).await,
        replica(&database, Guards::default()).await,
    ];
    let people = people(&stores[0], PEOPLE).await;
    let tasks = (0..TASKS).map(|n| {
        let task = meddle(stores[n % 2].clone(), people.clone(), n + 1);
        tokio::spawn(task)
    });
    let tasks: Vec<_> = tasks.collect();
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(number(&mut db, BOTH).await, 0);
        assert_sums(&mut db).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut late = 0;
    for task in tasks {
        late += task.await.unwrap();
    }
    assert!(late < TASKS * STEPS / 2, "{late} came too late");
    assert_told_truly(&stores[0], &mut db, &people).await;
    settle(&stores[0]).await;
    assert_settled(&mut db).await;
    assert_told_truly(&stores[1], &mut db, &people).await;
}

/// A deadlock is to be told as such, and not as a lock that was waited for too long. A role that may not ask for that
/// finds it by the share of those who come too late.
async fn find_deadlocks_soon(db: &mut PgConnection) {
    let soon = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 100', current_database());
        EXCEPTION WHEN insufficient_privilege THEN NULL; END $$";
    sqlx::query(soon).execute(db).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_of_a_follow_with_a_block_leaves_either() {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let other = replica(&database, Guards::default()).await;
    let mut db = database.connect().await;
    let people = people(&store, 24).await;
    for _ in 0..8 {
        let races = people.chunks(2).map(|pair| {
            let (store, other) = (store.clone(), other.clone());
            async move {
                let follow = relate(&store, pair[0], RelationshipChange::Follow, pair[1]);
                let block = async || {
                    let block = RelationshipChange::Block;
                    relate(&other, pair[1], block, pair[0]).await
                };
                let _ = tokio::join!(follow, until_done(block));
            }
        });
        join_all(races).await;
        assert_eq!(number(&mut db, BOTH).await, 0);
        assert_eq!(number(&mut db, "SELECT count(*) FROM follows").await, 0);
        for pair in people.chunks(2) {
            let unblocked = relate(&store, pair[1], RelationshipChange::Unblock, pair[0]);
            unblocked.await.unwrap();
        }
    }
    assert_settled(&mut db).await;
}
