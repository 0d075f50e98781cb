//! What the store of relationships keeps of its promises on PostgreSQL when hands, releases and many writers are at it.

mod races;
mod upkeep;

pub(crate) use races::is_told_truly_after_a_race;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sqlx::{self, PgConnection, Row};
use user_adapters::guards::Guards;
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::StoreError;
use user_domain::ports::IdGenerator as _;
use user_domain::ports::{
    RelationshipUpkeep as _, RelationshipWritten, Relationships as _, UserImport as _,
};
use user_domain::relationship::{Edge, RelationshipChange, RelationshipWrite};
use user_domain::test_support::fakes::SequentialIds;
use user_domain::test_support::samples;
use user_domain::values::UserId;
use user_domain::write::WriteError;
use user_tests::PostgresDatabase;

/// Far from the ids of samples, which stand in the same store.
static EVENT_IDS: SequentialIds = SequentialIds::starting_at(1 << 41);

/// How long what has to happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn replica(database: &PostgresDatabase, guards: Guards) -> Arc<SeaOrmUsers> {
    let options = PoolOptions {
        max_connections: 16,
        guards,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&database.url(), &options).await;
    Arc::new(SeaOrmUsers::new(connections.unwrap()))
}

/// Adds some users, in the order of their ids.
pub(crate) async fn people(store: &SeaOrmUsers, many: usize) -> Vec<UserId> {
    let batch: Vec<_> = (0..many)
        .map(|n| samples::import(samples::record(samples::new_user(&format!("person{n:03}")))))
        .collect();
    let outcomes = store.import(&batch).await.unwrap();
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
    store.relate(&write, &samples::context()).await
}

/// Tries until there is a connection in time: many at once may be more than a slow machine has.
pub(crate) async fn until_done<T>(write: impl AsyncFn() -> Result<T, WriteError>) -> T {
    let begun = Instant::now();
    loop {
        match write().await {
            Err(WriteError::Store(StoreError::Unavailable(_))) if begun.elapsed() < PATIENCE => {}
            done => return done.unwrap(),
        }
    }
}

pub(crate) async fn follow(store: &SeaOrmUsers, from: UserId, to: UserId) {
    until_done(async || relate(store, from, RelationshipChange::Follow, to).await).await;
}

/// Settles until nothing is left, and gives how many relationships were looked at.
pub(crate) async fn settle(store: &SeaOrmUsers) -> u64 {
    let mut looked_at = 0;
    loop {
        let settled = store.settle().await.unwrap();
        assert!(settled.relationships <= u64::from(user_domain::ports::Settled::MOST));
        looked_at += settled.relationships;
        if !settled.has_more {
            assert_eq!(settled.waiting, 0);
            return looked_at;
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

/// Asserts that what is told of each user is what its lists have, through nobody's eyes and one's.
pub(crate) async fn assert_told_truly(store: &SeaOrmUsers, db: &mut PgConnection, of: &[UserId]) {
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
            let told = (
                i64::try_from(counts.followers).unwrap(),
                i64::try_from(counts.following).unwrap(),
            );
            assert_eq!(told, listed, "{user} in the eyes of {viewer:?}");
        }
    }
}

/// Asserts that counts are the sums of what says that it is counted, and that nobody follows whom it blocks.
async fn assert_sums(db: &mut PgConnection) {
    assert_eq!(number(db, WRONG_SUMS).await, 0);
    assert_eq!(number(db, BOTH).await, 0);
}

/// Asserts that nobody is left to settle, that all is counted by what users are, and that nothing is kept of nobody.
async fn assert_settled(db: &mut PgConnection) {
    assert_sums(db).await;
    let unsettled = "SELECT count(*) FROM unsettled_users";
    assert_eq!(number(db, unsettled).await, 0);
    assert_eq!(number(db, WRONG_FLAGS).await, 0);
    assert_eq!(number(db, OF_NOBODY).await, 0);
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

const BOTH: &str = "
    SELECT count(*) FROM follows AS f JOIN blocks AS b
    ON b.blocker_id IN (f.follower_id, f.target_id) AND b.target_id IN (f.follower_id, f.target_id)";

const WRONG_FLAGS: &str = "
    SELECT count(*) FROM follows AS f
    LEFT JOIN users AS a ON a.id = f.follower_id LEFT JOIN users AS b ON b.id = f.target_id
    WHERE f.follower_counted <> coalesce(a.deleted_at IS NULL AND a.standing = 'active', false)
        OR f.target_counted <> coalesce(b.deleted_at IS NULL AND b.standing = 'active', false)";

const OF_NOBODY: &str = "
    SELECT count(*) FROM (
        SELECT follower_id AS id FROM follows UNION SELECT target_id FROM follows
        UNION SELECT blocker_id FROM blocks UNION SELECT target_id FROM blocks
        UNION SELECT user_id FROM follow_counts
    ) AS known WHERE id NOT IN (SELECT id FROM users)";
