//! Several replicas with one PostgreSQL and one Redis. Each replica connects through its own proxies, so that a test
//! can inject faults.

use std::time::{Duration, Instant};

use user_adapters::guards::Guards;

use crate::app::{Store, TestApp};
use crate::client::Reply;
use crate::proxy::Proxy;
use crate::redis::RedisServer;

/// Replicas and their shared Redis.
pub struct Cluster {
    /// The Redis.
    pub redis: RedisServer,
    /// The replicas.
    pub replicas: Vec<Replica>,
    /// An app that owns the store and serves no requests of the test.
    owner: TestApp,
}

/// A replica and its proxies.
pub struct Replica {
    /// The service.
    pub app: TestApp,
    /// The proxy to PostgreSQL.
    pub database: Proxy,
    /// The proxy to Redis.
    pub redis: Proxy,
}

impl Cluster {
    /// Starts replicas with all guards.
    pub async fn start(replicas: usize) -> Self {
        Self::start_with(replicas, &[], Guards::default()).await
    }

    /// Starts replicas with additional settings and these guards.
    pub async fn start_with(replicas: usize, settings: &[(&str, &str)], guards: Guards) -> Self {
        Self::start_on(RedisServer::start().await, replicas, settings, guards).await
    }

    /// Starts replicas on this Redis. A `REDIS_URL` in the settings bypasses the proxies.
    pub async fn start_on(
        redis: RedisServer,
        replicas: usize,
        settings: &[(&str, &str)],
        guards: Guards,
    ) -> Self {
        let owner = TestApp::start(Store::Postgres).await;
        let mut cluster = Self {
            redis,
            owner,
            replicas: Vec::new(),
        };
        for _ in 0..replicas {
            cluster.join(settings, guards).await;
        }
        cluster.wait_until_connected().await;
        cluster
    }

    /// Starts another replica.
    pub async fn join(&mut self, settings: &[(&str, &str)], guards: Guards) {
        let (database, database_uri) = Proxy::in_front_of(&self.owner.database_uri()).await;
        let (redis, redis_url) = Proxy::in_front_of(&self.redis.url()).await;
        let mut all = vec![
            ("DATABASE_URI", database_uri.as_str()),
            ("REDIS_URL", redis_url.as_str()),
        ];
        all.extend_from_slice(settings);
        let app = self.owner.replica_with_guards(&all, guards).await;
        self.replicas.push(Replica {
            app,
            database,
            redis,
        });
    }

    /// The app that owns the store; it has no Redis.
    pub fn owner(&self) -> &TestApp {
        &self.owner
    }

    /// Waits until every replica subscribes to invalidations and reads from Redis.
    pub async fn wait_until_connected(&self) {
        let started = Instant::now();
        while self.subscriber_count().await < self.replicas.len() {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "the replicas are not connected to Redis"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The next two outbox polls correct what Redis has missed.
        tokio::time::sleep(Duration::from_millis(600)).await;
    }

    /// The number of replicas that subscribe to invalidations.
    pub async fn subscriber_count(&self) -> usize {
        self.redis.subscriber_count().await
    }

    /// Reads a user through a replica, as a service.
    pub async fn read(&self, replica: usize, id: &str) -> Reply {
        let path = format!("/v1/users/{id}");
        self.replicas[replica].app.service().get(&path).await
    }

    /// Changes the bio of a user through a replica, and returns the new version.
    pub async fn write(&self, replica: usize, id: &str, bio: &str) -> i64 {
        let path = format!("/v1/users/{id}");
        let body = serde_json::json!({"profile": {"bio": bio}});
        let reply = self.replicas[replica]
            .app
            .service()
            .patch(&path, &body)
            .await;
        assert_eq!(reply.status, 200, "{}", reply.json);
        reply.version()
    }

    /// Stops all replicas.
    pub async fn stop(self) {
        for replica in self.replicas {
            replica.app.stop().await;
        }
        self.owner.stop().await;
    }
}
