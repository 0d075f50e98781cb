//! What the black-box tests stand on: throw-away databases and Redis servers, the service composed as in production,
//! callers with credentials, a proxy that misbehaves, and a judge of what concurrent clients saw.
//!
//! A test that needs PostgreSQL or Redis takes the server that `TEST_DATABASE_URI` or `TEST_REDIS_URL` names (`make
//! test` starts both) and fails without it. Each test has a database of its own; one that harms a Redis starts its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    reason = "this is the tests' own crate"
)]

mod app;
mod binary;
mod caller;
mod cluster;
mod collector;
mod database;
pub mod history;
mod issuer;
mod jwks_server;
pub mod leaks;
mod ports;
mod postgres_server;
mod process;
mod proxy;
mod redis;
mod served;

pub use app::{API_TOKEN, JWT_SECRET, Store, TestApp};
pub use binary::{binary, configured, free_port, program};
pub use caller::{As, Reply, claims, sign, sign_as};
pub use cluster::{Cluster, Replica};
pub use collector::{Collector, hex};
pub use database::PostgresDatabase;
pub use issuer::SigningKey;
pub use jwks_server::{Answer, JwksServer};
pub use postgres_server::PostgresServer;
pub use process::Process;
pub use proxy::Proxy;
pub use redis::{RedisReply, RedisServer, shared_redis};
pub use served::Served;

/// Makes a test on each store of a test that takes a [`TestApp`]. Its name is a sentence; the store is a module.
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
