//! Several replicas over one PostgreSQL and one Redis, each with links of its own that a test can spoil.

use std::time::{Duration, Instant};

use user_adapters::guards::Guards;

use crate::app::{Store, TestApp};
use crate::caller::Reply;
use crate::proxy::Proxy;
use crate::redis::{RedisReply, RedisServer};

/// Replicas, and the Redis that they share.
pub struct Cluster {
    /// The Redis.
    pub redis: RedisServer,
    /// The replicas.
    pub replicas: Vec<Replica>,
    /// An app that owns the store and takes no part.
    owner: TestApp,
}

/// A replica with its links.
pub struct Replica {
    /// The service.
    pub app: TestApp,
    /// Its link to PostgreSQL.
    pub database: Proxy,
    /// Its link to Redis.
    pub redis: Proxy,
}

impl Cluster {
    /// Starts replicas with all their guards.
    pub async fn start(replicas: usize) -> Self {
        Self::start_with(replicas, &[], Guards::default()).await
    }

    /// Starts replicas with settings beside the usual ones, and these guards.
    pub async fn start_with(replicas: usize, settings: &[(&str, &str)], guards: Guards) -> Self {
        let redis = RedisServer::start().await;
        let owner = TestApp::start(Store::Postgres).await;
        let mut cluster = Self {
            redis,
            owner,
            replicas: Vec::new(),
        };
        for _ in 0..replicas {
            cluster.join(settings, guards).await;
        }
        cluster.linked().await;
        cluster
    }

    async fn join(&mut self, settings: &[(&str, &str)], guards: Guards) {
        let (database, database_uri) = Proxy::before(&self.owner.database_uri()).await;
        let (redis, redis_url) = Proxy::before(&self.redis.url()).await;
        let mut all = vec![
            ("DATABASE_URI", database_uri.as_str()),
            ("REDIS_URL", redis_url.as_str()),
        ];
        all.extend_from_slice(settings);
        let app = self.owner.replica_guarded(&all, guards).await;
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

    /// Waits until every replica listens to the others and reads from Redis.
    pub async fn linked(&self) {
        let begun = Instant::now();
        while self.listeners().await < self.replicas.len() {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "the replicas are not linked to Redis"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What Redis has missed is corrected by the next two looks at the outbox.
        tokio::time::sleep(Duration::from_millis(600)).await;
    }

    /// The number of replicas that listen to the others.
    pub async fn listeners(&self) -> usize {
        let RedisReply::Array(channels) = self
            .redis
            .command(&["PUBSUB", "CHANNELS", "*:changes"])
            .await
        else {
            return 0;
        };
        let Some(RedisReply::Bytes(channel)) = channels.into_iter().next() else {
            return 0;
        };
        match self
            .redis
            .command(&[b"PUBSUB".to_vec(), b"NUMSUB".to_vec(), channel])
            .await
        {
            RedisReply::Array(counts) => match counts.get(1) {
                Some(RedisReply::Integer(count)) => usize::try_from(*count).unwrap(),
                _ => 0,
            },
            _ => 0,
        }
    }

    /// Reads a user through a replica, as a service.
    pub async fn read(&self, replica: usize, id: &str) -> Reply {
        let path = format!("/v1/users/{id}");
        self.replicas[replica].app.service().get(&path).await
    }

    /// Gives a user a bio through a replica, and gives the version that has it.
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

    /// Stops every replica.
    pub async fn stop(self) {
        for replica in self.replicas {
            replica.app.stop().await;
        }
        self.owner.stop().await;
    }
}
