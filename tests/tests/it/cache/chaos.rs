//! All faults one after the other, by a schedule that nobody has seen before, under clients that read and write.
//!
//! `CACHE_CHAOS_SECONDS` says how long, `CACHE_SEED` which schedule, and `CACHE_CHAOS_STRICT` that 50 ms are to be kept
//! while nothing is wrong, for which the machine has to be left alone.

use std::fmt;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::sleep;
use user_adapters::guards::Guards;
use user_tests::history::{FailedRequest, Limits, Verdict};
use user_tests::{Cluster, Proxy, RedisServer};

use super::faults::planted::{Garbage, plant};
use super::faults::{each, is_shared_again, limits};
use super::workload::{REPLICAS, Workload};

/// How long a fault lasts, and how long nothing is wrong after it, in milliseconds.
const FAULTY: std::ops::Range<u64> = 300..1500;
const HEALTHY: std::ops::Range<u64> = 500..1500;
/// How long a replica whose database comes back may still fail.
const SETTLING: Duration = Duration::from_secs(1);

/// What comes and goes; the numbers are replicas.
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
    AnswersLost,
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
    fn any(random: &mut StdRng) -> Self {
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
            8 => Self::AnswersLost,
            9 => Self::Full,
            10 => Self::Slow {
                millis: random.random_range(3..300),
            },
            11 => Self::Planted {
                garbage: Garbage::any(random),
            },
            12 => Self::WithoutRedis { replica },
            13 => Self::RedisSilent { replica },
            14 => Self::LinkFrozen { replica },
            15 => Self::WithoutDatabase { replica },
            _ => Self::DatabaseSilent { replica },
        }
    }

    /// Whether a request may fail meanwhile: any of a replica without its database, and a write of another one, for a
    /// transaction that has fallen silent keeps the rows that it has locked.
    fn excuses(self, failed: &FailedRequest) -> bool {
        match self {
            Self::WithoutDatabase { replica } => failed.replica == replica,
            Self::DatabaseSilent { replica } => failed.replica == replica || failed.is_write,
            _ => false,
        }
    }

    /// Comes, stays for a time, and goes; a copy that Redis has failed over to is left running.
    async fn last(self, cluster: &Cluster, time: Duration) -> Option<RedisServer> {
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
            Self::ClientsKilled => {
                for kind in ["normal", "pubsub"] {
                    redis.command(&["CLIENT", "KILL", "TYPE", kind]).await;
                }
            }
            Self::CutMidReply { bytes } => {
                each(cluster, |proxy| proxy.cut_mid_reply(bytes));
                sleep(time).await;
                each(cluster, Proxy::mend);
            }
            Self::AnswersLost => {
                each(cluster, Proxy::lose_replies);
                sleep(time).await;
                each(cluster, Proxy::mend);
            }
            Self::Full => {
                redis.fill_memory().await;
                sleep(time).await;
                redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
            }
            Self::Slow { millis } => {
                each(cluster, |proxy| proxy.delay(Duration::from_millis(millis)));
                sleep(time).await;
                each(cluster, |proxy| proxy.delay(Duration::ZERO));
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
    proxy.mend();
}

async fn hang(proxy: &Proxy, time: Duration) {
    proxy.hang();
    sleep(time).await;
    proxy.mend();
}

/// Leads the replicas to a copy, and back to what has not been told of anything meanwhile.
async fn fail_over_and_back(cluster: &Cluster, time: Duration) -> RedisServer {
    let address = |redis: &RedisServer| redis.url().trim_start_matches("redis://").to_owned();
    let copy = cluster.redis.copy().await;
    sleep(time / 3).await;
    each(cluster, |proxy| proxy.retarget(address(&copy)));
    sleep(time).await;
    each(cluster, |proxy| proxy.retarget(address(&cluster.redis)));
    copy
}

/// A fault that was there.
struct Period {
    fault: Fault,
    begin: Instant,
    end: Instant,
}

impl Period {
    /// Whether the fault excuses that a request has failed.
    fn excuses(&self, failed: &FailedRequest, start: Instant) -> bool {
        let at = start + failed.at;
        self.fault.excuses(failed) && at + SETTLING > self.begin && at < self.end + SETTLING
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} for {:?}", self.fault, self.end - self.begin)
    }
}

/// Lets faults come and go for a time.
async fn torment(cluster: &Cluster, workload: &Workload<'_>, time: Duration) -> Vec<Period> {
    let mut random = StdRng::seed_from_u64(workload.seed());
    let until = Instant::now() + time;
    let mut periods = Vec::new();
    let mut copies = Vec::new();
    while Instant::now() < until {
        sleep(Duration::from_millis(random.random_range(HEALTHY))).await;
        let fault = Fault::any(&mut random);
        let lasting = Duration::from_millis(random.random_range(FAULTY));
        let begin = Instant::now();
        let kind = format!("{fault:?}");
        let kind = kind.split(' ').next().unwrap();
        let lasted = workload.history.during(kind, fault.last(cluster, lasting));
        copies.extend(lasted.await);
        let end = Instant::now();
        periods.push(Period { fault, begin, end });
    }
    sleep(Duration::from_millis(HEALTHY.end)).await;
    workload.end();
    periods
}

/// Lets clients work while faults come and go, and judges what they saw.
async fn endures(settings: &[(&str, &str)]) {
    let setting = |name| std::env::var(name).ok();
    let seconds = setting("CACHE_CHAOS_SECONDS").map_or(12, |seconds| seconds.parse().unwrap());
    let cluster = Cluster::start_with(REPLICAS, settings, Guards::default()).await;
    let workload = Workload::begin(&cluster).await;
    let torment = torment(&cluster, &workload, Duration::from_secs(seconds));
    let (periods, ()) = tokio::join!(torment, workload.run_until_the_end());
    let mut allowed = limits();
    if setting("CACHE_CHAOS_STRICT").is_some() {
        allowed.healthy = Limits::default().healthy;
    }
    let mut verdict = workload.judge(&allowed).await;
    let start = workload.start();
    let is_excused = |failed: &mut FailedRequest| {
        let mut periods = periods.iter();
        periods.any(|period| period.excuses(failed, start))
    };
    let excused = verdict.failed_requests.extract_if(.., is_excused).count();
    show(&workload, &periods, &verdict, excused);
    assert!(verdict.is_clean(), "seed {}: {verdict}", workload.seed());
    is_shared_again(&cluster, Instant::now()).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_may_come_and_go() {
    endures(&[]).await;
}

/// So that most reads ask Redis, which they hardly do otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_may_come_and_go_without_the_tier_in_the_process() {
    endures(&[("CACHE_MEMORY_MB", "0")]).await;
}

#[expect(clippy::print_stdout, reason = "the figures of a test that failed")]
fn show(workload: &Workload<'_>, periods: &[Period], verdict: &Verdict, excused: usize) {
    println!("seed {}, {} faults:", workload.seed(), periods.len());
    for period in periods {
        let at = period.begin - workload.start();
        println!("  {:.3} s: {period}", at.as_secs_f64());
    }
    println!("{verdict}{excused} requests failed for want of a database");
    let mut took: Vec<Duration> = workload.answers().iter().map(|read| read.took).collect();
    took.sort_unstable();
    let [half, most, all] = [50, 99, 100].map(|percent| took[took.len() * percent / 100 - 1]);
    println!("reads took {half:?} (median), {most:?} (p99), {all:?} (at most)");
}
