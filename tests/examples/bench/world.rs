//! The databases with their users, and the callers.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use sea_orm::sqlx::Executor as _;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use user_tests::{PostgresDatabase, claims, configured, sign};

use crate::figures::number;
use crate::load::Request;

/// The number of users that are read from the cache.
const HOT: u64 = 1_000;
/// The number of users that send requests.
const CALLERS: u64 = 100;

/// The environment of a run: database, Redis and a folder for files.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) users: u64,
    database: PostgresDatabase,
    runtime: Runtime,
    redis: String,
}

impl World {
    /// Creates a database with `BENCH_USERS` users.
    pub(crate) fn create() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let users = number("BENCH_USERS", 100_000).max(HOT);
        let database = runtime.block_on(PostgresDatabase::create());
        fill(folder.path(), &database.url(), users);
        runtime.block_on(vacuum(&database));
        Self {
            folder,
            users,
            database,
            runtime,
            redis: std::env::var("TEST_REDIS_URL").expect("TEST_REDIS_URL: run this by make bench"),
        }
    }

    /// Creates another database with this number of users.
    pub(crate) fn another(&self, users: u64) -> PostgresDatabase {
        let database = self.runtime.block_on(PostgresDatabase::create());
        fill(self.folder.path(), &database.url(), users);
        self.runtime.block_on(vacuum(&database));
        database
    }

    /// Creates another database, filled by a statement whose parameter is the number of users.
    pub(crate) fn filled_by(&self, statement: &'static str, users: u64) -> PostgresDatabase {
        let database = self.runtime.block_on(PostgresDatabase::create());
        self.runtime.block_on(async {
            let mut connection = database.connect().await;
            let users = i32::try_from(users).unwrap();
            let filling = sea_orm::sqlx::query(statement).bind(users);
            filling.execute(&mut connection).await.unwrap();
        });
        self.runtime.block_on(vacuum(&database));
        database
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> String {
        self.database.url()
    }

    pub(crate) fn redis(&self) -> &str {
        &self.redis
    }

    /// Returns the settings of a service with the in-process cache and Redis.
    pub(crate) fn production<'a>(&'a self, database: &'a str) -> [(&'a str, &'a str); 2] {
        [("DATABASE_URI", database), ("REDIS_URL", &self.redis)]
    }

    /// Returns reads of `HOT` users, sent by `CALLERS` other users.
    pub(crate) fn hot_reads() -> Vec<Request> {
        let tokens: Vec<String> = (1..=CALLERS).map(token).collect();
        (0..HOT)
            .map(|place| {
                Request::get(
                    format!("/v1/users/{}", id(place + 1)),
                    &tokens[(place % CALLERS) as usize],
                )
            })
            .collect()
    }
}

/// Runs the maintenance that the database would do by itself after a while.
async fn vacuum(database: &PostgresDatabase) {
    let mut connection = database.connect().await;
    connection.execute("VACUUM ANALYZE").await.unwrap();
}

/// Returns the id of the user with this number.
pub(crate) fn id(number: u64) -> String {
    format!("01990000-0000-7000-8000-{number:012x}")
}

/// Returns a token of the user with this number.
pub(crate) fn token(number: u64) -> String {
    sign(&claims(&id(number)))
}

/// Creates users of typical size with the import command.
fn fill(folder: &Path, database: &str, users: u64) {
    let mut lines = String::new();
    for number in 1..=users {
        writeln!(
            lines,
            r#"{{"id":"{}","username":"user{number:07}","email":"user{number}@example.org","profile":{{"name":"Ann Lee {number}","given_name":"Ann","family_name":"Lee","bio":"Writes about gardens, trains and the sea, and now and then about bread.","picture":"https://images.example.org/a/{number}.jpg","location":"Berlin","locale":"de-DE","zoneinfo":"Europe/Berlin","birthdate":"1990-02-28"}},"metadata":{{"public":{{"theme":"dark","badges":["early","author"]}}}}}}"#,
            id(number)
        )
        .unwrap();
    }
    let file = folder.join(format!("users-{users}.ndjson"));
    fs::write(&file, lines).unwrap();
    let mut import = configured(folder, database, &["user", "import"]);
    run(import.arg(&file));
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{output:?}");
}
