//! One replica without its database: it serves cached users only while their freshness is proved.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use user_tests::history::FailedRequest;
use user_tests::{Cluster, Proxy};

use super::super::workload::REPLICAS;
use super::{FAULT_DURATION, MAX_P99, Trial, percentile, wait_until_redis_is_used};

/// Asserts that a replica without its database serves cached users without delay and nothing stale, and that requests
/// to the other replicas succeed.
async fn assert_database_fault_is_bounded(
    name: &str,
    may_fail: fn(&FailedRequest) -> bool,
    fault: impl AsyncFnOnce(&Proxy),
) {
    let cluster = Cluster::start(REPLICAS).await;
    let user = cluster.owner().register("steady").await;
    let id = user["id"].as_str().unwrap();
    let mut trial = Trial::run(&cluster, name, async |cluster| {
        while !cluster
            .read(1, id)
            .await
            .header("cache-status")
            .ends_with("; detail=process")
        {}
        let fault = fault(&cluster.replicas[1].database);
        tokio::join!(fault, assert_served_without_delay(cluster, id));
    })
    .await;
    let faults = trial.excused.violations();
    assert_eq!(faults, 0, "seed {}: {}", trial.seed, trial.excused);
    let failed = std::mem::take(&mut trial.verdict.failed_requests);
    assert!(failed.iter().all(may_fail), "{failed:?}");
    trial.assert_clean();
    wait_until_redis_is_used(&cluster, trial.end).await;
    cluster.stop().await;
}

/// Reads a cached user during the fault. At its end, invalidation messages prove the freshness instead of outbox polls.
async fn assert_served_without_delay(cluster: &Cluster, id: &str) {
    let until = Instant::now() + FAULT_DURATION * 9 / 10;
    let mut source = String::new();
    let mut durations = Vec::new();
    while Instant::now() < until {
        let sent = Instant::now();
        let reply = cluster.read(1, id).await;
        assert_eq!((reply.status, reply.version()), (200, 1));
        durations.push(sent.elapsed());
        reply.header("cache-status").clone_into(&mut source);
        assert!(source.starts_with("user-service; hit;"), "{source}");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        source,
        "user-service; hit; detail=process-database-unreachable"
    );
    durations.sort_unstable();
    let half = percentile(&durations, 50);
    assert!(
        half < MAX_P99,
        "half of the reads took longer than {half:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_a_database_serves_fresh_cached_users() {
    let may_fail = |failed: &FailedRequest| failed.replica == 1;
    assert_database_fault_is_bounded(
        "one replica without the database",
        may_fail,
        async |database| {
            database.cut();
            sleep(FAULT_DURATION).await;
            database.clear_faults();
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_a_silent_database_serves_fresh_cached_users() {
    // A transaction on a silent connection keeps its row locks, so that writes of other replicas time out.
    let may_fail = |failed: &FailedRequest| failed.replica == 1 || failed.is_write;
    assert_database_fault_is_bounded(
        "one replica's database silent",
        may_fail,
        async |database| {
            database.hang();
            sleep(FAULT_DURATION).await;
            database.clear_faults();
        },
    )
    .await;
}
