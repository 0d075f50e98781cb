//! Temporary PostgreSQL databases.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::OnceCell;
use user_adapters::sea_orm::{Connections, PoolOptions};

/// A PostgreSQL database of one test. It is dropped with this value.
#[derive(Debug)]
pub struct PostgresDatabase {
    server: String,
    name: String,
}

/// The database of which the others are copies: one migration is cheaper than one per test.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static COUNTER: AtomicU32 = AtomicU32::new(0);

impl PostgresDatabase {
    /// Creates a database with the current schema and no data.
    pub async fn create() -> Self {
        let template = TEMPLATE.get_or_init(make_template).await;
        let database = Self {
            server: server(),
            name: fresh_name("test"),
        };
        admin(
            &database.server,
            &format!("CREATE DATABASE {} TEMPLATE {template}", database.name),
        )
        .await;
        // The copy needs its own store id: two stores must not share entries in Redis.
        let renamed = database
            .connect()
            .await
            .execute("UPDATE store SET id = gen_random_uuid()::text")
            .await;
        renamed.expect("the store gets a new id");
        database
    }

    /// Creates a database without tables.
    pub async fn create_empty() -> Self {
        Self::create_empty_on(server()).await
    }

    /// Creates a database without tables, in an encoding such as `LATIN1`.
    pub async fn create_empty_in(encoding: &str) -> Self {
        let options = format!(" ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
        Self::create_empty_with(server(), &options).await
    }

    /// Creates a database without tables on this server, which must outlive it.
    pub async fn create_empty_on(server: String) -> Self {
        Self::create_empty_with(server, "").await
    }

    async fn create_empty_with(server: String, options: &str) -> Self {
        let database = Self {
            server,
            name: fresh_name("empty"),
        };
        let create = format!(
            "CREATE DATABASE {} TEMPLATE template0{options}",
            database.name
        );
        admin(&database.server, &create).await;
        database
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }

    /// Opens a connection that is not shared with the service.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url())
            .await
            .expect("the test database is reachable")
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let (server, drop) = (
            self.server.clone(),
            format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
        );
        // On a separate runtime: the runtime of the test may already be shutting down.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(admin(&server, &drop));
        });
        let _ = dropped.join();
    }
}

fn server() -> String {
    std::env::var("TEST_DATABASE_URI")
        .expect("TEST_DATABASE_URI must name a PostgreSQL with a role that may create databases: run the tests with `make test`")
}

fn fresh_name(kind: &str) -> String {
    format!(
        "{kind}_{}_{}",
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    )
}

async fn make_template() -> String {
    let (server, name) = (server(), fresh_name("template"));
    admin(
        &server,
        &format!("CREATE DATABASE {name} TEMPLATE template0"),
    )
    .await;
    let options = PoolOptions {
        max_connections: 2,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&with_database(&server, &name), &options)
        .await
        .unwrap();
    connections.migrate(None).await.unwrap();
    connections.close().await;
    name
}

async fn admin(server: &str, statement: &str) {
    let mut connection = PgConnection::connect(server)
        .await
        .expect("the server in TEST_DATABASE_URI is reachable");
    // A template cannot be copied twice at the same time, so it retries.
    for _ in 0..100 {
        match connection.execute(AssertSqlSafe(statement)).await {
            Ok(_) => return,
            Err(error) if error.to_string().contains("being accessed by other users") => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{statement}: {error}"),
        }
    }
    panic!("{statement}: the database stays in use");
}

fn with_database(server: &str, name: &str) -> String {
    let (address, query) = server
        .split_once('?')
        .map_or((server, None), |(address, query)| (address, Some(query)));
    let scheme_end = address.find("://").map_or(0, |at| at + 3);
    let base = address[scheme_end..]
        .find('/')
        .map_or(address, |slash| &address[..scheme_end + slash]);
    query.map_or_else(
        || format!("{base}/{name}"),
        |query| format!("{base}/{name}?{query}"),
    )
}
