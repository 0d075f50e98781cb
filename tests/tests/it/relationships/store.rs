//! The relationship store on PostgreSQL under manual changes, writes of earlier releases and many concurrent writers.

mod count_maintenance;
mod races;

pub(crate) use races::counts_are_correct_after_race;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sqlx::{self, PgConnection, Row};
use user_adapters::guards::Guards;
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::StoreError;
use user_domain::import::ImportLedger;
use user_domain::ports::IdGenerator as _;
use user_domain::ports::{
    FollowCountMaintenance as _, RelationshipWritten, Relationships as _, UserImport as _,
};
use user_domain::relationship::{Edge, RelationshipChange, RelationshipWrite};
use user_domain::test_support::fakes::SequentialIds;
use user_domain::test_support::samples;
use user_domain::values::UserId;
use user_domain::write::WriteError;
use user_tests::PostgresDatabase;

/// Starts far above the ids of the samples in the same store.
static EVENT_IDS: SequentialIds = SequentialIds::starting_at(1 << 41);

/// The time within which an expected event must happen.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) async fn replica(database: &PostgresDatabase, guards: Guards) -> Arc<SeaOrmUsers> {
    let options = PoolOptions {
        max_connections: 16,
        guards,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&database.url(), &options).await;
    Arc::new(SeaOrmUsers::new(connections.unwrap()))
}

/// Adds users, in the order of their ids.
pub(crate) async fn add_users(store: &SeaOrmUsers, count: usize) -> Vec<UserId> {
    let batch: Vec<_> = (0..count)
        .map(|n| samples::import(samples::record(samples::new_user(&format!("person{n:03}")))))
        .collect();
    let ledger = ImportLedger::default();
    let outcomes = store.import(&batch, &ledger).await.unwrap().outcomes;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    batch.iter().map(|one| one.fresh_id).collect()
}

pub(crate) async fn relate(
    store: &SeaOrmUsers,
    from: UserId,
    change: RelationshipChange,
    to: UserId,
) -> Result<RelationshipWritten, WriteError> {
    let write = RelationshipWrite {
        edge: Edge::between(from, to).unwrap(),
        change,
        event_ids: std::array::from_fn(|_| EVENT_IDS.event_id()),
    };
    store.change_relationship(&write, &samples::context()).await
}

/// Repeats a write until a connection is free in time. A slow machine may refuse some of many concurrent writes.
pub(crate) async fn retry_unavailable<T>(write: impl AsyncFn() -> Result<T, WriteError>) -> T {
    let started = Instant::now();
    loop {
        match write().await {
            Err(WriteError::Store(StoreError::Unavailable(_))) if started.elapsed() < TIMEOUT => {}
            done => return done.unwrap(),
        }
    }
}

pub(crate) async fn follow(store: &SeaOrmUsers, from: UserId, to: UserId) {
    retry_unavailable(async || relate(store, from, RelationshipChange::Follow, to).await).await;
}

/// Applies all pending count updates, and returns the number of relationships that were examined.
pub(crate) async fn apply_all_pending(store: &SeaOrmUsers) -> u64 {
    let mut examined = 0;
    loop {
        let batch = store.apply_pending().await.unwrap();
        assert!(
            batch.relationships
                <= u64::from(user_domain::ports::PendingCountsBatch::MAX_RELATIONSHIPS)
        );
        examined += batch.relationships;
        if !batch.has_more {
            assert_eq!(batch.waiting, 0);
            return examined;
        }
    }
}

async fn number(db: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query(sql).fetch_one(db).await.unwrap().get(0)
}

async fn run(db: &mut PgConnection, sql: &'static str, of: &[UserId]) {
    let mut query = sqlx::query(sql);
    for user in of {
        query = query.bind(user.as_uuid());
    }
    query.execute(db).await.unwrap();
}

/// Asserts that the counts of each user match its lists, without a viewer and as seen by the first user.
pub(crate) async fn assert_counts_match_lists(
    store: &SeaOrmUsers,
    db: &mut PgConnection,
    of: &[UserId],
) {
    for viewer in [None, of.first().copied()] {
        let counts = store.counts(of, viewer).await.unwrap();
        for (user, counts) in of.iter().zip(counts) {
            let row = sqlx::query(LISTED)
                .bind(user.as_uuid())
                .bind(viewer.map(UserId::as_uuid))
                .fetch_one(&mut *db)
                .await
                .unwrap();
            let listed: (i64, i64) = (row.get(0), row.get(1));
            let counted = (
                i64::try_from(counts.followers).unwrap(),
                i64::try_from(counts.following).unwrap(),
            );
            assert_eq!(counted, listed, "{user} as seen by {viewer:?}");
        }
    }
}

/// Asserts that counts are the sums of the counted relationships, and that no follow exists beside a block.
async fn assert_sums(db: &mut PgConnection) {
    assert_eq!(number(db, WRONG_SUMS).await, 0);
    assert_eq!(number(db, FOLLOWS_BESIDE_BLOCKS).await, 0);
}

/// Asserts that no count update is pending, that counted flags match the users, and that no row belongs to a missing
/// user.
async fn assert_all_applied(db: &mut PgConnection) {
    assert_sums(db).await;
    let pending = "SELECT count(*) FROM unsettled_users";
    assert_eq!(number(db, pending).await, 0);
    assert_eq!(number(db, WRONG_FLAGS).await, 0);
    assert_eq!(number(db, OF_MISSING_USERS).await, 0);
}

const LISTED: &str = "
    WITH hidden AS (
        SELECT target_id AS id FROM blocks WHERE blocker_id = $2
        UNION SELECT blocker_id FROM blocks WHERE target_id = $2
    ), shown AS (
        SELECT id FROM users WHERE deleted_at IS NULL AND standing = 'active' AND id NOT IN (SELECT id FROM hidden)
    )
    SELECT (SELECT count(*) FROM follows WHERE target_id = known.id AND follower_id IN (SELECT id FROM shown)),
        (SELECT count(*) FROM follows WHERE follower_id = known.id AND target_id IN (SELECT id FROM shown))
    FROM (SELECT 1) AS one LEFT JOIN users AS known ON known.id = $1";

const WRONG_SUMS: &str = "
    SELECT count(*) FROM users AS u WHERE
        (SELECT coalesce(sum(followers), 0) FROM follow_counts WHERE user_id = u.id)
            <> (SELECT count(*) FROM follows WHERE target_id = u.id AND follower_counted)
        OR (SELECT coalesce(sum(following), 0) FROM follow_counts WHERE user_id = u.id)
            <> (SELECT count(*) FROM follows WHERE follower_id = u.id AND target_counted)";

const FOLLOWS_BESIDE_BLOCKS: &str = "
    SELECT count(*) FROM follows AS f JOIN blocks AS b
    ON b.blocker_id IN (f.follower_id, f.target_id) AND b.target_id IN (f.follower_id, f.target_id)";

const WRONG_FLAGS: &str = "
    SELECT count(*) FROM follows AS f
    LEFT JOIN users AS a ON a.id = f.follower_id LEFT JOIN users AS b ON b.id = f.target_id
    WHERE f.follower_counted <> coalesce(a.deleted_at IS NULL AND a.standing = 'active', false)
        OR f.target_counted <> coalesce(b.deleted_at IS NULL AND b.standing = 'active', false)";

const OF_MISSING_USERS: &str = "
    SELECT count(*) FROM (
        SELECT follower_id AS id FROM follows UNION SELECT target_id FROM follows
        UNION SELECT blocker_id FROM blocks UNION SELECT target_id FROM blocks WHERE target_username IS NOT NULL
        UNION SELECT user_id FROM follow_counts
    ) AS known WHERE id NOT IN (SELECT id FROM users)";
