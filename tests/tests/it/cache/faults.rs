//! Each fault alone, under clients that read and write through three replicas: no request fails for the cache's sake, none
//! waits for it, nothing old is given for longer than promised, and in the end the tier in Redis is used again.

mod database;
mod paused;
pub(super) mod planted;

use std::time::{Duration, Instant};

use tokio::time::sleep;
use user_tests::history::{FailuresAllowed, Limits, Verdict};
use user_tests::{Cluster, Proxy};

use super::workload::{Answer, REPLICAS, Workload};

/// When the fault begins, and how long it lasts; before and after it there is as much time again.
const HEALTHY: Duration = Duration::from_millis(700);
const FAULTY: Duration = Duration::from_millis(1200);
const WHOLE: Duration = Duration::from_secs(3);
/// What 99 of 100 reads take less than. A read that waited for a Redis that hangs would take longer; tests that run
/// beside each other on two cores alone take tens of milliseconds.
const UNNOTICED: Duration = Duration::from_millis(250);
/// How long Redis may be left alone after a fault.
const SOON: Duration = Duration::from_secs(20);

/// What is promised, but for 50 ms without a fault: tests beside this one take the cores for longer than that.
pub(super) fn limits() -> Limits {
    Limits {
        healthy: Duration::from_secs(1),
        failures: FailuresAllowed::Never,
        ..Limits::default()
    }
}

/// What clients saw of a fault.
struct Trial {
    verdict: Verdict,
    /// What was found if requests may fail while the fault lasts, or soon after.
    excused: Verdict,
    /// The reads that began while the fault lasted.
    answers: Vec<Answer>,
    seed: u64,
    end: Instant,
}

impl Trial {
    /// Lets clients read and write before, during and after a fault.
    async fn of(cluster: &Cluster, name: &str, fault: impl AsyncFnOnce(&Cluster)) -> Self {
        let workload = Workload::begin(cluster).await;
        let trouble = async {
            sleep(HEALTHY).await;
            let begin = Instant::now();
            workload.history.during(name, fault(cluster)).await;
            (begin, Instant::now())
        };
        let ((), (begin, end)) = tokio::join!(workload.run(WHOLE), trouble);
        let verdict = workload.judge(&limits()).await;
        let excused = workload.history.judge(&Limits {
            failures: FailuresAllowed::InFaultPeriods,
            ..limits()
        });
        let answers = workload.answers().clone();
        let during = |answer: &Answer| (begin..end).contains(&answer.begin);
        let trial = Self {
            verdict,
            excused,
            answers: answers.into_iter().filter(during).collect(),
            seed: workload.seed(),
            end,
        };
        trial.show(name);
        trial
    }

    #[expect(clippy::print_stdout, reason = "the figures of a test that failed")]
    fn show(&self, name: &str) {
        let [half, most, all] = [50, 99, 100].map(|percent| self.took(percent));
        println!(
            "{name}, seed {}: {}\n{} reads meanwhile took {half:?} (median), {most:?} (p99), {all:?} (at most)",
            self.seed,
            self.verdict,
            self.answers.len()
        );
    }

    /// What so many of 100 reads took at most while the fault lasted.
    fn took(&self, percent: usize) -> Duration {
        let mut took: Vec<Duration> = self.answers.iter().map(|answer| answer.took).collect();
        took.sort_unstable();
        let place = (took.len() * percent).div_ceil(100).max(1) - 1;
        took[place]
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
    fn assert_nobody_waited(&self) {
        let most = self.took(99);
        assert!(most < UNNOTICED, "seed {}: reads took {most:?}", self.seed);
    }
}

/// Asserts that a fault of Redis is not noticed by anybody, and forgotten.
async fn redis_may(name: &str, fault: impl AsyncFnOnce(&Cluster)) {
    let cluster = Cluster::start(REPLICAS).await;
    let trial = Trial::of(&cluster, name, fault).await;
    trial.assert_clean();
    trial.assert_nobody_waited();
    is_shared_again(&cluster, trial.end).await;
    cluster.stop().await;
}

/// Waits until each replica gives from Redis what another one has filled in there.
#[expect(clippy::print_stdout, reason = "the figures of a test that failed")]
pub(super) async fn is_shared_again(cluster: &Cluster, since: Instant) {
    for replica in 0..REPLICAS {
        let mut number = 0;
        loop {
            let name = format!("shared{replica}n{number}");
            number += 1;
            let user = cluster.owner().register(&name).await;
            let id = user["id"].as_str().unwrap();
            cluster.read((replica + 1) % REPLICAS, id).await;
            // It is filled in in the background.
            sleep(Duration::from_millis(30)).await;
            let reply = cluster.read(replica, id).await;
            assert_eq!((reply.status, reply.version()), (200, 1));
            if reply.header("cache-status").contains("detail=shared") {
                println!(
                    "replica {replica} reads from Redis {:?} after",
                    since.elapsed()
                );
                break;
            }
            assert!(
                since.elapsed() < SOON + WHOLE,
                "replica {replica} leaves Redis alone: {}",
                reply.header("cache-status")
            );
        }
    }
}

pub(super) fn each(cluster: &Cluster, act: impl Fn(&Proxy)) {
    for replica in &cluster.replicas {
        act(&replica.redis);
    }
}

/// Does something again and again while a fault lasts.
async fn again_and_again(act: impl AsyncFn()) {
    for _ in 0..4 {
        act().await;
        sleep(FAULTY / 4).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_pause() {
    redis_may("Redis paused", async |cluster| {
        cluster.redis.pause();
        sleep(FAULTY).await;
        cluster.redis.resume();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_killed() {
    redis_may("Redis killed", async |cluster| {
        cluster.redis.kill();
        sleep(FAULTY).await;
        cluster.redis.restart().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_come_back_empty() {
    redis_may("Redis restarted empty", async |cluster| {
        again_and_again(async || cluster.redis.restart().await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_flushed() {
    redis_may("FLUSHALL", async |cluster| {
        again_and_again(async || {
            cluster.redis.command(&["FLUSHALL"]).await;
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_kill_its_clients() {
    redis_may("CLIENT KILL", async |cluster| {
        again_and_again(async || {
            for kind in ["normal", "pubsub"] {
                cluster
                    .redis
                    .command(&["CLIENT", "KILL", "TYPE", kind])
                    .await;
            }
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_cut_in_the_middle_of_a_reply() {
    redis_may("cut in the middle of a reply", async |cluster| {
        for bytes in [1, 40, 100, 300] {
            each(cluster, |proxy| proxy.cut_mid_reply(bytes));
            sleep(FAULTY / 4).await;
        }
        each(cluster, Proxy::mend);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_full() {
    redis_may("memory full", async |cluster| {
        cluster.redis.fill_memory().await;
        sleep(FAULTY).await;
        let settings = ["CONFIG", "SET", "maxmemory", "0"];
        cluster.redis.command(&settings).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_slow() {
    redis_may("Redis slow", async |cluster| {
        each(cluster, |proxy| proxy.delay(Duration::from_millis(30)));
        sleep(FAULTY).await;
        each(cluster, |proxy| proxy.delay(Duration::ZERO));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_too_slow() {
    redis_may("Redis slower than a link bears", async |cluster| {
        each(cluster, |proxy| proxy.delay(Duration::from_millis(400)));
        sleep(FAULTY).await;
        each(cluster, |proxy| proxy.delay(Duration::ZERO));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_lose_its_answers() {
    redis_may("answers lost", async |cluster| {
        again_and_again(async || {
            each(cluster, Proxy::lose_replies);
            sleep(FAULTY / 8).await;
            each(cluster, Proxy::mend);
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_fail_over_to_an_older_copy() {
    let cluster = Cluster::start(REPLICAS).await;
    let mut copies = Vec::new();
    let trial = Trial::of(&cluster, "failed over to an older copy", async |cluster| {
        let copy = cluster.redis.copy().await;
        // What is written meanwhile the copy lacks.
        sleep(FAULTY / 2).await;
        let address = copy.url().trim_start_matches("redis://").to_owned();
        cluster.redis.kill();
        each(cluster, |proxy| proxy.retarget(address.clone()));
        copies.push(copy);
        sleep(FAULTY / 2).await;
    })
    .await;
    trial.assert_clean();
    trial.assert_nobody_waited();
    is_shared_again(&cluster, trial.end).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_come_back_as_it_was_before() {
    redis_may("Redis restarted with older data", async |cluster| {
        let snapshot = cluster.redis.snapshot().await;
        for _ in 0..2 {
            sleep(FAULTY / 2).await;
            cluster.redis.restart_from(&snapshot).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replica_may_lose_redis() {
    redis_may("one replica without Redis", async |cluster| {
        cluster.replicas[1].redis.cut();
        sleep(FAULTY).await;
        cluster.replicas[1].redis.mend();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replicas_redis_may_fall_silent() {
    redis_may("one replica's Redis silent", async |cluster| {
        cluster.replicas[1].redis.hang();
        sleep(FAULTY).await;
        cluster.replicas[1].redis.mend();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replicas_link_may_freeze() {
    redis_may("one replica's link frozen", async |cluster| {
        cluster.replicas[1].redis.freeze();
        sleep(FAULTY).await;
    })
    .await;
}
