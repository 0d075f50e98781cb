//! Single faults while clients read and write through three replicas. The cache fails and delays no request, serves no
//! data older than promised, and uses Redis again afterwards.

mod database;
pub(super) mod garbage;
mod paused;

use std::time::{Duration, Instant};

use tokio::time::sleep;
use user_tests::history::{FailuresAllowed, Limits, Verdict};
use user_tests::{Cluster, Proxy};

use super::workload::{REPLICAS, TimedRead, Workload};

/// The time before the fault, the duration of the fault, and the duration of the whole trial.
const HEALTHY_DURATION: Duration = Duration::from_millis(700);
const FAULT_DURATION: Duration = Duration::from_millis(1200);
const TRIAL_DURATION: Duration = Duration::from_secs(3);
/// The limit for the 99th percentile of reads on an idle machine. A read that waits for a hung Redis takes longer.
const MAX_P99: Duration = Duration::from_millis(250);
/// How much longer reads may take during a fault than before and after it, on a machine that is too busy for the limit.
const MAX_SLOWDOWN: u32 = 3;
/// The time within which Redis must be used again after a fault.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// The promised limits, except for the 50 ms without a fault: concurrent tests occupy the cores for longer.
pub(super) fn limits() -> Limits {
    Limits {
        healthy: Duration::from_secs(1),
        failures: FailuresAllowed::Never,
        ..Limits::default()
    }
}

/// The result of running clients during a fault.
struct Trial {
    verdict: Verdict,
    /// The verdict if requests may fail during the fault and shortly after it.
    excused: Verdict,
    /// The durations of the reads that started during the fault, and of the others.
    reads: [Vec<Duration>; 2],
    seed: u64,
    end: Instant,
}

impl Trial {
    /// Runs clients before, during and after a fault.
    async fn run(cluster: &Cluster, name: &str, fault: impl AsyncFnOnce(&Cluster)) -> Self {
        let workload = Workload::begin(cluster).await;
        let scenario = async {
            sleep(HEALTHY_DURATION).await;
            let begin = Instant::now();
            workload.history.during(name, fault(cluster)).await;
            (begin, Instant::now())
        };
        let ((), (begin, end)) = tokio::join!(workload.run(TRIAL_DURATION), scenario);
        let verdict = workload.check(&limits()).await;
        let excused = workload.history.check(&Limits {
            failures: FailuresAllowed::InFaultPeriods,
            ..limits()
        });
        let reads = workload.timed_reads().clone();
        let (during, others): (Vec<_>, Vec<_>) = reads
            .into_iter()
            .partition(|read| (begin..end).contains(&read.begin));
        let trial = Self {
            verdict,
            excused,
            reads: [during, others].map(|reads| {
                let mut took: Vec<_> = reads.iter().map(|read: &TimedRead| read.took).collect();
                took.sort_unstable();
                took
            }),
            seed: workload.seed(),
            end,
        };
        trial.show(name);
        trial
    }

    #[expect(clippy::print_stdout, reason = "figures for a failed test")]
    fn show(&self, name: &str) {
        let [during, others] = &self.reads;
        let [half, most, all] = [50, 99, 100].map(|percent| percentile(during, percent));
        let healthy = percentile(others, 99);
        println!(
            "{name}, seed {}: {}\n{} reads during the fault took {half:?} (median), {most:?} (p99), {all:?} (at most); others {healthy:?} (p99)",
            self.seed,
            self.verdict,
            during.len()
        );
    }

    #[track_caller]
    fn assert_clean(&self) {
        assert!(
            self.verdict.is_clean(),
            "seed {}: {}",
            self.seed,
            self.verdict
        );
    }

    #[track_caller]
    fn assert_reads_were_fast(&self) {
        let [during, others] = self.reads.each_ref().map(|reads| percentile(reads, 99));
        assert!(
            during < MAX_P99.max(MAX_SLOWDOWN * others),
            "seed {}: reads took {during:?}, others {others:?}",
            self.seed
        );
    }
}

/// The percentile of durations that are sorted.
fn percentile(durations: &[Duration], percent: usize) -> Duration {
    let place = (durations.len() * percent).div_ceil(100).max(1) - 1;
    durations[place]
}

/// Asserts that a fault of Redis has no effect on clients, and that Redis is used again after it.
async fn assert_fault_is_invisible(name: &str, fault: impl AsyncFnOnce(&Cluster)) {
    let cluster = Cluster::start(REPLICAS).await;
    let trial = Trial::run(&cluster, name, fault).await;
    trial.assert_clean();
    trial.assert_reads_were_fast();
    wait_until_redis_is_used(&cluster, trial.end).await;
    cluster.stop().await;
}

/// Waits until each replica serves from Redis what another replica stored there.
#[expect(clippy::print_stdout, reason = "figures for a failed test")]
pub(super) async fn wait_until_redis_is_used(cluster: &Cluster, since: Instant) {
    for replica in 0..REPLICAS {
        let mut number = 0;
        loop {
            let name = format!("shared{replica}n{number}");
            number += 1;
            let user = cluster.owner().register(&name).await;
            let id = user["id"].as_str().unwrap();
            cluster.read((replica + 1) % REPLICAS, id).await;
            // Redis is filled in the background.
            sleep(Duration::from_millis(30)).await;
            let reply = cluster.read(replica, id).await;
            assert_eq!((reply.status, reply.version()), (200, 1));
            if reply.header("cache-status").contains("detail=shared") {
                println!(
                    "replica {replica} reads from Redis again after {:?}",
                    since.elapsed()
                );
                break;
            }
            assert!(
                since.elapsed() < RECOVERY_TIMEOUT + TRIAL_DURATION,
                "replica {replica} does not use Redis: {}",
                reply.header("cache-status")
            );
        }
    }
}

pub(super) fn for_each_redis_proxy(cluster: &Cluster, act: impl Fn(&Proxy)) {
    for replica in &cluster.replicas {
        act(&replica.redis);
    }
}

/// Repeats an action during the fault.
async fn repeat_during_fault(act: impl AsyncFn()) {
    for _ in 0..4 {
        act().await;
        sleep(FAULT_DURATION / 4).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_redis_is_invisible_to_clients() {
    assert_fault_is_invisible("Redis paused", async |cluster| {
        cluster.redis.pause();
        sleep(FAULT_DURATION).await;
        cluster.redis.resume();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_is_invisible_to_clients() {
    assert_fault_is_invisible("Redis killed", async |cluster| {
        cluster.redis.kill();
        sleep(FAULT_DURATION).await;
        cluster.redis.restart().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_with_an_empty_redis_are_invisible_to_clients() {
    assert_fault_is_invisible("Redis restarted empty", async |cluster| {
        repeat_during_fault(async || cluster.redis.restart().await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_redis_is_invisible_to_clients() {
    assert_fault_is_invisible("FLUSHALL", async |cluster| {
        repeat_during_fault(async || {
            cluster.redis.command(&["FLUSHALL"]).await;
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_redis_connections_are_invisible_to_clients() {
    assert_fault_is_invisible("CLIENT KILL", async |cluster| {
        repeat_during_fault(async || {
            cluster.redis.close_connections().await;
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_replies_cut_in_the_middle_are_invisible_to_clients() {
    assert_fault_is_invisible("cut in the middle of a reply", async |cluster| {
        for bytes in [1, 40, 100, 300] {
            for_each_redis_proxy(cluster, |proxy| proxy.cut_mid_reply(bytes));
            sleep(FAULT_DURATION / 4).await;
        }
        for_each_redis_proxy(cluster, Proxy::clear_faults);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_is_invisible_to_clients() {
    assert_fault_is_invisible("memory full", async |cluster| {
        cluster.redis.fill_memory().await;
        sleep(FAULT_DURATION).await;
        cluster.redis.free_memory().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_redis_is_invisible_to_clients() {
    assert_fault_is_invisible("Redis slow", async |cluster| {
        for_each_redis_proxy(cluster, |proxy| proxy.delay(Duration::from_millis(30)));
        sleep(FAULT_DURATION).await;
        for_each_redis_proxy(cluster, |proxy| proxy.delay(Duration::ZERO));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_slower_than_its_timeouts_is_invisible_to_clients() {
    assert_fault_is_invisible("Redis slower than its timeouts", async |cluster| {
        for_each_redis_proxy(cluster, |proxy| proxy.delay(Duration::from_millis(400)));
        sleep(FAULT_DURATION).await;
        for_each_redis_proxy(cluster, |proxy| proxy.delay(Duration::ZERO));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_redis_replies_are_invisible_to_clients() {
    assert_fault_is_invisible("replies lost", async |cluster| {
        repeat_during_fault(async || {
            for_each_redis_proxy(cluster, Proxy::lose_replies);
            sleep(FAULT_DURATION / 8).await;
            for_each_redis_proxy(cluster, Proxy::clear_faults);
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_to_an_older_redis_is_invisible_to_clients() {
    let cluster = Cluster::start(REPLICAS).await;
    let mut copies = Vec::new();
    let trial = Trial::run(&cluster, "failed over to an older copy", async |cluster| {
        let copy = cluster.redis.copy().await;
        // The copy misses everything that is written now.
        sleep(FAULT_DURATION / 2).await;
        let address = copy.url().trim_start_matches("redis://").to_owned();
        cluster.redis.kill();
        for_each_redis_proxy(cluster, |proxy| proxy.retarget(address.clone()));
        copies.push(copy);
        sleep(FAULT_DURATION / 2).await;
    })
    .await;
    trial.assert_clean();
    trial.assert_reads_were_fast();
    wait_until_redis_is_used(&cluster, trial.end).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_restarted_with_older_data_is_invisible_to_clients() {
    assert_fault_is_invisible("Redis restarted with older data", async |cluster| {
        let snapshot = cluster.redis.snapshot().await;
        for _ in 0..2 {
            sleep(FAULT_DURATION / 2).await;
            cluster.redis.restart_from(&snapshot).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replica_without_redis_is_invisible_to_clients() {
    assert_fault_is_invisible("one replica without Redis", async |cluster| {
        cluster.replicas[1].redis.cut();
        sleep(FAULT_DURATION).await;
        cluster.replicas[1].redis.clear_faults();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_silent_redis_connection_is_invisible_to_clients() {
    assert_fault_is_invisible("one replica's Redis silent", async |cluster| {
        cluster.replicas[1].redis.hang();
        sleep(FAULT_DURATION).await;
        cluster.replicas[1].redis.clear_faults();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_frozen_redis_connection_is_invisible_to_clients() {
    assert_fault_is_invisible("one replica's connection frozen", async |cluster| {
        cluster.replicas[1].redis.freeze();
        sleep(FAULT_DURATION).await;
    })
    .await;
}
