//! The service under test, composed as in production.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::runtime::Handle;
use user_adapters::guards::Guards;
use user_http::WriteTasks;
use user_service::compose::ComposeError;
use user_service::serve::Service;
use user_service::settings::{Settings, Sources};

use crate::client::TestClient;
use crate::credentials::{API_TOKEN, JWT_SECRET};
use crate::database::PostgresDatabase;
use crate::leaks;

/// The kind of database of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// SQLite, with a separate file per test.
    Sqlite,
    /// PostgreSQL, with a separate database per test.
    Postgres,
}

/// The database of a test, shared by its replicas.
#[derive(Debug, Clone)]
enum TestStore {
    Sqlite(Arc<TempDir>),
    Postgres(Arc<PostgresDatabase>),
}

/// A running service.
pub struct TestApp {
    service: Box<Service>,
    store: TestStore,
    /// The HTTP client that the test clients of this app share.
    pub client: reqwest::Client,
}

impl TestApp {
    /// Starts a service on an empty store.
    pub async fn start(store: Store) -> Self {
        Self::start_with(store, &[]).await
    }

    /// Starts a service on an empty store, with additional settings.
    pub async fn start_with(store: Store, settings: &[(&str, &str)]) -> Self {
        let store = match store {
            Store::Sqlite => TestStore::Sqlite(Arc::new(tempfile::tempdir().unwrap())),
            Store::Postgres => TestStore::Postgres(Arc::new(PostgresDatabase::create().await)),
        };
        Self::on(store, settings).await.expect("the service starts")
    }

    /// Starts another replica on the same store.
    pub async fn replica(&self) -> Self {
        self.replica_with(&[]).await
    }

    /// Starts another replica on the same store, with additional settings.
    pub async fn replica_with(&self, settings: &[(&str, &str)]) -> Self {
        Self::on(self.store.clone(), settings)
            .await
            .expect("the replica starts")
    }

    /// Starts another replica on the same store.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn try_replica_with(&self, settings: &[(&str, &str)]) -> Result<Self, ComposeError> {
        Self::on(self.store.clone(), settings).await
    }

    /// Starts another replica on the same store that runs writes inside their handlers. A disconnect of the client then
    /// cancels a write.
    pub async fn replica_with_inline_writes(&self, settings: &[(&str, &str)]) -> Self {
        let writes = WriteTasks::inside_handler(Handle::current());
        self.start_replica(settings, writes, Guards::default())
            .await
    }

    /// Starts another replica on the same store, with these guards of the cache guarantees.
    pub async fn replica_with_guards(&self, settings: &[(&str, &str)], guards: Guards) -> Self {
        let writes = WriteTasks::new(Handle::current());
        self.start_replica(settings, writes, guards).await
    }

    async fn start_replica(
        &self,
        settings: &[(&str, &str)],
        writes: WriteTasks,
        guards: Guards,
    ) -> Self {
        leaks::capture();
        let settings = load(&self.store, settings);
        let service = Service::start_with(&settings, writes, guards)
            .await
            .expect("the replica starts");
        Self {
            service: Box::new(service),
            store: self.store.clone(),
            client: crate::http_client(),
        }
    }

    async fn on(store: TestStore, more: &[(&str, &str)]) -> Result<Self, ComposeError> {
        leaks::capture();
        let service = Service::start(&load(&store, more)).await?;
        Ok(Self {
            service: Box::new(service),
            store,
            client: crate::http_client(),
        })
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// The URL of a path on the management port.
    pub fn management_url(&self, path: &str) -> String {
        let address = self.service.management_address();
        format!(
            "http://{}{path}",
            address.expect("there is a management port")
        )
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// The `DATABASE_URI` of this app.
    pub fn database_uri(&self) -> String {
        self.store.uri()
    }

    /// The PostgreSQL database of this app.
    pub fn postgres(&self) -> &PostgresDatabase {
        match &self.store {
            TestStore::Postgres(database) => database,
            TestStore::Sqlite(_) => panic!("this app uses SQLite"),
        }
    }

    /// The use cases and ports of this app.
    pub fn composition(&self) -> &user_service::compose::Composition {
        &self.service.composition
    }

    /// A client without credentials.
    pub fn anonymous(&self) -> TestClient<'_> {
        self.client_with(None)
    }

    /// A client with a service token that has all scopes.
    pub fn service(&self) -> TestClient<'_> {
        self.authorized(format!("Bearer {API_TOKEN}"))
    }

    /// A client with a token of this user.
    pub fn user(&self, id: &str) -> TestClient<'_> {
        self.authorized(format!("Bearer {}", crate::sign(&crate::claims(id))))
    }

    /// A client with this `Authorization` header.
    pub fn authorized(&self, value: impl Into<String>) -> TestClient<'_> {
        self.client_with(Some(value.into()))
    }

    fn client_with(&self, authorization: Option<String>) -> TestClient<'_> {
        TestClient::new(&self.client, self.url(""), authorization)
    }

    /// Registers an administrator, and returns a client with its token.
    pub async fn admin(&self) -> TestClient<'_> {
        let body = serde_json::json!({"username": "the.boss", "email": "boss@example.org", "roles": ["admin"]});
        let boss = self.service().post("/v1/users", &body).await;
        let id = match boss.status {
            201 => boss.json["id"].as_str().unwrap().to_owned(),
            409 => self
                .service()
                .get("/v1/users/by-username/the.boss")
                .await
                .json["id"]
                .as_str()
                .unwrap()
                .to_owned(),
            other => panic!(
                "the administrator cannot be registered: {other} {}",
                boss.json
            ),
        };
        let mut claims = crate::claims(&id);
        claims["roles"] = serde_json::json!(["admin"]);
        self.authorized(format!("Bearer {}", crate::sign(&claims)))
    }

    /// Registers a user and returns the body of the response.
    pub async fn register(&self, username: &str) -> serde_json::Value {
        let body =
            serde_json::json!({"username": username, "email": format!("{username}@example.org")});
        let reply = self.service().post("/v1/users", &body).await;
        assert_eq!(reply.status, 201, "{}", reply.json);
        reply.json
    }

    /// Stops the service gracefully, and asserts that the log contains no secrets. The store is removed with the last
    /// replica.
    pub async fn stop(self) {
        self.service.stop().await;
        leaks::assert_none();
    }
}

impl TestStore {
    fn uri(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:///{}", file(folder).display()),
            Self::Postgres(database) => database.url(),
        }
    }
}

fn load(store: &TestStore, more: &[(&str, &str)]) -> Settings {
    Settings::load(&sources(&store.uri(), more)).unwrap_or_else(|faults| panic!("{faults}"))
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("users.db")
}

fn sources(uri: &str, more: &[(&str, &str)]) -> Sources {
    let usual = [
        ("JWT_SECRET_KEY", JWT_SECRET),
        ("ALLOWED_API_TOKENS", API_TOKEN),
        ("DATABASE_URI", uri),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("HTTP_WORKERS", "2"),
        ("SHUTDOWN_GRACE_SECONDS", "5"),
        // Cheap hashes, which take almost no time.
        ("ARGON2_MEMORY_KIB", "8"),
        ("ARGON2_ITERATIONS", "1"),
    ];
    let environment: BTreeMap<String, String> = usual
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Sources {
        environment,
        ..Sources::default()
    }
}
