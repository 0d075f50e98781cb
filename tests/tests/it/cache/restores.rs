//! A database that goes back to an earlier state: restored while the service runs, or after a failover that lost commits.

use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqliteConnection};
use serde_json::json;
use tokio::time::sleep;
use user_adapters::guards::{Guard, Guards};
use user_tests::{Cluster, PostgresServer, RedisServer, Reply, Store, TestApp, postgres_program};

use super::REDIS_ONLY;
use super::promises::assert_needs_guard;

/// The time within which caches equal the database, on a machine that is not busy.
const BOUND: Duration = Duration::from_secs(2);
/// The time within which an expected state must appear.
const TIMEOUT: Duration = Duration::from_secs(30);
const USERS: usize = 12;

/// All tables, in an order in which rows can be inserted.
const TABLES: &str =
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    ORDER BY relname <> 'users', relname";

async fn tables(db: &mut PgConnection) -> Vec<String> {
    let rows = db.fetch_all(TABLES).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn run(db: &mut PgConnection, statements: String) {
    db.execute(AssertSqlSafe(statements.as_str()))
        .await
        .unwrap_or_else(|error| panic!("{statements}: {error}"));
}

/// Repeats a request until the replica is not too busy.
async fn retry(request: impl AsyncFn() -> Reply) -> Reply {
    let started = Instant::now();
    loop {
        let reply = request().await;
        if reply.status != 503 {
            return reply;
        }
        assert!(started.elapsed() < TIMEOUT, "a replica does not answer");
    }
}

/// Registers users, and returns their ids.
async fn register(app: &TestApp, prefix: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..USERS {
        let name = format!("{prefix}{n}");
        let body = json!({"username": name, "email": format!("{name}@example.org")});
        let reply = retry(async || app.service().post("/v1/users", &body).await).await;
        assert_eq!(reply.status, 201, "{}", reply.json);
        ids.push(reply.id().to_owned());
    }
    ids
}

async fn rename_all(app: &TestApp, ids: &[String], name: &str) {
    for id in ids {
        let body = json!({"profile": {"name": name}});
        let path = format!("/v1/users/{id}");
        let reply = retry(async || app.service().patch(&path, &body).await).await;
        assert_eq!(reply.status, 200, "{}", reply.json);
    }
}

/// Reads users until each response comes from a cache.
async fn cache_all(apps: &[&TestApp], ids: &[String]) {
    let started = Instant::now();
    for (app, id) in apps
        .iter()
        .flat_map(|app| ids.iter().map(move |id| (app, id)))
    {
        let path = format!("/v1/users/{id}");
        while !app
            .service()
            .get(&path)
            .await
            .header("cache-status")
            .contains("; hit")
        {
            assert!(started.elapsed() < TIMEOUT, "a user is not cached");
        }
    }
}

/// Repeats a read until the replica answers: the body, or nothing for an absent user.
async fn read(app: &TestApp, id: &str, headers: &[(&str, &str)]) -> String {
    let path = format!("/v1/users/{id}");
    let reply = retry(async || app.service().get_with(&path, headers).await).await;
    match reply.status {
        200 => reply.text,
        404 => String::new(),
        other => panic!("{other} {}", reply.text),
    }
}

/// Reads past the caches.
const NO_CACHE: (&str, &str) = ("cache-control", "no-cache");

/// The number of users that the caches of these replicas and the database answer differently.
async fn differences(apps: &[&TestApp], ids: &[String]) -> usize {
    let pairs = apps
        .iter()
        .flat_map(|app| ids.iter().map(move |id| (app, id)));
    let differs =
        pairs.map(async |(app, id)| read(app, id, &[]).await != read(app, id, &[NO_CACHE]).await);
    let differs = join_all(differs).await;
    differs.iter().filter(|differs| **differs).count()
}

/// Whether the caches come to equal the database. Without a guard they are expected not to, after the bound.
async fn become_equal(apps: &[&TestApp], ids: &[String], guards: Guards) -> bool {
    let max_wait = if guards.is_complete() { TIMEOUT } else { BOUND };
    let started = Instant::now();
    let mut equal_rounds = 0;
    while equal_rounds < 5 {
        if differences(apps, ids).await == 0 {
            equal_rounds += 1;
        } else if started.elapsed() > max_wait {
            return false;
        } else {
            equal_rounds = 0;
        }
    }
    true
}

/// Restores data with `restore` while all users are read from two replicas. Returns whether the caches equal the database
/// afterwards.
async fn restored_caches_are_equal(
    settings: &[(&str, &str)],
    guards: Guards,
    save: impl AsyncFn(&Cluster),
    restore: impl AsyncFn(&Cluster),
) -> bool {
    let cluster = Cluster::start_with(2, settings, guards).await;
    let apps = [&cluster.replicas[0].app, &cluster.replicas[1].app];
    let mut ids = register(apps[0], "before").await;
    save(&cluster).await;
    rename_all(apps[0], &ids, "Lost").await;
    ids.extend(register(apps[1], "lost").await);
    cache_all(&apps, &ids).await;

    let reading = async {
        loop {
            join_all(ids.iter().flat_map(|id| apps.map(|app| read(app, id, &[])))).await;
        }
    };
    tokio::select! {
        () = reading => {}
        () = restore(&cluster) => {}
    }
    let are_equal = become_equal(&apps, &ids, guards).await;
    if guards.is_complete() {
        // The caches are used again, and replicas see each other's writes.
        rename_all(apps[0], &ids[..USERS], "Restored").await;
        cache_all(&apps, &ids[..USERS]).await;
        assert_eq!(differences(&apps, &ids).await, 0);
        assert_eq!(read(apps[1], &ids[USERS], &[]).await, "");
    }
    cluster.stop().await;
    are_equal
}

/// The tables are emptied first, and then filled in the order of the dump, each in a transaction of its own. In between,
/// the events are there and the users are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_only_restore_with_pg_restore_empties_all_caches() {
    for settings in [&[] as &[_], &REDIS_ONLY] {
        let folder = tempfile::tempdir().unwrap();
        let dump = folder.path().join("dump");
        let save = async |cluster: &Cluster| {
            let mut command = Command::new(postgres_program("pg_dump"));
            command.args(["--format=custom", "--file"]).arg(&dump);
            succeed(command.arg(cluster.owner().postgres().url()));
        };
        let restore = async |cluster: &Cluster| {
            let database = cluster.owner().postgres();
            let mut db = database.connect().await;
            let all = tables(&mut db).await.join(", ");
            run(&mut db, format!("TRUNCATE {all}")).await;
            let mut command = Command::new(postgres_program("pg_restore"));
            command.args(["--data-only", "--exit-on-error", "--dbname"]);
            succeed(command.arg(database.url()).arg(&dump));
        };
        let guards = Guards::default();
        assert!(restored_caches_are_equal(settings, guards, save, restore).await);
    }
}

fn succeed(command: &mut Command) {
    let output = tokio::task::block_in_place(|| command.output()).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// Rows are deleted and inserted again, so the tables and their files stay the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_replaced_by_older_ones_empty_all_caches() {
    for settings in [&[] as &[_], &REDIS_ONLY] {
        let save = async |cluster: &Cluster| {
            let mut db = cluster.owner().postgres().connect().await;
            let copies = tables(&mut db).await.into_iter();
            let copies = copies.map(|table| format!("CREATE TABLE saved.{table} AS TABLE {table}"));
            let copies = copies.collect::<Vec<_>>().join("; ");
            run(&mut db, format!("CREATE SCHEMA saved; {copies}")).await;
        };
        let restore = async |cluster: &Cluster| {
            let mut db = cluster.owner().postgres().connect().await;
            let all = tables(&mut db).await;
            let delete = all
                .iter()
                .rev()
                .map(|table| format!("DELETE FROM {table}; "));
            let insert = all
                .iter()
                .map(|table| format!("INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM saved.{table} ON CONFLICT DO NOTHING; "));
            let statements: String = delete.chain(insert).collect();
            run(&mut db, format!("BEGIN; {statements} COMMIT")).await;
        };
        assert_needs_guard(Guard::LogContinuity, |guards| {
            restored_caches_are_equal(settings, guards, save, restore)
        })
        .await;
    }
}

/// The same in the file of SQLite.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_sqlite_that_are_replaced_by_older_ones_empty_the_cache() {
    let app = TestApp::start(Store::Sqlite).await;
    let mut ids = register(&app, "before").await;
    let file = app.database_uri().replace("sqlite:///", "sqlite://");
    let mut db = SqliteConnection::connect(&file).await.unwrap();
    let rows = db.fetch_all(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('users', 'events')",
    );
    let tables: Vec<String> = rows.await.unwrap().iter().map(|row| row.get(0)).collect();
    let run = async |db: &mut SqliteConnection, statement: &str| {
        for table in &tables {
            let statement = statement.replace("{}", table);
            db.execute(AssertSqlSafe(statement)).await.unwrap();
        }
    };
    run(&mut db, "CREATE TABLE saved_{} AS SELECT * FROM {}").await;
    rename_all(&app, &ids, "Lost").await;
    ids.extend(register(&app, "lost").await);
    cache_all(&[&app], &ids).await;
    db.execute("BEGIN IMMEDIATE").await.unwrap();
    run(&mut db, "DELETE FROM {}").await;
    run(&mut db, "INSERT INTO {} SELECT * FROM saved_{}").await;
    db.execute("COMMIT").await.unwrap();
    assert!(become_equal(&[&app], &ids, Guards::default()).await);
    assert_eq!(read(&app, &ids[USERS], &[]).await, "");
    db.close().await.unwrap();
    app.stop().await;
}

/// An asynchronous standby takes over that has not received the last commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_that_loses_commits_empties_all_caches() {
    assert_needs_guard(Guard::LogContinuity, |guards| {
        caches_are_equal_after_failover(&[], guards)
    })
    .await;
    // Values in Redis are sealed for one server, so they are misses even without the guard.
    let guards = Guards::without(Guard::LogContinuity);
    assert!(caches_are_equal_after_failover(&REDIS_ONLY, guards).await);
}

async fn caches_are_equal_after_failover(settings: &[(&str, &str)], guards: Guards) -> bool {
    let primary = PostgresServer::start().await;
    let redis = RedisServer::start().await;
    let (owner, redis_url) = (TestApp::start(Store::Sqlite).await, redis.url());
    let migrated = owner
        .replica_with(&[("DATABASE_URI", &primary.url())])
        .await;
    migrated.stop().await;
    let standby = primary.start_standby().await;
    let servers = primary.url().replace(
        &primary.address(),
        &format!("{},{}", primary.address(), standby.address()),
    );
    let settings = [
        &[("DATABASE_URI", &*servers), ("REDIS_URL", &redis_url)],
        settings,
    ]
    .concat();
    let replicas = [
        owner.replica_with_guards(&settings, guards).await,
        owner.replica_with_guards(&settings, guards).await,
    ];
    let apps = [&replicas[0], &replicas[1]];
    let mut ids = register(apps[0], "before").await;
    wait_for_users(&standby, USERS).await;

    standby
        .execute("ALTER SYSTEM SET primary_conninfo = ''")
        .await;
    standby.execute("SELECT pg_reload_conf()").await;
    wait_for(
        &standby,
        "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)",
    )
    .await;
    rename_all(apps[0], &ids, "Lost").await;
    ids.extend(register(apps[1], "lost").await);
    cache_all(&apps, &ids).await;
    primary.kill();
    standby.execute("SELECT pg_promote()").await;

    for app in apps {
        read(app, &ids[0], &[NO_CACHE]).await;
    }
    let are_equal = become_equal(&apps, &ids, guards).await;
    for replica in replicas {
        replica.stop().await;
    }
    owner.stop().await;
    are_equal
}

async fn wait_for_users(server: &PostgresServer, count: usize) {
    wait_for(server, &format!("SELECT count(*) = {count} FROM users")).await;
}

async fn wait_for(server: &PostgresServer, condition: &str) {
    let started = Instant::now();
    let mut db = server.connect().await;
    loop {
        let row = db.fetch_one(AssertSqlSafe(condition)).await.unwrap();
        if row.get(0) {
            return;
        }
        assert!(started.elapsed() < TIMEOUT, "{condition}");
        sleep(Duration::from_millis(20)).await;
    }
}
