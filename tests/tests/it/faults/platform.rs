//! Replicas of the binary over a PostgreSQL and a Redis of the test's own.

use std::path::Path;

use tempfile::TempDir;
use user_tests::{PostgresServer, Proxy, RedisServer, Served, program};

use super::trial::{Promise, tried};
use super::workload::Workload;

/// The replicas of a trial.
const REPLICAS: usize = 2;

/// Replicas and what they stand on; each part can be spoilt.
pub(super) struct Platform {
    pub(super) replicas: Vec<Served>,
    pub(super) postgres: PostgresServer,
    pub(super) redis: RedisServer,
    /// The replicas' way to PostgreSQL.
    pub(super) database: Proxy,
    /// The replicas' way to Redis.
    pub(super) link: Proxy,
    folder: TempDir,
    database_uri: String,
    redis_url: String,
}

impl Platform {
    /// Starts two replicas that are ready.
    pub(super) async fn start() -> Self {
        Self::start_with(&[], &[]).await
    }

    /// Starts two replicas that are ready, on a PostgreSQL with these settings, with settings of their own.
    pub(super) async fn start_with(postgres: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut platform = Self::without_replicas(postgres).await;
        platform.add_replicas(settings).await;
        for replica in &platform.replicas {
            replica.is_ready().await;
        }
        platform
    }

    /// Starts all but the replicas.
    pub(super) async fn without_replicas(postgres: &[&str]) -> Self {
        let postgres = PostgresServer::start_with(postgres).await;
        let redis = RedisServer::start().await;
        let (database, database_uri) = Proxy::before(&postgres.url()).await;
        let (link, redis_url) = Proxy::before(&redis.url()).await;
        Self {
            replicas: Vec::new(),
            postgres,
            redis,
            database,
            link,
            folder: tempfile::tempdir().unwrap(),
            database_uri,
            redis_url,
        }
    }

    /// Starts the replicas, which need not be ready at once.
    pub(super) async fn add_replicas(&mut self, settings: &[(&str, &str)]) {
        for _ in 0..REPLICAS {
            let replica = self.another(settings).await;
            self.replicas.push(replica);
        }
    }

    /// Starts a replica that takes no part in the trial, with settings beside the usual ones.
    pub(super) async fn another(&self, settings: &[(&str, &str)]) -> Served {
        self.another_so(&program(), settings, "").await
    }

    /// Starts a replica of this program, after its shell has done something.
    pub(super) async fn another_so(
        &self,
        program: &Path,
        settings: &[(&str, &str)],
        before: &str,
    ) -> Served {
        let mut all = vec![("REDIS_URL", self.redis_url.as_str())];
        all.extend_from_slice(settings);
        let folder = self.folder.path();
        Served::start_so(program, folder, &self.database_uri, &all, before).await
    }

    /// The replicas' addresses.
    pub(super) fn bases(&self) -> Vec<String> {
        self.replicas
            .iter()
            .map(|replica| replica.url(""))
            .collect()
    }

    /// Tries a fault while clients read and write.
    pub(super) async fn tried(&self, name: &str, promise: Promise, fault: impl AsyncFnOnce()) {
        let workload = Workload::begin(self.bases()).await;
        workload.warm_up().await;
        tried(name, &self.postgres.url(), &workload, promise, fault).await;
    }
}
