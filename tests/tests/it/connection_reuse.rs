//! Reuse of PostgreSQL connections, against a real server.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::sqlx::{self, Row};
use tokio::time::{Instant, sleep, timeout};
use user_adapters::guards::Guards;
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::ports::{UserKey, UserKeys, UserReader, UserWriter};
use user_domain::test_support::samples;
use user_domain::user::Applied;
use user_domain::write::WriteError;
use user_tests::{PostgresDatabase, Proxy};

const MAX_CONNECTIONS: u32 = 6;

fn registered(name: &str) -> Applied {
    samples::registered(&samples::new_user(name), &samples::context())
}

async fn connections(url: &str) -> Connections {
    let options = PoolOptions {
        max_connections: MAX_CONNECTIONS,
        guards: Guards::default(),
        ..PoolOptions::default()
    };
    Connections::postgres(url, &options).await.unwrap()
}

/// Adds users to the store and returns them.
async fn add_users(store: &SeaOrmUsers, count: usize) -> Vec<Applied> {
    let users: Vec<Applied> = (0..count)
        .map(|n| registered(&format!("person{n}")))
        .collect();
    for user in &users {
        store.add(user, &samples::context()).await.unwrap();
    }
    users
}

/// The number of connections of the service, and of those in a transaction.
async fn count_connections(database: &PostgresDatabase) -> (i64, i64) {
    let mut connection = database.connect().await;
    let row = sqlx::query(
        "SELECT count(*), count(*) FILTER (WHERE state LIKE 'idle in transaction%') FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'user-service'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_querys_response_reaches_no_other_query() {
    let database = PostgresDatabase::create().await;
    let (proxy, through) = Proxy::in_front_of(&database.url()).await;
    let store = SeaOrmUsers::new(connections(&through).await);
    let users = add_users(&store, 2).await;
    let (left, right) = (&users[0].user, &users[1].user);
    proxy.delay(Duration::from_millis(5));
    let mut given_up = 0;
    for n in 0..20 {
        let timeout_duration = Duration::from_millis(n);
        let key = UserKey::Id(left.id);
        given_up += usize::from(timeout(timeout_duration, store.find(&key)).await.is_err());
        let found = store.find(&UserKey::Id(right.id)).await;
        if let Ok(found) = found {
            assert_eq!(found.unwrap().id, right.id);
        }
        let found = store.find_many(&UserKeys::Ids(vec![right.id])).await;
        if let Ok(found) = found {
            assert_eq!(found[0].as_ref().unwrap().id, right.id);
        }
    }
    assert!(given_up > 0, "no query was cancelled, so nothing is tested");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_usable_after_a_rejected_write() {
    let database = PostgresDatabase::create().await;
    let store = SeaOrmUsers::new(connections(&database.url()).await);
    add_users(&store, 1).await;
    for n in 0..20 {
        let refused = store.add(&registered("person0"), &samples::context()).await;
        assert!(matches!(refused, Err(WriteError::Taken(_))), "{refused:?}");
        let next = registered(&format!("next{n}"));
        store.add(&next, &samples::context()).await.unwrap();
        // Through a connection that is not the store's.
        let mut connection = database.connect().await;
        let written = sqlx::query("SELECT count(*) FROM users WHERE id = $1")
            .bind(next.user.id.as_uuid())
            .fetch_one(&mut connection);
        assert_eq!(written.await.unwrap().get::<i64, _>(0), 1);
    }
    assert_eq!(count_connections(&database).await.1, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_reused_connections_are_replaced() {
    let database = PostgresDatabase::create().await;
    let store = SeaOrmUsers::new(connections(&database.url()).await);
    let users = add_users(&store, 1).await;
    let key = UserKey::Id(users[0].user.id);
    join_all((0..32).map(|_| store.find(&key))).await;
    let mut connection = database.connect().await;
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'user-service'",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(
            Instant::now() < deadline,
            "terminated connections are still in use"
        );
        let found = join_all((0..32).map(|_| store.find(&key))).await;
        if found.iter().all(Result::is_ok) {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_stay_within_the_limit_and_all_close_at_shutdown() {
    let database = PostgresDatabase::create().await;
    let connections = connections(&database.url()).await;
    let store = SeaOrmUsers::new(connections.clone());
    let users = add_users(&store, 8).await;
    for _ in 0..4 {
        join_all(users.iter().map(|user| async {
            let found = store.find(&UserKey::Id(user.user.id)).await;
            assert!(found.unwrap().is_some());
        }))
        .await;
        assert!(count_connections(&database).await.0 <= i64::from(MAX_CONNECTIONS));
    }
    connections.close().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while count_connections(&database).await.0 > 0 {
        assert!(Instant::now() < deadline, "a connection is still open");
        sleep(Duration::from_millis(20)).await;
    }
}
