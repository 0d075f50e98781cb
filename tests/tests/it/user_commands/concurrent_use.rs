//! Commands that use a database at the same time as a service or another process.

use std::time::{Duration, Instant};

use sea_orm::sqlx::{Connection, Executor, PgConnection, Row, SqliteConnection};
use user_tests::PostgresDatabase;

use super::*;
use crate::command_line::Running;

async fn sqlite(runner: &CommandRunner) -> SqliteConnection {
    let file = runner.path("users.db");
    let connected = SqliteConnection::connect(&file.display().to_string()).await;
    connected.unwrap()
}

on_each_store! {
    async fn a_service_accepts_writes_during_an_import(app: &TestApp) {
        let runner = CommandRunner::of(app);
        let users: Vec<Value> = (0..6000).map(|n| minimal_record(&format!("member{n}"))).collect();
        runner.write("users.ndjson", &users);
        let results = runner.path("results.ndjson");
        let child = runner
            .command(&["user", "import", "users.ndjson", "--results", "results.ndjson"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut import = Running(child);
        let imported = || std::fs::read_to_string(&results).unwrap_or_default().lines().count();
        while imported() == 0 {
            assert!(import.0.try_wait().unwrap().is_none(), "the import ended too early");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let (mut written, mut ended) = (0, None);
        while ended.is_none() {
            // Asserts that the status is 201.
            app.register(&format!("live{written}")).await;
            written += 1;
            ended = import.0.try_wait().unwrap();
        }
        assert_eq!(ended.unwrap().code(), Some(0));
        assert!(written > 1, "the import ended before the service wrote anything");
        assert_eq!(runner.export_all().len(), 6000 + written);
    }
}

#[tokio::test]
async fn a_dry_run_needs_no_write_lock_on_sqlite() {
    let runner = CommandRunner::sqlite();
    runner.write(
        "users.ndjson",
        &[minimal_record("ann"), minimal_record("bob")],
    );
    let mut writer = sqlite(&runner).await;
    writer.execute("BEGIN IMMEDIATE").await.unwrap();
    let output = runner.run(&["user", "import", "users.ndjson", "--dry-run"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).contains("2 created"), "{}", stdout(&output));
    writer.execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn an_import_updates_the_statistics_of_a_sqlite_file() {
    let runner = CommandRunner::sqlite();
    let users: Vec<Value> = (0..1500)
        .map(|n| minimal_record(&format!("member{n}")))
        .collect();
    runner.write("users.ndjson", &users);
    let imported = runner.run(&["user", "import", "users.ndjson"]);
    assert_eq!(status(&imported), 0, "{}", stderr(&imported));
    let mut reader = sqlite(&runner).await;
    let counted = reader
        .fetch_one("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'users'")
        .await
        .unwrap();
    assert!(counted.get::<i64, _>(0) > 0);
}

#[tokio::test]
async fn commands_close_their_postgres_connections_properly() {
    let database = Arc::new(PostgresDatabase::create().await);
    let runner = CommandRunner {
        folder: tempfile::tempdir().unwrap(),
        uri: database.url(),
        _database: Some(database.clone()),
    };
    runner.write(
        "users.ndjson",
        &[minimal_record("ann"), minimal_record("x")],
    );
    let before = abandoned_sessions(&database).await;
    for (arguments, expected) in [
        (&["migrate", "up"][..], 0),
        (&["migrate", "status"], 0),
        (&["user", "import", "users.ndjson"], 1),
        (&["user", "import", "users.ndjson", "--dry-run"], 1),
        (&["user", "list"], 0),
        (&["user", "get", "ann"], 0),
        (&["user", "get", "nobody"], 1),
        (&["user", "export"], 0),
        (&["user", "grant-role", "ann", "admin"], 0),
        (&["purge"], 0),
    ] {
        let run = runner.run(arguments);
        assert_eq!(status(&run), expected, "{arguments:?}: {}", stderr(&run));
        assert_eq!(abandoned_sessions(&database).await, before, "{arguments:?}");
    }
}

/// The number of sessions that clients abandoned without closing them. Waits first until all sessions have ended.
async fn abandoned_sessions(database: &PostgresDatabase) -> i64 {
    let mut connection = database.connect().await;
    let started = Instant::now();
    while number(
        &mut connection,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
    .await
        > 0
    {
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "a session does not end"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let abandoned = number(
        &mut connection,
        "SELECT sessions_abandoned FROM pg_stat_database WHERE datname = current_database()",
    )
    .await;
    connection.close().await.unwrap();
    abandoned
}

async fn number(connection: &mut PgConnection, sql: &'static str) -> i64 {
    connection.fetch_one(sql).await.unwrap().get(0)
}
