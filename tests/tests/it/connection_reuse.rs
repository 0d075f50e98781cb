//! Reuse of PostgreSQL connections, against a real server.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::sqlx::{self, Executor, Row};
use tokio::time::{Instant, sleep, timeout};
use user_adapters::guards::{Guard, Guards};
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::ports::{UserKey, UserKeys, UserReader, UserWriter};
use user_domain::test_support::samples;
use user_domain::user::Applied;
use user_domain::write::WriteError;
use user_tests::{PostgresDatabase, PostgresServer, Proxy};

const MAX_CONNECTIONS: u32 = 6;

fn registered(name: &str) -> Applied {
    samples::registered(&samples::new_user(name), &samples::context())
}

async fn connections(url: &str) -> Connections {
    connections_with(url, Guards::default()).await
}

async fn connections_with(url: &str, guards: Guards) -> Connections {
    let options = PoolOptions {
        max_connections: MAX_CONNECTIONS,
        guards,
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

/// Uses all connections at the same time, and returns the number of failed reads and writes. `round` names new users.
async fn failures(store: &SeaOrmUsers, round: &str) -> usize {
    let users: Vec<Applied> = (0..12)
        .map(|n| registered(&format!("{round}{n}")))
        .collect();
    let context = samples::context();
    let key = UserKey::Id(samples::user_id());
    let reads = join_all(users.iter().map(|_| store.find(&key)));
    let writes = join_all(users.iter().map(|user| store.add(user, &context)));
    let (reads, writes) = tokio::join!(reads, writes);
    let failed_reads = reads.iter().filter(|result| result.is_err());
    failed_reads.count() + writes.iter().filter(|result| result.is_err()).count()
}

async fn wait_until_all_are_closed(database: &PostgresDatabase) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while count_connections(database).await.0 > 0 {
        assert!(Instant::now() < deadline, "a connection is still open");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Returns the number of failures after the server has closed all connections of the service.
async fn failures_after_termination(guards: Guards) -> usize {
    let database = PostgresDatabase::create().await;
    let store = SeaOrmUsers::new(connections_with(&database.url(), guards).await);
    assert_eq!(failures(&store, "before").await, 0);
    let mut connection = database.connect().await;
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'user-service'",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    wait_until_all_are_closed(&database).await;
    failures(&store, "after").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_server_terminated_fail_no_request() {
    assert_eq!(failures_after_termination(Guards::default()).await, 0);
    let without = failures_after_termination(Guards::without(Guard::LostConnections)).await;
    assert!(without > 0, "nothing failed without the guard either");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_timeout_of_the_server_fails_no_request() {
    let database = PostgresDatabase::create().await;
    let timeout = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET idle_session_timeout = 500', current_database()); END $$";
    database.connect().await.execute(timeout).await.unwrap();
    let store = SeaOrmUsers::new(connections(&database.url()).await);
    for round in ["first", "second", "third"] {
        assert_eq!(failures(&store, round).await, 0);
        wait_until_all_are_closed(&database).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_server_fails_no_later_request() {
    let server = PostgresServer::start().await;
    let connections = connections(&server.url()).await;
    connections.migrate(None).await.unwrap();
    let store = SeaOrmUsers::new(connections);
    assert_eq!(failures(&store, "before").await, 0);
    server.restart().await;
    assert_eq!(failures(&store, "after").await, 0);
}

/// Makes a server read-only, and directs new connections to another one. Returns the number of failed writes before the
/// first one on the other server, and whether reads use the other server after that.
async fn failed_writes_after_failover(guards: Guards) -> (usize, bool) {
    const MAX_ATTEMPTS: usize = 20;
    let (old, new) = tokio::join!(PostgresServer::start(), PostgresServer::start());
    for server in [&old, &new] {
        let connections = connections(&server.url()).await;
        connections.migrate(None).await.unwrap();
        connections.close().await;
    }
    let (proxy, through) = Proxy::in_front_of(&old.url()).await;
    let store = SeaOrmUsers::new(connections_with(&through, guards).await);
    assert_eq!(failures(&store, "before").await, 0);
    old.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        .await;
    old.execute("SELECT pg_reload_conf()").await;
    proxy.redirect(new.address());

    let mut failed = 0;
    for n in 0..MAX_ATTEMPTS {
        let user = registered(&format!("after{n}"));
        failed += usize::from(store.add(&user, &samples::context()).await.is_err());
        let mut connection = new.connect().await;
        let written = sqlx::query("SELECT count(*) FROM users")
            .fetch_one(&mut connection)
            .await;
        if written.unwrap().get::<i64, _>(0) > 0 {
            let found = store.find(&UserKey::Id(user.user.id)).await;
            return (failed, found.unwrap().is_some());
        }
    }
    (failed, false)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_became_read_only_is_left_at_the_first_refused_write() {
    let (failed, reads_follow) = failed_writes_after_failover(Guards::default()).await;
    assert!(failed <= 1, "{failed} writes failed");
    assert!(reads_follow, "reads still use the old server");
    let guards = Guards::without_both([Guard::LostConnections, Guard::ServerRole]);
    let (failed, _) = failed_writes_after_failover(guards).await;
    assert!(
        failed > 10,
        "only {failed} writes failed without the guards"
    );
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
    wait_until_all_are_closed(&database).await;
}
