//! Wrong counts are found and corrected. Counts after status changes are updated in small batches.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use sea_orm::sqlx::{self, Connection as _, PgConnection};
use user_adapters::guards::Guards;
use user_adapters::sea_orm::SeaOrmUsers;
use user_domain::ports::{
    ChangeLog as _, CountAuditBatch, FollowCountMaintenance as _, LogPosition, PendingCountsBatch,
    Relationships as _, UserWriter as _,
};
use user_domain::relationship::{Counts, RelationshipChange};
use user_domain::test_support::samples;
use user_domain::user::Change;
use user_domain::values::{Timestamp, UserId};
use user_tests::PostgresDatabase;

use super::{
    TIMEOUT, add_users, apply_all_pending, assert_all_applied, assert_counts_match_lists, follow,
    number, relate, replica, retry_unavailable, run,
};

/// The time at which this audit pass is due.
fn pass(number: u32) -> Timestamp {
    samples::start().plus(CountAuditBatch::INTERVAL * number)
}

/// Audits all users, and returns the corrected differences of followers and of following.
async fn audit_all(store: &SeaOrmUsers, at: Timestamp) -> (u64, u64) {
    let mut drift = (0, 0);
    loop {
        let audited = store.audit(at).await.unwrap();
        drift.0 += audited.followers_drift;
        drift.1 += audited.following_drift;
        if !audited.has_more {
            return drift;
        }
    }
}

/// An empty database, a store on it, and a connection of the test.
async fn empty_store() -> (PostgresDatabase, Arc<SeaOrmUsers>, PgConnection) {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let connection = database.connect().await;
    (database, store, connection)
}

async fn change(store: &SeaOrmUsers, user: UserId, change: Change) {
    retry_unavailable(async || store.change(user, &change, &samples::context()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_counts_are_reported_and_corrected_during_follows() {
    let (_database, store, mut db) = empty_store().await;
    let users = add_users(&store, 250).await;
    let (popular, fans) = users.split_first().unwrap();
    for fan in &fans[..10] {
        follow(&store, *fan, *popular).await;
    }
    let more = "UPDATE follow_counts SET followers = followers + 7 WHERE user_id = $1 AND part = 0";
    run(&mut db, more, &[*popular]).await;
    run(
        &mut db,
        "DELETE FROM follow_counts WHERE user_id = $1",
        &fans[..1],
    )
    .await;
    let follows = fans[10..30]
        .iter()
        .map(|fan| follow(&store, *fan, *popular));
    let (drift, _) = tokio::join!(audit_all(&store, pass(1)), join_all(follows));
    assert_eq!(drift, (7, 1));
    assert_all_applied(&mut db).await;
    assert_counts_match_lists(&store, &mut db, &users[..40]).await;
    assert_eq!(
        audit_all(&store, pass(1)).await,
        (0, 0),
        "the pass is not due yet"
    );
    assert_eq!(audit_all(&store, pass(2)).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_audits_correct_a_difference_once() {
    let (database, store, mut db) = empty_store().await;
    let other = replica(&database, Guards::default()).await;
    let users = add_users(&store, 20).await;
    for fan in &users[1..] {
        follow(&store, *fan, users[0]).await;
    }
    for round in 0..10 {
        let less =
            "UPDATE follow_counts SET followers = followers - 5 WHERE user_id = $1 AND part = 0";
        run(&mut db, less, &users[..1]).await;
        // Each is a separate pass over the same users.
        let passes = (1..=6).map(|n| {
            let store = if n % 2 == 0 { &store } else { &other };
            async move { store.audit(pass(round * 6 + n)).await.unwrap() }
        });
        let drift = join_all(passes).await;
        let drift: u64 = drift.iter().map(|one| one.followers_drift).sum();
        assert_eq!(drift, 5);
        assert_all_applied(&mut db).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_very_many_follows_is_audited_in_slices() {
    let (_database, store, mut db) = empty_store().await;
    // The lowest id, so that the first batch contains it.
    let star = add_users(&store, 1).await[0];
    make_popular(&mut db, star, 60_000).await;
    let corrupt = "UPDATE follow_counts SET followers = followers + 9, following = following - 4 WHERE user_id = $1";
    run(&mut db, corrupt, &[star]).await;
    let audited = store.audit(pass(1)).await.unwrap();
    let drift = (audited.followers_drift, audited.following_drift);
    assert_eq!(drift, (9, 4), "{audited:?}");
    assert_all_applied(&mut db).await;
    assert_eq!(
        store.counts(&[star], None).await.unwrap(),
        [Counts {
            followers: 60_000,
            following: 60_000
        }]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_corrects_status_changes_by_an_earlier_release() {
    let (_database, store, mut db) = empty_store().await;
    let users = add_users(&store, 8).await;
    for from in &users {
        for to in &users {
            if from != to {
                follow(&store, *from, *to).await;
            }
        }
    }
    let block = RelationshipChange::Block;
    relate(&store, users[1], block, users[2]).await.unwrap();
    run(
        &mut db,
        "UPDATE users SET deleted_at = now() WHERE id = $1",
        &users[..1],
    )
    .await;
    let suspend = "UPDATE users SET standing = 'suspended' WHERE id = $1";
    run(&mut db, suspend, &users[3..4]).await;
    run(&mut db, "DELETE FROM users WHERE id = $1", &users[1..2]).await;
    let (followers, following) = audit_all(&store, pass(1)).await;
    assert_eq!((followers, following), (7 + 7 + 6, 7 + 7 + 6));
    assert_counts_match_lists(&store, &mut db, &users).await;
    apply_all_pending(&store).await;
    assert_all_applied(&mut db).await;
    assert_counts_match_lists(&store, &mut db, &users).await;
    assert_eq!(audit_all(&store, pass(2)).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_removes_relationships_of_missing_users() {
    let (_database, store, mut db) = empty_store().await;
    let users = add_users(&store, 3).await;
    let block = RelationshipChange::Block;
    relate(&store, users[0], block, users[1]).await.unwrap();
    follow(&store, users[2], users[1]).await;
    let unfollow = RelationshipChange::Unfollow;
    relate(&store, users[2], unfollow, users[1]).await.unwrap();
    run(&mut db, "DELETE FROM users WHERE id = $1", &users[1..2]).await;
    run(&mut db, "DELETE FROM users WHERE id = $1", &users[2..3]).await;
    audit_all(&store, pass(1)).await;
    apply_all_pending(&store).await;
    assert_all_applied(&mut db).await;
}

/// Adds users that follow one user and are followed by it, with SQL.
async fn make_popular(db: &mut sqlx::PgConnection, popular: UserId, fans: i64) {
    let mut tx = db.begin().await.unwrap();
    let users = sqlx::query(USERS).bind(fans);
    users.execute(&mut *tx).await.unwrap();
    for sql in [FANS, COUNTS] {
        let statement = sqlx::query(sql).bind(popular.as_uuid());
        statement.execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

const FANS_OF_ONE: u32 = 10_000;

const USERS: &str = "
    INSERT INTO users (id, username, username_key, username_skeleton, email, email_key, email_verified,
        phone_number_verified, standing, roles, metadata_public, metadata_user, metadata_private, search_text, version,
        created_at, updated_at)
    SELECT ('f' || substr(gen_random_uuid()::text, 2))::uuid, 'fan' || n, 'fan' || n, 'fan' || n, 'fan' || n || '@fans.example', 'fan' || n || '@fans.example',
        false, false, 'active', '[]', '{}', '{}', '{}', '', 1, now(), now()
    FROM generate_series(1, $1::bigint) AS n";

const FANS: &str = "
    INSERT INTO follows SELECT id, $1, now(), true, true FROM users WHERE id <> $1
    UNION ALL SELECT $1, id, now(), true, true FROM users WHERE id <> $1";

const COUNTS: &str = "
    INSERT INTO follow_counts SELECT id, 0, 1, 1, 0 FROM users WHERE id <> $1
    UNION ALL SELECT $1, 0, count(*) - 1, count(*) - 1, 0 FROM users";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_changes_of_a_popular_user_apply_at_once_and_update_in_batches() {
    let (_database, store, mut db) = empty_store().await;
    let popular = add_users(&store, 1).await[0];
    make_popular(&mut db, popular, FANS_OF_ONE.into()).await;
    let fan: uuid::Uuid = sqlx::query_scalar("SELECT id FROM users WHERE username_key = 'fan77'")
        .fetch_one(&mut db)
        .await
        .unwrap();
    let fan = UserId::from_uuid(fan);
    let counts = |followers, following| Counts {
        followers,
        following,
    };
    let counted = async || store.counts(&[popular, fan], None).await.unwrap();
    let all = u64::from(FANS_OF_ONE);
    assert_eq!(counted().await, [counts(all, all), counts(1, 1)]);
    for (step, remaining) in [
        (Change::Delete, 0),
        (Change::Restore, 1),
        (Change::suspend(), 0),
    ] {
        change(&store, popular, step).await;
        assert_eq!(
            counted().await,
            [counts(all, all), counts(remaining, remaining)]
        );
        // The next change happens when half of the updates are applied.
        for _ in 0..FANS_OF_ONE / u32::from(PendingCountsBatch::MAX_RELATIONSHIPS) {
            let batch = store.apply_pending().await.unwrap();
            assert!(
                batch.relationships <= u64::from(PendingCountsBatch::MAX_RELATIONSHIPS)
                    && batch.has_more
            );
        }
        assert_eq!(
            counted().await,
            [counts(all, all), counts(remaining, remaining)]
        );
    }
    let examined = apply_all_pending(&store).await;
    assert!(examined >= all, "{examined}");
    assert_all_applied(&mut db).await;
    store.erase(popular, &samples::context()).await.unwrap();
    assert_eq!(counted().await, [counts(0, 0), counts(0, 0)]);
    apply_all_pending(&store).await;
    assert_all_applied(&mut db).await;
    assert_eq!(number(&mut db, "SELECT count(*) FROM follows").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_share_pending_count_updates() {
    let (database, store, mut db) = empty_store().await;
    let other = replica(&database, Guards::default()).await;
    let users = add_users(&store, 16).await;
    for from in &users {
        for to in &users {
            if from != to {
                follow(&store, *from, *to).await;
            }
        }
    }
    for _ in 0..4 {
        for step in [Change::suspend(), Change::Activate] {
            join_all(users.iter().map(|user| change(&store, *user, step.clone()))).await;
            // A batch is empty while the other replica has locked all remaining users.
            let until_empty = async |store: &SeaOrmUsers| {
                let started = Instant::now();
                while store.apply_pending().await.unwrap().waiting > 0 {
                    assert!(started.elapsed() < TIMEOUT, "updates are still pending");
                }
            };
            tokio::join!(until_empty(&store), until_empty(&other));
            assert_all_applied(&mut db).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_change_log_skips_up_to_200_000_relationship_events() {
    let (_database, store, mut db) = empty_store().await;
    let user = add_users(&store, 1).await[0];
    for (events, complete) in [(199_000, true), (200_001, false)] {
        let position = store.position().await.unwrap();
        change(&store, user, Change::suspend()).await;
        let relate = sqlx::query(RELATIONSHIP_EVENTS).bind(events);
        relate.execute(&mut db).await.unwrap();
        let since = async |position: &LogPosition| {
            retry_unavailable(async || Ok(store.since(position).await?)).await
        };
        let changes = since(&position).await;
        assert_eq!(changes.complete, complete);
        change(&store, user, Change::Activate).await;
        let changes = since(&changes.position).await;
        assert!(changes.complete);
        let ids: Vec<UserId> = changes.changed.iter().map(|one| one.id).collect();
        assert_eq!(ids, [user]);
    }
}

const RELATIONSHIP_EVENTS: &str = "
    INSERT INTO events (id, type, subject_kind, subject_id, object_id, version, changed, actor, at)
    SELECT gen_random_uuid(), 'user.followed', 'relationship', gen_random_uuid(), gen_random_uuid(), 1, '[]', 'sample', now()
    FROM generate_series(1, $1) AS n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_removes_the_username_from_blocks_and_keeps_them() {
    let (_database, store, mut db) = empty_store().await;
    let users = add_users(&store, 2).await;
    let block = RelationshipChange::Block;
    relate(&store, users[1], block, users[0]).await.unwrap();
    let blocks = "INSERT INTO blocks (blocker_id, target_id, created_at, target_username)
        SELECT gen_random_uuid(), $1, now(), 'planted' FROM generate_series(1, 1700)";
    run(&mut db, blocks, &users[..1]).await;
    store.erase(users[0], &samples::context()).await.unwrap();
    let named = "SELECT count(*) FROM blocks WHERE target_username IS NOT NULL";
    assert_eq!(number(&mut db, named).await, 1701 - 500);
    apply_all_pending(&store).await;
    assert_eq!(number(&mut db, named).await, 0);
    assert_eq!(number(&mut db, "SELECT count(*) FROM blocks").await, 1701);
    let pending = "SELECT count(*) FROM unsettled_users";
    assert_eq!(number(&mut db, pending).await, 0);
}
