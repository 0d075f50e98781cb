//! Throw-away PostgreSQL databases.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::OnceCell;
use user_adapters::sea_orm::{Connections, PoolOptions};

/// A database of one test, with the schema of this release; dropped with this value.
#[derive(Debug)]
pub struct PostgresDatabase {
    server: String,
    name: String,
}

/// The database that the others are copied from: migrating it once is cheaper than migrating each.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static COUNTER: AtomicU32 = AtomicU32::new(0);

impl PostgresDatabase {
    /// Makes a database with the current schema and nothing in it.
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
        // A copy is a store of its own: the two must not meet in one Redis.
        let renamed = database
            .connect()
            .await
            .execute("UPDATE store SET id = gen_random_uuid()::text")
            .await;
        renamed.expect("a store that can be renamed");
        database
    }

    /// Makes a database without any table.
    pub async fn create_empty() -> Self {
        Self::create_empty_on(server()).await
    }

    /// Makes a database without any table on this server, which has to live as long.
    pub async fn create_empty_on(server: String) -> Self {
        let database = Self {
            server,
            name: fresh_name("empty"),
        };
        admin(
            &database.server,
            &format!("CREATE DATABASE {} TEMPLATE template0", database.name),
        )
        .await;
        database
    }

    /// The database's address.
    pub fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }

    /// Opens a connection of the test's own.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url())
            .await
            .expect("the test's database can be reached")
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let (server, drop) = (
            self.server.clone(),
            format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
        );
        // A drop cannot wait in the test's own runtime, which may be ending.
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
        .expect("TEST_DATABASE_URI names a PostgreSQL whose role may create databases: run the tests by `make test`")
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
        .expect("the server in TEST_DATABASE_URI can be reached");
    // A template is refused while another copies it; the other is soon done.
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
