//! Replicas of the binary, with a PostgreSQL and a Redis that belong to one test.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::sleep;
use user_tests::{PostgresServer, Proxy, RedisServer, RestartableService, program};

use super::trial::{Expectations, fault_duration, run_trial};
use super::workload::Workload;

/// The number of replicas in a trial.
const REPLICAS: usize = 2;

/// Replicas with their database and Redis. A test can disturb each of them and the connections between them.
pub(super) struct Platform {
    pub(super) replicas: Vec<RestartableService>,
    pub(super) postgres: PostgresServer,
    pub(super) redis: RedisServer,
    /// The proxy between the replicas and PostgreSQL.
    pub(super) postgres_proxy: Proxy,
    /// The proxy between the replicas and Redis.
    pub(super) redis_proxy: Proxy,
    folder: TempDir,
    database_uri: String,
    redis_url: String,
}

impl Platform {
    /// Starts two replicas and waits until they are ready.
    pub(super) async fn start() -> Self {
        Self::start_with(&[], &[]).await
    }

    /// Starts two replicas with `settings` on a PostgreSQL with its own settings, and waits until they are ready.
    pub(super) async fn start_with(postgres: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut platform = Self::without_replicas(postgres).await;
        platform.add_replicas(settings).await;
        for replica in &platform.replicas {
            replica.wait_until_ready().await;
        }
        platform
    }

    /// Starts PostgreSQL, Redis and the proxies, without replicas.
    pub(super) async fn without_replicas(postgres: &[&str]) -> Self {
        let postgres = PostgresServer::start_with(postgres).await;
        let redis = RedisServer::start().await;
        let (postgres_proxy, database_uri) = Proxy::in_front_of(&postgres.url()).await;
        let (redis_proxy, redis_url) = Proxy::in_front_of(&redis.url()).await;
        Self {
            replicas: Vec::new(),
            postgres,
            redis,
            postgres_proxy,
            redis_proxy,
            folder: tempfile::tempdir().unwrap(),
            database_uri,
            redis_url,
        }
    }

    /// Starts the replicas without waiting until they are ready.
    pub(super) async fn add_replicas(&mut self, settings: &[(&str, &str)]) {
        for _ in 0..REPLICAS {
            let replica = self.start_replica(settings).await;
            self.replicas.push(replica);
        }
    }

    /// Starts a replica with additional settings. The trial sends it no requests unless it is added to `replicas`.
    pub(super) async fn start_replica(&self, settings: &[(&str, &str)]) -> RestartableService {
        self.start_program(&program(), settings, "").await
    }

    /// Starts a replica from this program. Its shell first executes the commands in `before`.
    pub(super) async fn start_program(
        &self,
        program: &Path,
        settings: &[(&str, &str)],
        before: &str,
    ) -> RestartableService {
        let mut all = vec![("REDIS_URL", self.redis_url.as_str())];
        all.extend_from_slice(settings);
        let folder = self.folder.path();
        RestartableService::start_program(program, folder, &self.database_uri, &all, before).await
    }

    /// The base URLs of the replicas.
    pub(super) fn base_urls(&self) -> Vec<String> {
        self.replicas
            .iter()
            .map(|replica| replica.url(""))
            .collect()
    }

    /// Runs a fault while clients read and write.
    pub(super) async fn run_trial(
        &self,
        name: &str,
        expectations: Expectations,
        fault: impl AsyncFnOnce(),
    ) {
        let workload = Workload::begin(self.base_urls()).await;
        workload.warm_up().await;
        run_trial(name, &self.postgres.url(), &workload, expectations, fault).await;
    }
}

/// Starts two replicas, and runs a trial with a fault that lasts from `begin` to `end`.
pub(super) async fn run_fault(
    name: &str,
    expectations: Expectations,
    begin: impl AsyncFnOnce(&Platform),
    end: impl AsyncFnOnce(&Platform),
) {
    let platform = Platform::start().await;
    let fault = async || {
        begin(&platform).await;
        sleep(fault_duration()).await;
        end(&platform).await;
    };
    platform.run_trial(name, expectations, fault).await;
}

/// Breaks all connections through a proxy again and again, for the duration of a fault.
pub(super) async fn reset_repeatedly(proxy: &Proxy) {
    let started = Instant::now();
    while started.elapsed() < fault_duration() {
        proxy.cut();
        sleep(Duration::from_millis(50)).await;
        proxy.clear_faults();
        sleep(Duration::from_millis(250)).await;
    }
}
