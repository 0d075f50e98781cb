//! The harness of the black-box tests. It provides temporary databases and Redis servers, the service composed as in
//! production, clients with credentials, a fault-injecting proxy, and a checker of the histories of concurrent clients.
//!
//! A test that needs PostgreSQL or Redis uses the server in `TEST_DATABASE_URI` or `TEST_REDIS_URL` (`make test` starts
//! both), and fails without it. Each test has its own database. A test that damages a Redis starts its own server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    reason = "this crate is only for tests"
)]

mod app;
mod binary;
mod client;
mod cluster;
mod collector;
mod credentials;
mod database;
mod gateway;
pub mod history;
mod http_client;
mod issuer;
mod jwks_server;
pub mod leaks;
mod patroni;
mod pgbouncer;
mod ports;
mod postgres_server;
mod proxy;
mod rabbitmq;
mod redis;
mod restartable_service;
mod service_process;

pub use app::{Store, TestApp};
pub use binary::{binary, configured, free_port, program};
pub use client::{Reply, TestClient, claims, sign, sign_as};
pub use cluster::{Cluster, Replica};
pub use collector::{Collector, hex};
pub use credentials::{API_TOKEN, JWT_SECRET};
pub use database::PostgresDatabase;
pub use gateway::{Gateway, Received, Verdict};
pub use http_client::http_client;
pub use issuer::SigningKey;
pub use jwks_server::{JwksResponse, JwksServer};
pub use patroni::{PATRONI_TTL, PatroniCluster};
pub use pgbouncer::PgBouncer;
pub use postgres_server::{PostgresServer, client_program as postgres_program};
pub use proxy::Proxy;
pub use rabbitmq::{EventQueue, RabbitMq, ReceivedEvent};
pub use redis::{RedisReply, RedisServer, SentinelGroup, shared_redis};
pub use restartable_service::RestartableService;
pub use service_process::ServiceProcess;

/// Defines a test on each store for each function that takes a [`TestApp`]. The store is the module of the test.
#[macro_export]
macro_rules! on_each_store {
    ($($(#[$attribute:meta])* async fn $name:ident($app:ident: &TestApp) $body:block)+) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let app = $crate::TestApp::start($crate::Store::Sqlite).await;
                    super::$name(&app).await;
                    app.stop().await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let app = $crate::TestApp::start($crate::Store::Postgres).await;
                    super::$name(&app).await;
                    app.stop().await;
                }
            )+
        }

        $($(#[$attribute])* async fn $name($app: &$crate::TestApp) $body)+
    };
}
