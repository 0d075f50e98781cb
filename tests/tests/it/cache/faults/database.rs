//! One replica without its database: it gives what it has cached while somebody vouches for it, and nothing old.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use user_tests::history::FailedRequest;
use user_tests::{Cluster, Proxy};

use super::super::workload::REPLICAS;
use super::{FAULTY, Trial, UNNOTICED, is_shared_again};

/// Asserts that a replica without its database gives nothing old and what it has cached without delay, and that the
/// others do not notice.
async fn a_database_may(
    name: &str,
    may_fail: fn(&FailedRequest) -> bool,
    fault: impl AsyncFnOnce(&Proxy),
) {
    let cluster = Cluster::start(REPLICAS).await;
    let user = cluster.owner().register("steady").await;
    let id = user["id"].as_str().unwrap();
    let mut trial = Trial::of(&cluster, name, async |cluster| {
        while !cluster
            .read(1, id)
            .await
            .header("cache-status")
            .ends_with("; detail=process")
        {}
        let fault = fault(&cluster.replicas[1].database);
        tokio::join!(fault, is_given_without_delay(cluster, id));
    })
    .await;
    let faults = trial.excused.faults();
    assert_eq!(faults, 0, "seed {}: {}", trial.seed, trial.excused);
    let failed = std::mem::take(&mut trial.verdict.failed_requests);
    assert!(failed.iter().all(may_fail), "{failed:?}");
    trial.assert_clean();
    is_shared_again(&cluster, trial.end).await;
    cluster.stop().await;
}

/// Reads somebody who is cached while the fault lasts: in the end the other replicas' news vouches for it.
async fn is_given_without_delay(cluster: &Cluster, id: &str) {
    let until = Instant::now() + FAULTY * 9 / 10;
    let mut source = String::new();
    while Instant::now() < until {
        let asked = Instant::now();
        let reply = cluster.read(1, id).await;
        assert_eq!((reply.status, reply.version()), (200, 1));
        let took = asked.elapsed();
        assert!(took < UNNOTICED, "it took {took:?}");
        reply.header("cache-status").clone_into(&mut source);
        assert!(source.starts_with("user-service; hit;"), "{source}");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        source,
        "user-service; hit; detail=process-database-unreachable"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replica_may_lose_the_database() {
    let may_fail = |failed: &FailedRequest| failed.replica == 1;
    a_database_may(
        "one replica without the database",
        may_fail,
        async |database| {
            database.cut();
            sleep(FAULTY).await;
            database.mend();
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replicas_database_may_fall_silent() {
    // A transaction that falls silent keeps the rows that it has locked, and the others' writes wait in vain.
    let may_fail = |failed: &FailedRequest| failed.replica == 1 || failed.is_write;
    a_database_may(
        "one replica's database silent",
        may_fail,
        async |database| {
            database.hang();
            sleep(FAULTY).await;
            database.mend();
        },
    )
    .await;
}
