//! A random sequence of all faults while clients read and write.
//!
//! `CACHE_CHAOS_SECONDS` sets the duration and `CACHE_SEED` the sequence. `CACHE_CHAOS_STRICT` asserts the
//! 50 ms bound while no fault is active, which needs an otherwise idle machine.

use std::fmt;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::sleep;
use user_adapters::guards::Guards;
use user_tests::history::{FailedRequest, Limits, Verdict};
use user_tests::{Cluster, Proxy, RedisServer};

use super::faults::garbage::{Garbage, plant};
use super::faults::{for_each_redis_proxy, limits, wait_until_redis_is_used};
use super::workload::{REPLICAS, Workload};

/// The duration of a fault, and of the pause after it, in milliseconds.
const FAULT_MS: std::ops::Range<u64> = 300..1500;
const HEALTHY_MS: std::ops::Range<u64> = 500..1500;
/// The time for which requests may still fail after the database of a replica is available again.
const FAILURE_TOLERANCE: Duration = Duration::from_secs(1);

/// A fault. `replica` is an index.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Paused,
    Killed,
    Restarted,
    RestartedWithOlderData,
    FailedOverAndBack,
    Flushed,
    ClientsKilled,
    CutMidReply { bytes: usize },
    RepliesLost,
    Full,
    Slow { millis: u64 },
    Planted { garbage: Garbage },
    WithoutRedis { replica: usize },
    RedisSilent { replica: usize },
    LinkFrozen { replica: usize },
    WithoutDatabase { replica: usize },
    DatabaseSilent { replica: usize },
}

impl Fault {
    fn random(random: &mut StdRng) -> Self {
        let replica = random.random_range(0..REPLICAS);
        match random.random_range(0..17) {
            0 => Self::Paused,
            1 => Self::Killed,
            2 => Self::Restarted,
            3 => Self::RestartedWithOlderData,
            4 => Self::FailedOverAndBack,
            5 => Self::Flushed,
            6 => Self::ClientsKilled,
            7 => Self::CutMidReply {
                bytes: random.random_range(0..500),
            },
            8 => Self::RepliesLost,
            9 => Self::Full,
            10 => Self::Slow {
                millis: random.random_range(3..300),
            },
            11 => Self::Planted {
                garbage: Garbage::random(random),
            },
            12 => Self::WithoutRedis { replica },
            13 => Self::RedisSilent { replica },
            14 => Self::LinkFrozen { replica },
            15 => Self::WithoutDatabase { replica },
            _ => Self::DatabaseSilent { replica },
        }
    }

    /// Whether a request may fail during the fault. At a replica without its database, every request may. At the other
    /// replicas, writes may: a transaction on a silent connection keeps its row locks.
    fn excuses(self, failed: &FailedRequest) -> bool {
        match self {
            Self::WithoutDatabase { replica } => failed.replica == replica,
            Self::DatabaseSilent { replica } => failed.replica == replica || failed.is_write,
            _ => false,
        }
    }

    /// Causes the fault for this time. Returns the copy that Redis has failed over to, which keeps running.
    async fn inject(self, cluster: &Cluster, time: Duration) -> Option<RedisServer> {
        let redis = &cluster.redis;
        match self {
            Self::Paused => {
                redis.pause();
                sleep(time).await;
                redis.resume();
            }
            Self::Killed => {
                redis.kill();
                sleep(time).await;
                redis.restart().await;
            }
            Self::Restarted => redis.restart().await,
            Self::RestartedWithOlderData => {
                let snapshot = redis.snapshot().await;
                sleep(time).await;
                redis.restart_from(&snapshot).await;
            }
            Self::FailedOverAndBack => return Some(fail_over_and_back(cluster, time).await),
            Self::Flushed => {
                redis.command(&["FLUSHALL"]).await;
            }
            Self::ClientsKilled => redis.close_connections().await,
            Self::CutMidReply { bytes } => {
                for_each_redis_proxy(cluster, |proxy| proxy.cut_mid_reply(bytes));
                sleep(time).await;
                for_each_redis_proxy(cluster, Proxy::clear_faults);
            }
            Self::RepliesLost => {
                for_each_redis_proxy(cluster, Proxy::lose_replies);
                sleep(time).await;
                for_each_redis_proxy(cluster, Proxy::clear_faults);
            }
            Self::Full => {
                redis.fill_memory().await;
                sleep(time).await;
                redis.free_memory().await;
            }
            Self::Slow { millis } => {
                for_each_redis_proxy(cluster, |proxy| proxy.delay(Duration::from_millis(millis)));
                sleep(time).await;
                for_each_redis_proxy(cluster, |proxy| proxy.delay(Duration::ZERO));
            }
            Self::Planted { garbage } => {
                plant(cluster, "user-service:*", garbage).await;
            }
            Self::WithoutRedis { replica } => cut(&cluster.replicas[replica].redis, time).await,
            Self::RedisSilent { replica } => hang(&cluster.replicas[replica].redis, time).await,
            Self::LinkFrozen { replica } => {
                cluster.replicas[replica].redis.freeze();
                sleep(time).await;
            }
            Self::WithoutDatabase { replica } => {
                cut(&cluster.replicas[replica].database, time).await;
            }
            Self::DatabaseSilent { replica } => {
                hang(&cluster.replicas[replica].database, time).await;
            }
        }
        None
    }
}

async fn cut(proxy: &Proxy, time: Duration) {
    proxy.cut();
    sleep(time).await;
    proxy.clear_faults();
}

async fn hang(proxy: &Proxy, time: Duration) {
    proxy.hang();
    sleep(time).await;
    proxy.clear_faults();
}

/// Connects the replicas to a copy of Redis, and then back to the original, which has missed all changes in between.
async fn fail_over_and_back(cluster: &Cluster, time: Duration) -> RedisServer {
    let address = |redis: &RedisServer| redis.url().trim_start_matches("redis://").to_owned();
    let copy = cluster.redis.copy().await;
    sleep(time / 3).await;
    for_each_redis_proxy(cluster, |proxy| proxy.retarget(address(&copy)));
    sleep(time).await;
    for_each_redis_proxy(cluster, |proxy| proxy.retarget(address(&cluster.redis)));
    copy
}

/// A fault and the time during which it was active.
struct FaultPeriod {
    fault: Fault,
    begin: Instant,
    end: Instant,
}

impl FaultPeriod {
    /// Whether the fault explains why a request failed.
    fn excuses(&self, failed: &FailedRequest, start: Instant) -> bool {
        let at = start + failed.at;
        self.fault.excuses(failed)
            && at + FAILURE_TOLERANCE > self.begin
            && at < self.end + FAILURE_TOLERANCE
    }
}

impl fmt::Display for FaultPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} for {:?}", self.fault, self.end - self.begin)
    }
}

/// Injects random faults for this time.
async fn inject_faults(
    cluster: &Cluster,
    workload: &Workload<'_>,
    time: Duration,
) -> Vec<FaultPeriod> {
    let mut random = StdRng::seed_from_u64(workload.seed());
    let until = Instant::now() + time;
    let mut periods = Vec::new();
    let mut copies = Vec::new();
    while Instant::now() < until {
        sleep(Duration::from_millis(random.random_range(HEALTHY_MS))).await;
        let fault = Fault::random(&mut random);
        let duration = Duration::from_millis(random.random_range(FAULT_MS));
        let begin = Instant::now();
        let kind = format!("{fault:?}");
        let kind = kind.split(' ').next().unwrap();
        let injected = workload
            .history
            .during(kind, fault.inject(cluster, duration));
        copies.extend(injected.await);
        let end = Instant::now();
        periods.push(FaultPeriod { fault, begin, end });
    }
    sleep(Duration::from_millis(HEALTHY_MS.end)).await;
    workload.stop();
    periods
}

/// Runs clients during random faults, and checks their history.
async fn assert_survives_faults(settings: &[(&str, &str)]) {
    let setting = |name| std::env::var(name).ok();
    let seconds = setting("CACHE_CHAOS_SECONDS").map_or(12, |seconds| seconds.parse().unwrap());
    let cluster = Cluster::start_with(REPLICAS, settings, Guards::default()).await;
    let workload = Workload::begin(&cluster).await;
    let faults = inject_faults(&cluster, &workload, Duration::from_secs(seconds));
    let (periods, ()) = tokio::join!(faults, workload.run_until_stopped());
    let mut allowed = limits();
    if setting("CACHE_CHAOS_STRICT").is_some() {
        allowed.healthy = Limits::default().healthy;
    }
    let mut verdict = workload.check(&allowed).await;
    let start = workload.start();
    let is_excused = |failed: &mut FailedRequest| {
        let mut periods = periods.iter();
        periods.any(|period| period.excuses(failed, start))
    };
    let excused = verdict.failed_requests.extract_if(.., is_excused).count();
    show(&workload, &periods, &verdict, excused);
    assert!(verdict.is_clean(), "seed {}: {verdict}", workload.seed());
    wait_until_redis_is_used(&cluster, Instant::now()).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_faults_break_no_guarantee() {
    assert_survives_faults(&[]).await;
}

/// Without the in-process cache, most reads query Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_faults_break_no_guarantee_without_the_in_process_cache() {
    assert_survives_faults(&[("CACHE_MEMORY_MB", "0")]).await;
}

#[expect(clippy::print_stdout, reason = "figures for a failed test")]
fn show(workload: &Workload<'_>, periods: &[FaultPeriod], verdict: &Verdict, excused: usize) {
    println!("seed {}, {} faults:", workload.seed(), periods.len());
    for period in periods {
        let at = period.begin - workload.start();
        println!("  {:.3} s: {period}", at.as_secs_f64());
    }
    println!("{verdict}{excused} requests failed without a database");
    let mut took: Vec<Duration> = workload
        .timed_reads()
        .iter()
        .map(|read| read.took)
        .collect();
    took.sort_unstable();
    let [half, most, all] = [50, 99, 100].map(|percent| took[took.len() * percent / 100 - 1]);
    println!("reads took {half:?} (median), {most:?} (p99), {all:?} (at most)");
}
