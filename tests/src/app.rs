//! The service under test, composed as in production.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::runtime::Handle;
use user_adapters::guards::Guards;
use user_http::Writes;
use user_service::compose::ComposeError;
use user_service::serve::Service;
use user_service::settings::{Settings, Sources};

use crate::caller::As;
use crate::database::PostgresDatabase;
use crate::leaks;

/// The secret that the tests' tokens of users are signed with.
pub const JWT_SECRET: &str = "the-tests-own-secret-of-more-than-32-bytes";
/// The token of the tests' service.
pub const API_TOKEN: &str = "the-tests-own-service-token";

/// Where the users of a test are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// A file in a folder of the test's own.
    Sqlite,
    /// A database of the test's own.
    Postgres,
}

/// What keeps a test's users, shared by the replicas of a test.
#[derive(Debug, Clone)]
enum Kept {
    Sqlite(Arc<TempDir>),
    Postgres(Arc<PostgresDatabase>),
}

/// A running service.
pub struct TestApp {
    service: Box<Service>,
    kept: Kept,
    /// The client that the callers of this app share.
    pub client: reqwest::Client,
}

impl TestApp {
    /// Starts a service on an empty store.
    pub async fn start(store: Store) -> Self {
        Self::start_with(store, &[]).await
    }

    /// Starts a service on an empty store, with settings beside the usual ones.
    pub async fn start_with(store: Store, settings: &[(&str, &str)]) -> Self {
        let kept = match store {
            Store::Sqlite => Kept::Sqlite(Arc::new(tempfile::tempdir().unwrap())),
            Store::Postgres => Kept::Postgres(Arc::new(PostgresDatabase::create().await)),
        };
        Self::on(kept, settings).await.expect("the service starts")
    }

    /// Starts another replica on the same store.
    pub async fn replica(&self) -> Self {
        self.replica_with(&[]).await
    }

    /// Starts another replica on the same store, with settings beside the usual ones.
    pub async fn replica_with(&self, settings: &[(&str, &str)]) -> Self {
        Self::on(self.kept.clone(), settings)
            .await
            .expect("the replica starts")
    }

    /// Starts another replica on the same store, or tells why it does not start.
    ///
    /// # Errors
    /// The service's own.
    pub async fn try_replica_with(&self, settings: &[(&str, &str)]) -> Result<Self, ComposeError> {
        Self::on(self.kept.clone(), settings).await
    }

    /// Starts another replica on the same store, whose writes run inside their handlers: without the guard that keeps
    /// a client's disconnect from cancelling them.
    pub async fn replica_without_detached_writes(&self, settings: &[(&str, &str)]) -> Self {
        let writes = Writes::in_the_handler(Handle::current());
        self.replica_made_so(settings, writes, Guards::default())
            .await
    }

    /// Starts another replica on the same store, with these guards of the cache's promises.
    pub async fn replica_guarded(&self, settings: &[(&str, &str)], guards: Guards) -> Self {
        let writes = Writes::new(Handle::current());
        self.replica_made_so(settings, writes, guards).await
    }

    async fn replica_made_so(
        &self,
        settings: &[(&str, &str)],
        writes: Writes,
        guards: Guards,
    ) -> Self {
        leaks::watch();
        let settings = load(&self.kept, settings);
        let service = Service::start_with(&settings, writes, guards)
            .await
            .expect("the replica starts");
        Self {
            service: Box::new(service),
            kept: self.kept.clone(),
            client: client(),
        }
    }

    async fn on(kept: Kept, more: &[(&str, &str)]) -> Result<Self, ComposeError> {
        leaks::watch();
        let service = Service::start(&load(&kept, more)).await?;
        Ok(Self {
            service: Box::new(service),
            kept,
            client: client(),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// The address of a path on the management port.
    pub fn management_url(&self, path: &str) -> String {
        let address = self.service.management_address();
        format!(
            "http://{}{path}",
            address.expect("there is a management port")
        )
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// The variable `DATABASE_URI` of this app.
    pub fn database_uri(&self) -> String {
        self.kept.uri()
    }

    /// The PostgreSQL database of this app.
    pub fn postgres(&self) -> &PostgresDatabase {
        match &self.kept {
            Kept::Postgres(database) => database,
            Kept::Sqlite(_) => panic!("this app keeps its users in SQLite"),
        }
    }

    /// The use cases and ports of this app.
    pub fn composition(&self) -> &user_service::compose::Composition {
        &self.service.composition
    }

    /// Calls without any credential.
    pub fn anonymous(&self) -> As<'_> {
        As::new(self, None)
    }

    /// Calls as a service with all scopes.
    pub fn service(&self) -> As<'_> {
        As::new(self, Some(format!("Bearer {API_TOKEN}")))
    }

    /// Calls as a user.
    pub fn user(&self, id: &str) -> As<'_> {
        As::new(
            self,
            Some(format!("Bearer {}", crate::sign(&crate::claims(id)))),
        )
    }

    /// Calls with this `Authorization`.
    pub fn authorized(&self, value: impl Into<String>) -> As<'_> {
        As::new(self, Some(value.into()))
    }

    /// Registers an administrator and calls as it.
    pub async fn admin(&self) -> As<'_> {
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
        As::new(self, Some(format!("Bearer {}", crate::sign(&claims))))
    }

    /// Registers a user by a name and gives what the service answers.
    pub async fn register(&self, username: &str) -> serde_json::Value {
        let body =
            serde_json::json!({"username": username, "email": format!("{username}@example.org")});
        let reply = self.service().post("/v1/users", &body).await;
        assert_eq!(reply.status, 201, "{}", reply.json);
        reply.json
    }

    /// Stops the service cleanly; its store goes with the last replica. Nothing may have leaked until then.
    pub async fn stop(self) {
        self.service.stop().await;
        leaks::assert_none();
    }
}

impl Kept {
    fn uri(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:///{}", file(folder).display()),
            Self::Postgres(database) => database.url(),
        }
    }
}

fn load(kept: &Kept, more: &[(&str, &str)]) -> Settings {
    Settings::load(&sources(&kept.uri(), more)).unwrap_or_else(|faults| panic!("{faults}"))
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
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
        // Hashes that take no time worth speaking of.
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
