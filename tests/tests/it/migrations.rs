//! Migrations of a PostgreSQL database that others use at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sea_orm::Database;
use sea_orm::sqlx::{self, AssertSqlSafe, Executor as _, PgConnection, Row as _};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use user_adapters::sea_orm::{Connections, PoolOptions};
use user_migrations::SchemaManager;
use user_tests::PostgresDatabase;

/// So many users that copying and indexing their search texts takes several times [`LONGEST_WRITE`].
const MANY_USERS: u32 = 100_000;

/// The maximum time for which a migration may block a write. Only waits for locks count, not a slow machine.
const LONGEST_WRITE: &str = "SET lock_timeout = '2s'";
/// The time after which a write of the service gives up.
const WRITE_OF_THE_SERVICE: &str = "SET lock_timeout = '900ms'";

/// Applies the pending migrations.
pub(crate) async fn migrate(database: &PostgresDatabase) -> Vec<String> {
    let options = PoolOptions {
        max_connections: 2,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&database.url(), &options).await;
    let connections = connections.unwrap();
    let applied = connections.migrate(None).await.unwrap();
    connections.close().await;
    applied
}

/// Creates a database with the schema of the first migration, and this many rows in each table that grows.
async fn first_schema(rows: u32) -> PostgresDatabase {
    let database = PostgresDatabase::create_empty().await;
    let store = Database::connect(database.url()).await.unwrap();
    let migrations = user_migrations::all();
    migrations[0].up(&SchemaManager::new(&store)).await.unwrap();
    store.close().await.unwrap();
    let from = format!("FROM generate_series(1, {rows}) AS n");
    let filled = format!(
        "CREATE TABLE seaql_migrations (version text NOT NULL PRIMARY KEY, applied_at bigint NOT NULL);
        INSERT INTO seaql_migrations VALUES ('{}', 0);
        {};
        INSERT INTO events (id, type, subject_kind, subject_id, version, changed, actor, at)
            SELECT id, 'user.created', 'user', id, 1, '[]', 'anonymous', now() FROM users;
        INSERT INTO idempotency_keys SELECT 'anonymous', username, '', id, now() FROM users;
        INSERT INTO released_usernames SELECT 'old.' || username, 'old.' || username, id, now() FROM users;",
        migrations[0].name(),
        insert_users("'user.' || n", "'user.' || n || E'\\n' || md5(n::text)", &from),
    );
    let mut connection = database.connect().await;
    connection.execute(AssertSqlSafe(filled)).await.unwrap();
    connection.execute("VACUUM ANALYZE").await.unwrap();
    database
}

/// The statement that inserts users with these SQL expressions, and only the columns of the first release that are
/// required.
fn insert_users(username: &str, search_text: &str, from: &str) -> String {
    format!(
        "INSERT INTO users (id, username, username_key, username_skeleton, email, email_key, email_verified,
            phone_number_verified, standing, roles, metadata_public, metadata_user, metadata_private, search_text,
            version, created_at, updated_at)
        SELECT gen_random_uuid(), {username}, {username}, {username}, {username}, {username}, false, false, 'active',
            '[]', '{{}}', '{{}}', '{{}}', {search_text}, 1, now(), now() {from}"
    )
}

/// Writers that create, change and delete users by statements that any release could send.
struct Writers {
    tasks: Vec<JoinHandle<()>>,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    written: AtomicUsize,
    refused: std::sync::Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Writers {
    async fn start(database: &PostgresDatabase, timeouts: &'static str) -> Self {
        let progress = Arc::new(Progress::default());
        let mut tasks = Vec::new();
        for writer in 1..=3 {
            let mut connection = database.connect().await;
            connection.execute(timeouts).await.unwrap();
            tasks.push(tokio::spawn(write(connection, writer, progress.clone())));
        }
        Self { tasks, progress }
    }

    /// Waits for this many further writes. Stops waiting if a write is refused.
    async fn wait_for(&self, writes: usize) {
        let target = self.progress.written.load(Ordering::Relaxed) + writes;
        while self.progress.written.load(Ordering::Relaxed) < target && self.refused().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn refused(&self) -> Vec<String> {
        self.progress.refused.lock().unwrap().clone()
    }

    /// Stops the writers, and returns the errors of refused writes.
    async fn stop(self) -> Vec<String> {
        self.progress.is_over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.progress.refused.lock().unwrap().clone()
    }
}

async fn write(mut connection: PgConnection, writer: u32, progress: Arc<Progress>) {
    for n in 2.. {
        if progress.is_over.load(Ordering::Relaxed) {
            return;
        }
        let (name, changed) = (format!("w{writer}.{n}"), format!("user.{}", 3 * n + writer));
        let quoted = format!("'{name}'");
        let create = format!(
            "INSERT INTO idempotency_keys (actor, key, fingerprint, subject_id, created_at)
                VALUES ('{writer}', '{name}', '', gen_random_uuid(), now());
            {};
            INSERT INTO events (id, type, subject_kind, subject_id, version, changed, actor, at)
                VALUES (gen_random_uuid(), 'user.created', 'user', gen_random_uuid(), 1, '[]', '{writer}', now())",
            insert_users(&quoted, &quoted, "")
        );
        let change = format!(
            "UPDATE users SET search_text = '{name} changed', version = version + 1 WHERE username_key = '{changed}'"
        );
        let delete = format!(
            "DELETE FROM users WHERE username_key IN ('user.{}', 'w{writer}.{}')",
            MANY_USERS.saturating_sub(3 * n + writer),
            n / 2
        );
        for statement in [create, change, delete] {
            match connection.execute(AssertSqlSafe(statement)).await {
                Ok(_) => progress.written.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    progress.refused.lock().unwrap().push(error.to_string());
                    return;
                }
            };
        }
    }
}

async fn number(connection: &mut PgConnection, select: &'static str) -> i64 {
    let row = sqlx::query(select).fetch_one(connection).await;
    row.unwrap().get(0)
}

const WRONG_TEXTS: &str = "SELECT count(*) FROM users FULL JOIN user_search_texts ON id = user_id
    WHERE users.search_text IS DISTINCT FROM user_search_texts.search_text";
const INVALID_INDEXES: &str = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_of_many_rows_refuse_no_write() {
    let database = first_schema(MANY_USERS).await;
    let writers = Writers::start(&database, LONGEST_WRITE).await;
    let applied = migrate(&database).await;
    writers.wait_for(1).await;
    assert_eq!(writers.stop().await, [] as [String; 0]);
    assert_eq!(applied.len(), user_migrations::all().len() - 1);
    let mut connection = database.connect().await;
    assert_eq!(number(&mut connection, WRONG_TEXTS).await, 0);
    assert_eq!(number(&mut connection, INVALID_INDEXES).await, 0);
}

/// Asserts that writers continue and the migrations complete, although a transaction that began with this statement
/// stays open for a while.
async fn assert_unnoticed_beside(statement: &'static str) {
    let database = first_schema(1_000).await;
    let mut open = database.connect().await;
    open.execute(statement).await.unwrap();
    let writers = Writers::start(&database, WRITE_OF_THE_SERVICE).await;
    let migration = async {
        let applied = migrate(&database).await;
        assert_eq!(applied.len(), user_migrations::all().len() - 1);
    };
    let others = async {
        let mut connection = database.connect().await;
        // A migration waits for the open transaction at least twice, and writers continue each time.
        for _ in 0..2 {
            let waiting = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ '^(ALTER|CREATE)'";
            while number(&mut connection, waiting).await == 0 {
                sleep(Duration::from_millis(5)).await;
            }
            writers.wait_for(300).await;
        }
        assert_eq!(writers.refused(), [] as [String; 0], "{statement}");
        open.execute("COMMIT").await.unwrap();
    };
    tokio::join!(migration, others);
    assert_eq!(writers.stop().await, [] as [String; 0], "{statement}");
    let mut connection = database.connect().await;
    assert_eq!(number(&mut connection, WRONG_TEXTS).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_beside_an_open_write_lets_writers_pass() {
    assert_unnoticed_beside("BEGIN; UPDATE users SET bio = '' WHERE username_key = 'user.1'").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_beside_a_backup_lets_writers_pass() {
    assert_unnoticed_beside("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM users")
        .await;
}

#[tokio::test]
async fn migrations_in_several_steps_can_be_repeated() {
    let database = PostgresDatabase::create().await;
    let mut connection = database.connect().await;
    let all = user_migrations::all();
    let repeatable = all
        .iter()
        .filter(|one| one.use_transaction() == Some(false));
    let names: Vec<String> = repeatable.map(|one| one.name().to_owned()).collect();
    assert!(names.len() > 5, "{names:?}");
    let forget = sqlx::query("DELETE FROM seaql_migrations WHERE version = ANY($1)").bind(&names);
    forget.execute(&mut connection).await.unwrap();
    assert_eq!(migrate(&database).await, names);
}

#[tokio::test]
async fn an_existing_search_index_no_longer_collects_new_entries() {
    let database = PostgresDatabase::create().await;
    let mut connection = database.connect().await;
    let without = "SELECT count(*) FROM pg_class
        WHERE oid = 'user_search_texts_ix'::regclass AND reloptions = '{fastupdate=off}'";
    assert_eq!(number(&mut connection, without).await, 1);
    let earlier = "DELETE FROM seaql_migrations WHERE version = 'm20261130_000014_search_writes';
        ALTER INDEX user_search_texts_ix RESET (fastupdate);
        INSERT INTO user_search_texts SELECT gen_random_uuid(), md5(n::text) FROM generate_series(1, 1000) AS n";
    connection.execute(earlier).await.unwrap();
    migrate(&database).await;
    assert_eq!(number(&mut connection, without).await, 1);
    let collected = "SELECT gin_clean_pending_list('user_search_texts_ix'::regclass)";
    assert_eq!(number(&mut connection, collected).await, 0);
}
