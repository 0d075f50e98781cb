//! Connections to PostgreSQL that are kept between uses, on the real thing.

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

const MOST: u32 = 6;

fn person(name: &str) -> Applied {
    samples::registered(&samples::new_user(name), &samples::context())
}

async fn connections(url: &str) -> Connections {
    let options = PoolOptions {
        max_connections: MOST,
        guards: Guards::default(),
        ..PoolOptions::default()
    };
    Connections::postgres(url, &options).await.unwrap()
}

/// Writes users and gives them.
async fn people(store: &SeaOrmUsers, count: usize) -> Vec<Applied> {
    let people: Vec<Applied> = (0..count).map(|n| person(&format!("person{n}"))).collect();
    for person in &people {
        store.add(person, &samples::context()).await.unwrap();
    }
    people
}

/// How many connections of the service there are, and how many of them are in a transaction.
async fn counted(database: &PostgresDatabase) -> (i64, i64) {
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
async fn the_answer_that_nobody_waited_for_is_given_to_nobody_else() {
    let database = PostgresDatabase::create().await;
    let (proxy, through) = Proxy::before(&database.url()).await;
    let store = SeaOrmUsers::new(connections(&through).await);
    let people = people(&store, 2).await;
    let (left, right) = (&people[0].user, &people[1].user);
    proxy.delay(Duration::from_millis(5));
    let mut given_up = 0;
    for n in 0..20 {
        let patience = Duration::from_millis(n);
        let key = UserKey::Id(left.id);
        given_up += usize::from(timeout(patience, store.find(&key)).await.is_err());
        let found = store.find(&UserKey::Id(right.id)).await;
        if let Ok(found) = found {
            assert_eq!(found.unwrap().id, right.id);
        }
        let found = store.find_many(&UserKeys::Ids(vec![right.id])).await;
        if let Ok(found) = found {
            assert_eq!(found[0].as_ref().unwrap().id, right.id);
        }
    }
    assert!(given_up > 0, "nobody left, so nothing is proved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_write_leaves_a_connection_that_writes_what_comes_next() {
    let database = PostgresDatabase::create().await;
    let store = SeaOrmUsers::new(connections(&database.url()).await);
    people(&store, 1).await;
    for n in 0..20 {
        let refused = store.add(&person("person0"), &samples::context()).await;
        assert!(matches!(refused, Err(WriteError::Taken(_))), "{refused:?}");
        let next = person(&format!("next{n}"));
        store.add(&next, &samples::context()).await.unwrap();
        // By another connection than any of the store's.
        let mut connection = database.connect().await;
        let written = sqlx::query("SELECT count(*) FROM users WHERE id = $1")
            .bind(next.user.id.as_uuid())
            .fetch_one(&mut connection);
        assert_eq!(written.await.unwrap().get::<i64, _>(0), 1);
    }
    assert_eq!(counted(&database).await.1, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_connections_that_were_ended_make_room_for_new_ones() {
    let database = PostgresDatabase::create().await;
    let store = SeaOrmUsers::new(connections(&database.url()).await);
    let people = people(&store, 1).await;
    let key = UserKey::Id(people[0].user.id);
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
        assert!(Instant::now() < deadline, "the dead are not gone");
        let found = join_all((0..32).map(|_| store.find(&key))).await;
        if found.iter().all(Result::is_ok) {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_never_more_connections_than_allowed_and_none_after_the_end() {
    let database = PostgresDatabase::create().await;
    let connections = connections(&database.url()).await;
    let store = SeaOrmUsers::new(connections.clone());
    let people = people(&store, 8).await;
    for _ in 0..4 {
        join_all(people.iter().map(|person| async {
            let found = store.find(&UserKey::Id(person.user.id)).await;
            assert!(found.unwrap().is_some());
        }))
        .await;
        assert!(counted(&database).await.0 <= i64::from(MOST));
    }
    connections.close().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while counted(&database).await.0 > 0 {
        assert!(Instant::now() < deadline, "a connection is left");
        sleep(Duration::from_millis(20)).await;
    }
}
