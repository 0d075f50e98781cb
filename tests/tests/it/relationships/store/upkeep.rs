//! What was counted wrongly is found and put right; who comes and goes is settled in small steps.

use std::time::Instant;

use futures_util::future::join_all;
use sea_orm::sqlx::{self, Connection as _};
use user_adapters::guards::Guards;
use user_adapters::sea_orm::SeaOrmUsers;
use user_domain::ports::{
    ChangeLog as _, Recounted, RelationshipUpkeep as _, Relationships as _, Settled,
    UserWriter as _,
};
use user_domain::relationship::{Counts, RelationshipChange};
use user_domain::test_support::samples;
use user_domain::user::Change;
use user_domain::values::{Timestamp, UserId};
use user_tests::PostgresDatabase;

use super::{
    PATIENCE, assert_settled, assert_told_truly, follow, number, people, relate, replica, run,
    settle, until_done,
};

/// The moment at which so many passes may have begun before.
fn pass(number: u32) -> Timestamp {
    samples::start().plus(Recounted::EVERY * number)
}

/// Recounts everybody, and gives by how much the counts were wrong.
async fn recount(store: &SeaOrmUsers, at: Timestamp) -> (u64, u64) {
    let mut drift = (0, 0);
    loop {
        let recounted = store.recount(at).await.unwrap();
        drift.0 += recounted.followers_drift;
        drift.1 += recounted.following_drift;
        if !recounted.has_more {
            return drift;
        }
    }
}

async fn change(store: &SeaOrmUsers, user: UserId, change: Change) {
    until_done(async || store.change(user, &change, &samples::context()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_is_found_told_and_put_right_while_others_follow() {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let mut db = database.connect().await;
    let people = people(&store, 250).await;
    let (popular, fans) = people.split_first().unwrap();
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
    let (drift, _) = tokio::join!(recount(&store, pass(1)), join_all(follows));
    assert_eq!(drift, (7, 1));
    assert_settled(&mut db).await;
    assert_told_truly(&store, &mut db, &people[..40]).await;
    assert_eq!(recount(&store, pass(1)).await, (0, 0), "a pass too early");
    assert_eq!(recount(&store, pass(2)).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_recounts_put_one_drift_right_once() {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let other = replica(&database, Guards::default()).await;
    let mut db = database.connect().await;
    let people = people(&store, 20).await;
    for fan in &people[1..] {
        follow(&store, *fan, people[0]).await;
    }
    for round in 0..10 {
        let less =
            "UPDATE follow_counts SET followers = followers - 5 WHERE user_id = $1 AND part = 0";
        run(&mut db, less, &people[..1]).await;
        // Each is a pass of its own, over the same users.
        let passes = (1..=6).map(|n| {
            let store = if n % 2 == 0 { &store } else { &other };
            async move { store.recount(pass(round * 6 + n)).await.unwrap() }
        });
        let drift = join_all(passes).await;
        let drift: u64 = drift.iter().map(|one| one.followers_drift).sum();
        assert_eq!(drift, 5);
        assert_settled(&mut db).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_of_very_many_follows_is_recounted_slice_by_slice() {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let mut db = database.connect().await;
    // The least of all ids, so that the first call meets it.
    let star = people(&store, 1).await[0];
    make_popular(&mut db, star, 60_000).await;
    let wrong = "UPDATE follow_counts SET followers = followers + 9, following = following - 4 WHERE user_id = $1";
    run(&mut db, wrong, &[star]).await;
    let recounted = store.recount(pass(1)).await.unwrap();
    let drift = (recounted.followers_drift, recounted.following_drift);
    assert_eq!(drift, (9, 4), "{recounted:?}");
    assert_settled(&mut db).await;
    assert_eq!(
        store.counts(&[star], None).await.unwrap(),
        [Counts {
            followers: 60_000,
            following: 60_000
        }]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_left_by_a_release_that_knows_no_relationships_is_settled_by_a_recount() {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let mut db = database.connect().await;
    let people = people(&store, 8).await;
    for from in &people {
        for to in &people {
            if from != to {
                follow(&store, *from, *to).await;
            }
        }
    }
    let block = RelationshipChange::Block;
    relate(&store, people[1], block, people[2]).await.unwrap();
    run(
        &mut db,
        "UPDATE users SET deleted_at = now() WHERE id = $1",
        &people[..1],
    )
    .await;
    let suspend = "UPDATE users SET standing = 'suspended' WHERE id = $1";
    run(&mut db, suspend, &people[3..4]).await;
    run(&mut db, "DELETE FROM users WHERE id = $1", &people[1..2]).await;
    let (followers, following) = recount(&store, pass(1)).await;
    assert_eq!((followers, following), (7 + 7 + 6, 7 + 7 + 6));
    assert_told_truly(&store, &mut db, &people).await;
    settle(&store).await;
    assert_settled(&mut db).await;
    assert_told_truly(&store, &mut db, &people).await;
    assert_eq!(recount(&store, pass(2)).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_somebody_erased_alone_is_removed_by_a_recount() {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let mut db = database.connect().await;
    let people = people(&store, 3).await;
    let block = RelationshipChange::Block;
    relate(&store, people[0], block, people[1]).await.unwrap();
    follow(&store, people[2], people[1]).await;
    let unfollow = RelationshipChange::Unfollow;
    relate(&store, people[2], unfollow, people[1])
        .await
        .unwrap();
    run(&mut db, "DELETE FROM users WHERE id = $1", &people[1..2]).await;
    run(&mut db, "DELETE FROM users WHERE id = $1", &people[2..3]).await;
    recount(&store, pass(1)).await;
    settle(&store).await;
    assert_settled(&mut db).await;
}

/// Makes so many users who follow one, and whom it follows, by SQL.
async fn make_popular(db: &mut sqlx::PgConnection, popular: UserId, fans: i64) {
    let mut tx = db.begin().await.unwrap();
    let users = sqlx::query(USERS).bind(fans);
    users.execute(&mut *tx).await.unwrap();
    for sql in [FANS, COUNTS] {
        let made = sqlx::query(sql).bind(popular.as_uuid());
        made.execute(&mut *tx).await.unwrap();
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
async fn who_is_followed_by_very_many_comes_and_goes_at_once_and_is_settled_in_small_steps() {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let mut db = database.connect().await;
    let popular = people(&store, 1).await[0];
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
    let told = async || store.counts(&[popular, fan], None).await.unwrap();
    let all = u64::from(FANS_OF_ONE);
    assert_eq!(told().await, [counts(all, all), counts(1, 1)]);
    for (step, left) in [
        (Change::Delete, 0),
        (Change::Restore, 1),
        (Change::Suspend, 0),
    ] {
        change(&store, popular, step).await;
        assert_eq!(told().await, [counts(all, all), counts(left, left)]);
        // The next change comes when half of it is settled.
        for _ in 0..FANS_OF_ONE / u32::from(Settled::MOST) {
            let settled = store.settle().await.unwrap();
            assert!(settled.relationships <= u64::from(Settled::MOST) && settled.has_more);
        }
        assert_eq!(told().await, [counts(all, all), counts(left, left)]);
    }
    let looked_at = settle(&store).await;
    assert!(looked_at >= all, "{looked_at}");
    assert_settled(&mut db).await;
    store.erase(popular, &samples::context()).await.unwrap();
    assert_eq!(told().await, [counts(0, 0), counts(0, 0)]);
    settle(&store).await;
    assert_settled(&mut db).await;
    assert_eq!(number(&mut db, "SELECT count(*) FROM follows").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_settle_share_the_work() {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let other = replica(&database, Guards::default()).await;
    let mut db = database.connect().await;
    let people = people(&store, 16).await;
    for from in &people {
        for to in &people {
            if from != to {
                follow(&store, *from, *to).await;
            }
        }
    }
    for _ in 0..4 {
        for step in [Change::Suspend, Change::Activate] {
            join_all(
                people
                    .iter()
                    .map(|user| change(&store, *user, step.clone())),
            )
            .await;
            // Where others are at all who are left, there is no more to do just now.
            let until_empty = async |store: &SeaOrmUsers| {
                let begun = Instant::now();
                while store.settle().await.unwrap().waiting > 0 {
                    assert!(begun.elapsed() < PATIENCE, "it never ends");
                }
            };
            tokio::join!(until_empty(&store), until_empty(&other));
            assert_settled(&mut db).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_the_log_catches_up_with_more_relationships_than_a_look_can_pass_over() {
    let database = PostgresDatabase::create().await;
    let store = replica(&database, Guards::default()).await;
    let mut db = database.connect().await;
    let user = people(&store, 1).await[0];
    for (many, complete) in [(199_000, true), (200_001, false)] {
        let position = store.position().await.unwrap();
        change(&store, user, Change::Suspend).await;
        let relate = sqlx::query(RELATIONSHIP_EVENTS).bind(many);
        relate.execute(&mut db).await.unwrap();
        let changes = store.since(&position).await.unwrap();
        assert_eq!(changes.complete, complete);
        change(&store, user, Change::Activate).await;
        let changes = store.since(&changes.position).await.unwrap();
        assert!(changes.complete);
        let told: Vec<UserId> = changes.changed.iter().map(|one| one.id).collect();
        assert_eq!(told, [user]);
    }
}

const RELATIONSHIP_EVENTS: &str = "
    INSERT INTO events (id, type, subject_kind, subject_id, object_id, version, changed, actor, at)
    SELECT gen_random_uuid(), 'user.followed', 'relationship', gen_random_uuid(), gen_random_uuid(), 1, '[]', 'sample', now()
    FROM generate_series(1, $1) AS n";
