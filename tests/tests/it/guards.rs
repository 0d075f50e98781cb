//! That each guard keeps its promise, and that without just this guard the promise is broken.

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
use crate::relationships::is_told_truly_after_a_race;

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

/// Lets eight replicas race 60 merges of one user, and gives the version that the user has then.
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
async fn racing_merges_are_all_kept_by_the_row_lock() {
    assert_eq!(version_after_60_racing_merges(Guards::default()).await, 61);
    let without = version_after_60_racing_merges(Guards::without(Guard::RowLock)).await;
    assert!(
        without < 61,
        "nothing was lost without the row lock, so the race proves nothing"
    );
}

const DELETED: usize = 40;

/// Lets one replica erase users whose time is over, from the first, while another restores them, from the last; gives
/// how many were lost that were restored.
async fn restored_and_lost(guards: Guards) -> usize {
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
    let due = samples::context_at(samples::start().plus(User::RESTORABLE));
    let named = purging.expired(due.at, None).await.unwrap();
    assert_eq!(named.len(), DELETED);
    // One restoration comes in between for sure; the others race.
    let (begun, begins) = tokio::sync::oneshot::channel();
    let erase = async {
        begins.await.unwrap();
        for user in &named {
            purging.erase_expired(user.id, &due).await.unwrap();
        }
    };
    let restore = async {
        let mut begun = Some(begun);
        let mut restored = Vec::new();
        for user in named.iter().rev() {
            let outcome = restoring.change(user.id, &Change::Restore, &due).await;
            if matches!(outcome, Ok(Written::Applied(_))) {
                restored.push(user.id);
            }
            if let Some(begun) = begun.take() {
                begun.send(()).unwrap();
            }
        }
        restored
    };
    let ((), restored) = tokio::join!(erase, restore);
    assert!(!restored.is_empty(), "nobody was restored");
    let mut lost = 0;
    for id in restored {
        let found = purging.find(&UserKey::Id(id)).await.unwrap();
        lost += usize::from(found.is_none());
    }
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_user_is_not_lost_to_a_purge_by_the_expiry_check() {
    assert_eq!(restored_and_lost(Guards::default()).await, 0);
    let without = restored_and_lost(Guards::without(Guard::ExpiryCheck)).await;
    assert!(
        without > 0,
        "no restored user was lost without the check, so the race proves nothing"
    );
}

/// Lets two replicas race twins of one addition, and gives how many of them were answered with the user.
async fn answered_twins(guards: Guards) -> usize {
    let database = PostgresDatabase::create().await;
    let replicas = [
        replica(&database, guards).await,
        replica(&database, guards).await,
    ];
    let context = samples::context_under("twin", 7);
    let twins = join_all((0..16).map(|n| {
        let (replica, context) = (replicas[n % 2].clone(), context.clone());
        async move { replica.add(&person("twin"), &context).await }
    }))
    .await;
    twins
        .iter()
        .filter(|twin| matches!(twin, Ok(Written::Applied(_) | Written::Replayed(_))))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twins_of_one_key_are_all_answered_by_the_claim() {
    assert_eq!(answered_twins(Guards::default()).await, 16);
    assert_eq!(
        answered_twins(Guards::without(Guard::IdempotencyClaim)).await,
        1
    );
}

/// Drops additions while they begin, and gives how many connections are left in a transaction.
async fn transactions_left_open(guards: Guards) -> i64 {
    let database = PostgresDatabase::create().await;
    let (proxy, through) = Proxy::before(&database.url()).await;
    let options = PoolOptions {
        max_connections: 8,
        guards,
        ..PoolOptions::default()
    };
    let store = SeaOrmUsers::new(Connections::postgres(&through, &options).await.unwrap());
    store
        .add(&person("warm.up"), &samples::context())
        .await
        .unwrap();
    proxy.delay(Duration::from_millis(10));
    for n in 0..24 {
        let dropped = person(&format!("dropped{n}"));
        let _ = tokio::time::timeout(
            Duration::from_millis(12),
            store.add(&dropped, &samples::context()),
        )
        .await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut connection = database.connect().await;
    sea_orm::sqlx::query(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap()
    .get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_beginning_leaves_no_transaction_by_the_release_check() {
    assert_eq!(transactions_left_open(Guards::default()).await, 0);
    let without = transactions_left_open(Guards::without(Guard::ReleaseCheck)).await;
    assert!(
        without > 0,
        "no transaction was left open without the check, so the drops prove nothing"
    );
}

const LEAVERS: usize = 8;

/// Lets clients post a user and leave while the write is under way, and gives how many users there are then.
async fn users_of_clients_that_left(detached: bool) -> i64 {
    let direct = TestApp::start(Store::Postgres).await;
    let (proxy, through) = Proxy::before(&direct.database_uri()).await;
    // A connection for each write, so that none waits for another's.
    let settings = [
        ("DATABASE_URI", through.as_str()),
        ("DATABASE_MAX_CONNECTIONS", "32"),
    ];
    let app = if detached {
        direct.replica_with(&settings).await
    } else {
        direct.replica_without_detached_writes(&settings).await
    };
    app.register("warm.up").await;
    // A write is five questions and answers: half a second, of which the clients see less than half.
    proxy.delay(Duration::from_millis(50));
    join_all((0..LEAVERS).map(|n| reset_after(app.address(), n, Duration::from_millis(200)))).await;
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
async fn a_client_that_leaves_cancels_nothing_since_writes_are_detached() {
    let all = i64::try_from(LEAVERS).unwrap();
    assert_eq!(users_of_clients_that_left(true).await, all);
    let without = users_of_clients_that_left(false).await;
    assert!(
        without < all,
        "no write was cancelled inside its handler, so the resets prove nothing"
    );
}

/// Lets every connection of a pool fall silent under a read, and tells whether the pool reads again within 4 seconds.
async fn reads_again_after_silence(guards: Guards) -> bool {
    let database = PostgresDatabase::create().await;
    let (proxy, through) = Proxy::before(&database.url()).await;
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
async fn a_pool_of_silent_connections_recovers_by_the_deadline_of_their_release() {
    assert!(reads_again_after_silence(Guards::default()).await);
    let without = reads_again_after_silence(Guards::without(Guard::SilenceDeadline)).await;
    assert!(
        !without,
        "the pool recovered without the deadline, so the silence proves nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follow_that_races_the_deletion_of_who_follows_is_not_counted_by_the_lock_of_presence() {
    assert!(is_told_truly_after_a_race(Guards::default()).await);
    let without = is_told_truly_after_a_race(Guards::without(Guard::PresenceLock)).await;
    assert!(
        !without,
        "the count was right without the lock, so the race proves nothing"
    );
}
