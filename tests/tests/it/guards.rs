//! Each guard keeps its promise, and the promise is broken without that guard.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::sqlx::Row;
use user_adapters::guards::{Guard, Guards};
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::ports::{Retention, UserKey, UserReader, UserWriter};
use user_domain::test_support::samples;
use user_domain::user::{Applied, Change, User};
use user_domain::write::Written;
use user_tests::{PostgresDatabase, Proxy, Store, TestApp};

use crate::faults::reset_after;
use crate::relationships::counts_are_correct_after_race;

async fn replica(database: &PostgresDatabase, guards: Guards) -> Arc<SeaOrmUsers> {
    let options = PoolOptions {
        max_connections: 4,
        guards,
        ..PoolOptions::default()
    };
    Arc::new(SeaOrmUsers::new(
        Connections::postgres(&database.url(), &options)
            .await
            .unwrap(),
    ))
}

fn person(name: &str) -> Applied {
    samples::registered(&samples::new_user(name), &samples::context())
}

/// Races 60 merges of one user on eight replicas, and returns the final version of the user.
async fn version_after_60_racing_merges(guards: Guards) -> i64 {
    let database = PostgresDatabase::create().await;
    let replicas = join_all((0..8).map(|_| replica(&database, guards))).await;
    let user = person("popular");
    replicas[0].add(&user, &samples::context()).await.unwrap();
    join_all((0..60).map(|n| {
        let replica = replicas[n % replicas.len()].clone();
        let (id, change) = (
            user.user.id,
            samples::merge_public(&format!("{{\"k{n}\":{n}}}")),
        );
        async move {
            replica
                .change(id, &change, &samples::context())
                .await
                .unwrap()
        }
    }))
    .await;
    let key = UserKey::Id(user.user.id);
    replicas[0].find(&key).await.unwrap().unwrap().version.get()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_row_lock_keeps_all_racing_merges() {
    assert_eq!(version_after_60_racing_merges(Guards::default()).await, 61);
    let without = version_after_60_racing_merges(Guards::without(Guard::RowLock)).await;
    assert!(
        without < 61,
        "nothing was lost without the row lock, so the race proves nothing"
    );
}

const DELETED: usize = 40;

/// Erases expired users on one replica, from the first, while another replica restores them, from the last. Returns the
/// number of restored users that are lost.
async fn lost_restored_users(guards: Guards) -> usize {
    let database = PostgresDatabase::create().await;
    let (purging, restoring) = (
        replica(&database, guards).await,
        replica(&database, guards).await,
    );
    for n in 0..DELETED {
        let leaver = person(&format!("leaver{n}"));
        let context = samples::context();
        purging.add(&leaver, &context).await.unwrap();
        let deleted = restoring.change(leaver.user.id, &Change::Delete, &context);
        deleted.await.unwrap();
    }
    let due = samples::context_at(samples::start().plus(User::RESTORE_PERIOD));
    let expired = purging.expired(due.at, None).await.unwrap();
    assert_eq!(expired.len(), DELETED);
    // The first restoration always precedes the erasures. The others race with them.
    let (started, wait_for_start) = tokio::sync::oneshot::channel();
    let erase = async {
        wait_for_start.await.unwrap();
        for user in &expired {
            purging.erase_expired(user.id, &due).await.unwrap();
        }
    };
    let restore = async {
        let mut started = Some(started);
        let mut restored = Vec::new();
        for user in expired.iter().rev() {
            let outcome = restoring.change(user.id, &Change::Restore, &due).await;
            if matches!(outcome, Ok(Written::Applied(_))) {
                restored.push(user.id);
            }
            if let Some(started) = started.take() {
                started.send(()).unwrap();
            }
        }
        restored
    };
    let ((), restored) = tokio::join!(erase, restore);
    assert!(!restored.is_empty(), "no user was restored");
    let mut lost = 0;
    for id in restored {
        let found = purging.find(&UserKey::Id(id)).await.unwrap();
        lost += usize::from(found.is_none());
    }
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_expiry_check_protects_restored_users_from_a_purge() {
    assert_eq!(lost_restored_users(Guards::default()).await, 0);
    let without = lost_restored_users(Guards::without(Guard::ExpiryCheck)).await;
    assert!(
        without > 0,
        "no restored user was lost without the check, so the race proves nothing"
    );
}

/// Races the same addition, with the same idempotency key, on two replicas. Returns the number of successes.
async fn successful_duplicates(guards: Guards) -> usize {
    let database = PostgresDatabase::create().await;
    let replicas = [
        replica(&database, guards).await,
        replica(&database, guards).await,
    ];
    let context = samples::context_with_key("twin", 7);
    let results = join_all((0..16).map(|n| {
        let (replica, context) = (replicas[n % 2].clone(), context.clone());
        async move { replica.add(&person("twin"), &context).await }
    }))
    .await;
    results
        .iter()
        .filter(|result| matches!(result, Ok(Written::Applied(_) | Written::Replayed(_))))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_idempotency_claim_answers_all_duplicates() {
    assert_eq!(successful_duplicates(Guards::default()).await, 16);
    assert_eq!(
        successful_duplicates(Guards::without(Guard::IdempotencyClaim)).await,
        1
    );
}

/// Drops additions while their transactions begin. Returns how many connections stay in a transaction after that.
async fn transactions_left_open(guards: Guards) -> i64 {
    let database = PostgresDatabase::create().await;
    let (proxy, through) = Proxy::in_front_of(&database.url()).await;
    let options = PoolOptions {
        max_connections: 8,
        guards,
        ..PoolOptions::default()
    };
    let store = SeaOrmUsers::new(Connections::postgres(&through, &options).await.unwrap());
    let mut connection = database.connect().await;
    let mut left_open = 0;
    for n in 0..8 {
        // Leaves a connection that the next addition reuses.
        proxy.delay(Duration::ZERO);
        let warm_up = person(&format!("warm{n}"));
        store.add(&warm_up, &samples::context()).await.unwrap();
        proxy.delay(Duration::from_millis(10));
        let dropped = person(&format!("dropped{n}"));
        let _ = tokio::time::timeout(
            Duration::from_millis(12),
            store.add(&dropped, &samples::context()),
        )
        .await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        left_open += sea_orm::sqlx::query(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap()
        .get::<i64, _>(0);
    }
    left_open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_release_check_leaves_no_transaction_open() {
    assert_eq!(transactions_left_open(Guards::default()).await, 0);
    let without = transactions_left_open(Guards::without(Guard::ReleaseCheck)).await;
    assert!(
        without > 0,
        "no transaction was left open without the check, so the drops prove nothing"
    );
}

const CLIENTS: usize = 8;

/// Sends creations from clients that disconnect during the write. Returns the number of created users.
async fn users_of_disconnected_clients(in_separate_task: bool) -> i64 {
    let direct = TestApp::start(Store::Postgres).await;
    let (proxy, through) = Proxy::in_front_of(&direct.database_uri()).await;
    // One connection per write, so that no write waits for another one.
    let settings = [
        ("DATABASE_URI", through.as_str()),
        ("DATABASE_MAX_CONNECTIONS", "32"),
    ];
    let app = if in_separate_task {
        direct.replica_with(&settings).await
    } else {
        direct.replica_with_inline_writes(&settings).await
    };
    app.register("warm.up").await;
    // A write needs five round trips, which is half a second. The clients disconnect before half of it.
    proxy.delay(Duration::from_millis(50));
    join_all((0..CLIENTS).map(|n| reset_after(app.address(), n, Duration::from_millis(200)))).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let count = direct.service().get("/v1/users/count").await.json["count"]
        .as_i64()
        .unwrap()
        - 1;
    app.stop().await;
    direct.stop().await;
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnecting_client_does_not_cancel_a_separate_write_task() {
    let all = i64::try_from(CLIENTS).unwrap();
    assert_eq!(users_of_disconnected_clients(true).await, all);
    let without = users_of_disconnected_clients(false).await;
    assert!(
        without < all,
        "no write was cancelled inside its handler, so the resets prove nothing"
    );
}

/// Silences every connection of a pool during a read. Returns whether a read succeeds again within 4 seconds.
async fn reads_again_after_silence(guards: Guards) -> bool {
    let database = PostgresDatabase::create().await;
    let (proxy, through) = Proxy::in_front_of(&database.url()).await;
    let options = PoolOptions {
        max_connections: 4,
        guards,
        ..PoolOptions::default()
    };
    let store = SeaOrmUsers::new(Connections::postgres(&through, &options).await.unwrap());
    let key = UserKey::Id(samples::user_id());
    let read = || tokio::time::timeout(Duration::from_millis(700), store.find(&key));
    join_all((0..8).map(|_| read())).await;
    proxy.freeze();
    join_all((0..8).map(|_| read())).await;
    let recovery = async {
        while !matches!(read().await, Ok(Ok(_))) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(4), recovery)
        .await
        .is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_release_timeout_lets_a_pool_of_silent_connections_recover() {
    assert!(reads_again_after_silence(Guards::default()).await);
    let without = reads_again_after_silence(Guards::without(Guard::ReleaseTimeout)).await;
    assert!(
        !without,
        "the pool recovered without the timeout, so the test proves nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relationship_lock_keeps_counts_correct_in_a_race_with_a_deletion() {
    assert!(counts_are_correct_after_race(Guards::default()).await);
    let without = counts_are_correct_after_race(Guards::without(Guard::RelationshipLock)).await;
    assert!(
        !without,
        "the count was right without the lock, so the race proves nothing"
    );
}
