//! Commands beside others who use the same database, and what they leave behind.

use std::time::{Duration, Instant};

use sea_orm::sqlx::{Connection, Executor, PgConnection, Row, SqliteConnection};
use user_tests::PostgresDatabase;

use super::*;
use crate::command_line::Running;

async fn sqlite(workplace: &Workplace) -> SqliteConnection {
    let file = workplace.path("users.db");
    let connected = SqliteConnection::connect(&file.display().to_string()).await;
    connected.unwrap()
}

on_each_store! {
    async fn a_service_takes_every_write_while_an_import_runs_beside_it(app: &TestApp) {
        let workplace = Workplace::of(app);
        let users: Vec<Value> = (0..6000).map(|n| plain(&format!("member{n}"))).collect();
        workplace.write("users.ndjson", &users);
        let results = workplace.path("results.ndjson");
        let child = workplace
            .command(&["user", "import", "users.ndjson", "--results", "results.ndjson"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut import = Running(child);
        let imported = || std::fs::read_to_string(&results).unwrap_or_default().lines().count();
        while imported() == 0 {
            assert!(import.0.try_wait().unwrap().is_none(), "it ended too early");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let (mut written, mut ended) = (0, None);
        while ended.is_none() {
            // Which asserts that it is a 201.
            app.register(&format!("live{written}")).await;
            written += 1;
            ended = import.0.try_wait().unwrap();
        }
        assert_eq!(ended.unwrap().code(), Some(0));
        assert!(written > 1, "the import ended before anything was written beside it");
        assert_eq!(workplace.everybody().len(), 6000 + written);
    }
}

#[tokio::test]
async fn a_dry_run_needs_no_lock_of_a_sqlite_file() {
    let workplace = Workplace::sqlite();
    workplace.write("users.ndjson", &[plain("ann"), plain("bob")]);
    let mut writer = sqlite(&workplace).await;
    writer.execute("BEGIN IMMEDIATE").await.unwrap();
    let rehearsed = workplace.run(&["user", "import", "users.ndjson", "--dry-run"]);
    assert_eq!(status(&rehearsed), 0, "{}", stderr(&rehearsed));
    assert!(
        stdout(&rehearsed).contains("2 created"),
        "{}",
        stdout(&rehearsed)
    );
    writer.execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn an_import_leaves_a_sqlite_file_with_the_statistics_that_lists_need() {
    let workplace = Workplace::sqlite();
    let users: Vec<Value> = (0..1500).map(|n| plain(&format!("member{n}"))).collect();
    workplace.write("users.ndjson", &users);
    let imported = workplace.run(&["user", "import", "users.ndjson"]);
    assert_eq!(status(&imported), 0, "{}", stderr(&imported));
    let mut reader = sqlite(&workplace).await;
    let counted = reader
        .fetch_one("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'users'")
        .await
        .unwrap();
    assert!(counted.get::<i64, _>(0) > 0);
}

#[tokio::test]
async fn no_command_breaks_its_connections_to_postgresql_off() {
    let database = Arc::new(PostgresDatabase::create().await);
    let workplace = Workplace {
        folder: tempfile::tempdir().unwrap(),
        uri: database.url(),
        _database: Some(database.clone()),
    };
    workplace.write("users.ndjson", &[plain("ann"), plain("x")]);
    let before = broken_off(&database).await;
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
        let run = workplace.run(arguments);
        assert_eq!(status(&run), expected, "{arguments:?}: {}", stderr(&run));
        assert_eq!(broken_off(&database).await, before, "{arguments:?}");
    }
}

/// Counts the sessions of a database that ended without a goodbye, once all others have ended.
async fn broken_off(database: &PostgresDatabase) -> i64 {
    let mut connection = database.connect().await;
    let begun = Instant::now();
    while number(
        &mut connection,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
    .await
        > 0
    {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
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
