//! Measures how long other replicas serve old data after a write: `make staleness`.
//!
//! Three replicas run in one process with a real PostgreSQL and Redis. One replica writes. As soon as the write is
//! acknowledged, readers at the two others read until they see it. The age of a write is the time from its
//! acknowledgement to the *start* of the last read that returned the old user. It is zero if there is no such read.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a command-line tool"
)]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use user_tests::Cluster;

/// The number of writes of a round.
const WRITES: usize = 1000;
/// The number of writes if the readers see each one only after the next outbox poll.
const SLOW_WRITES: usize = 100;

#[tokio::main]
async fn main() {
    println!("| state | writes | seen at once | median | p99 | max |");
    println!("|---|---|---|---|---|---|");
    let cluster = Cluster::start(3).await;
    let user = cluster.owner().register("ann").await;
    let id = user["id"].as_str().unwrap();
    cluster.wait_until_connected().await;

    report("healthy", measure(&cluster, id, WRITES).await);
    for replica in &cluster.replicas {
        replica.redis.delay(Duration::from_millis(10));
    }
    report("Redis 20 ms away", measure(&cluster, id, SLOW_WRITES).await);
    for replica in &cluster.replicas {
        replica.redis.delay(Duration::ZERO);
    }
    cluster.redis.pause();
    report("Redis hung", measure(&cluster, id, SLOW_WRITES).await);
    cluster.redis.resume();
    cluster.wait_until_connected().await;
    cluster.replicas[0].redis.cut();
    report(
        "writer without Redis",
        measure(&cluster, id, SLOW_WRITES).await,
    );
    cluster.replicas[0].redis.clear_faults();
    cluster.wait_until_connected().await;
    cluster.redis.kill();
    report("Redis down", measure(&cluster, id, SLOW_WRITES).await);
    cluster.stop().await;
}

/// Returns the ages of all writes at both other replicas.
async fn measure(cluster: &Cluster, id: &str, writes: usize) -> Vec<Duration> {
    let mut ages = Vec::with_capacity(writes * 2);
    for number in 0..writes {
        // Both replicas have the old user in their caches.
        join_all([1, 2].map(|replica| cluster.read(replica, id))).await;
        let version = cluster.write(0, id, &format!("bio {number}")).await;
        let acknowledged = Instant::now();
        ages.extend(
            join_all([1, 2].map(|replica| age(cluster, replica, id, version, acknowledged))).await,
        );
        // Varies the time between writes, so that they do not coincide with the outbox polls.
        tokio::time::sleep(Duration::from_millis((number * 37 % 97) as u64)).await;
    }
    ages
}

/// Reads until the version is visible.
async fn age(
    cluster: &Cluster,
    replica: usize,
    id: &str,
    version: i64,
    acknowledged: Instant,
) -> Duration {
    let mut age = Duration::ZERO;
    loop {
        let started = acknowledged.elapsed();
        if cluster.read(replica, id).await.version() >= version {
            return age;
        }
        age = started;
    }
}

fn report(state: &str, mut ages: Vec<Duration>) {
    ages.sort();
    let per_mille = ages.iter().filter(|age| age.is_zero()).count() * 1000 / ages.len();
    let at = |percent: usize| {
        let age = ages[(ages.len() * percent / 100).min(ages.len() - 1)];
        format!("{:.1} ms", age.as_secs_f64() * 1000.0)
    };
    println!(
        "| {state} | {} | {}.{} % | {} | {} | {} |",
        ages.len() / 2,
        per_mille / 10,
        per_mille % 10,
        at(50),
        at(99),
        at(100),
    );
}
