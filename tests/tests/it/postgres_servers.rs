//! Which PostgreSQL servers and databases are used, and what each session sets.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::sqlx::{AssertSqlSafe, Executor, Row};
use tokio::time::{Instant, sleep};
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::ports::{UserKey, UserReader, UserWriter};
use user_domain::test_support::samples;
use user_domain::user::Applied;
use user_tests::{PostgresDatabase, PostgresServer, Store, TestApp};

/// Connects to a database with several servers.
async fn connections(servers: &[&PostgresServer]) -> Connections {
    let further = servers.iter().skip(1).map(|server| server.url().into());
    let options = PoolOptions {
        max_connections: 6,
        further_servers: further.collect(),
        ..PoolOptions::default()
    };
    let first = servers[0].url();
    Connections::postgres(&first, &options).await.unwrap()
}

fn registered(name: &str) -> Applied {
    samples::registered(&samples::new_user(name), &samples::context())
}

/// Adds users at the same time and reads them. Returns the number of failures.
async fn failures(store: &SeaOrmUsers, round: &str) -> usize {
    let work = async |n: usize| {
        let user = registered(&format!("{round}{n}"));
        store.add(&user, &samples::context()).await.is_ok()
            && matches!(store.find(&UserKey::Id(user.user.id)).await, Ok(Some(_)))
    };
    let done = join_all((0..12).map(work)).await;
    done.iter().filter(|is_done| !**is_done).count()
}

async fn count_users(server: &PostgresServer) -> i64 {
    let mut connection = server.connect().await;
    let row = connection.fetch_one("SELECT count(*) FROM users").await;
    row.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_servers_the_one_that_is_not_a_standby_is_used_and_followed() {
    let primary = PostgresServer::start().await;
    let setup = connections(&[&primary]).await;
    setup.migrate(None).await.unwrap();
    setup.close().await;
    let standby = primary.start_standby().await;

    // The standby is first in the list.
    let connections = connections(&[&standby, &primary]).await;
    assert!(connections.migrate(None).await.unwrap().is_empty());
    let store = SeaOrmUsers::new(connections);
    assert_eq!(failures(&store, "before").await, 0);
    let deadline = Instant::now() + Duration::from_secs(30);
    while count_users(&standby).await < 12 {
        assert!(Instant::now() < deadline, "the standby replays nothing");
        sleep(Duration::from_millis(20)).await;
    }

    primary.kill();
    let key = UserKey::Id(samples::user_id());
    assert!(store.find(&key).await.is_err(), "a standby was read");
    standby.execute("SELECT pg_promote()").await;
    for n in 0.. {
        assert!(Instant::now() < deadline, "the new primary is not used");
        let user = registered(&format!("during{n}"));
        if store.add(&user, &samples::context()).await.is_ok() {
            break;
        }
    }
    assert_eq!(failures(&store, "after").await, 0);
    assert!(count_users(&standby).await > 24);

    // The former primary is back with older data, and is not used.
    primary.restart().await;
    assert_eq!(failures(&store, "later").await, 0);
    assert_eq!(count_users(&primary).await, 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_do_not_depend_on_the_defaults_of_the_server() {
    let server = PostgresServer::start_with(&[
        "default_transaction_isolation=serializable",
        "standard_conforming_strings=off",
        "gin_fuzzy_search_limit=5",
        "statement_timeout=0",
        "lock_timeout=0",
        "idle_in_transaction_session_timeout=0",
        "jit=on",
        "timezone=Asia/Kathmandu",
    ])
    .await;
    let connections = connections(&[&server]).await;
    connections.migrate(None).await.unwrap();
    let record = "CREATE TABLE recorded AS SELECT name, setting FROM pg_settings LIMIT 0;
        CREATE FUNCTION record() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO recorded SELECT name, setting FROM pg_settings; RETURN NEW; END';
        CREATE TRIGGER record BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION record()";
    let mut connection = server.connect().await;
    connection.execute(AssertSqlSafe(record)).await.unwrap();
    let store = SeaOrmUsers::new(connections);
    store
        .add(&registered("person"), &samples::context())
        .await
        .unwrap();

    let rows = connection.fetch_all("SELECT name, setting FROM recorded");
    let recorded: BTreeMap<String, String> = rows
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let mut expected = vec![
        ("transaction_isolation", "read committed"),
        ("default_transaction_isolation", "read committed"),
        ("standard_conforming_strings", "on"),
        ("gin_fuzzy_search_limit", "0"),
        ("statement_timeout", "1000"),
        ("lock_timeout", "900"),
        ("idle_in_transaction_session_timeout", "5000"),
        ("jit", "off"),
        ("TimeZone", "UTC"),
        ("client_encoding", "UTF8"),
    ];
    if cfg!(target_os = "linux") && recorded.contains_key("client_connection_check_interval") {
        expected.push(("client_connection_check_interval", "300"));
    }
    for (name, value) in expected {
        assert_eq!(recorded[name], value, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_in_another_encoding_is_refused_at_the_start() {
    let direct = TestApp::start(Store::Postgres).await;
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let database = PostgresDatabase::create_empty_in(encoding).await;
        for migrates in ["true", "false"] {
            let settings = [
                ("DATABASE_URI", database.url()),
                ("MIGRATE_ON_START", migrates.to_owned()),
            ];
            let settings = settings.each_ref().map(|(name, value)| (*name, &**value));
            let refused = direct.try_replica_with(&settings).await.err().unwrap();
            let reason = format!("its encoding is {encoding}");
            assert!(refused.to_string().contains(&reason), "{refused}");
        }
    }
    direct.stop().await;
}
