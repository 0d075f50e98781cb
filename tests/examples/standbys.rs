//! Measures reads of standbys: `make standbys`.
//!
//! A primary server has two streaming standbys, one of which replays every commit 100 ms late. A writer changes a user as
//! fast as it can. Readers list that user through the store: half of them with the token of the latest write, which they
//! must see; the others without, and their lists may be a second old. `READS` is the number of all reads. Then the CPU
//! time of the primary server is measured, for lists of 50 users without and with standbys.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a command-line tool"
)]

use std::collections::VecDeque;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::sqlx::{AssertSqlSafe, Executor, Row};
use user_adapters::SystemClock;
use user_adapters::cache::{CacheOptions, TieredUserCache};
use user_adapters::guards::Guards;
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers, StoreConsistency};
use user_domain::ReadContext;
use user_domain::directory::{DirectoryQuery, PageRequest};
use user_domain::ports::{Consistency, UserDirectory, UserWriter, WritePosition};
use user_domain::test_support::samples;
use user_domain::values::UserId;
use user_domain::write::Written;
use user_tests::PostgresServer;

/// The number of concurrent readers.
const READERS: usize = 16;
/// The number of lists for each measurement of CPU time.
const LISTS: usize = 20_000;
/// The number of users that are listed.
const USERS: usize = 2_000;

/// A replica of the store, with its cache and the poller of its outbox.
struct Replica {
    users: SeaOrmUsers,
    consistency: Option<StoreConsistency>,
    poller: tokio::task::JoinHandle<()>,
}

/// The writes so far.
#[derive(Default)]
struct Writes {
    /// The version of the latest acknowledged write, and the position that covers it.
    latest: Mutex<(i64, WritePosition)>,
    /// When each version was acknowledged, for the last seconds.
    acknowledged: Mutex<VecDeque<(i64, Instant)>>,
}

#[derive(Default)]
struct Results {
    reads: AtomicU64,
    stale_with_token: AtomicU64,
    older_than_a_second: AtomicU64,
    oldest: AtomicU64,
}

#[tokio::main]
async fn main() {
    let reads = std::env::var("READS").ok();
    let reads: u64 = reads.map_or(1_000_000, |reads| reads.parse().unwrap());
    let primary = PostgresServer::start().await;
    let direct = replica(&primary, &[]).await;
    let marker = samples::registered(&samples::new_user("marker"), &samples::context());
    direct
        .users
        .add(&marker, &samples::context())
        .await
        .unwrap();
    for number in 0..USERS {
        let user = samples::registered(
            &samples::new_user(&format!("user{number}")),
            &samples::context(),
        );
        direct.users.add(&user, &samples::context()).await.unwrap();
    }
    let standbys = [primary.start_standby().await, primary.start_standby().await];
    let delay = "ALTER SYSTEM SET recovery_min_apply_delay = '100ms'";
    standbys[1].execute(delay).await;
    standbys[1].execute("SELECT pg_reload_conf()").await;
    let routed = Arc::new(replica(&primary, &standbys).await);
    tokio::time::sleep(Duration::from_secs(2)).await;

    let before = scans(&primary).await;
    let (results, writes) = read(&routed, marker.user.id, reads).await;
    // PostgreSQL collects statistics with a delay.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let on_primary = scans(&primary).await - before;
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!("reads {}, writes {writes}", of(&results.reads));
    println!("stale with a token: {}", of(&results.stale_with_token));
    println!("older than a second: {}", of(&results.older_than_a_second));
    println!("oldest without a token: {} ms", of(&results.oldest));
    println!(
        "answered by the primary server: at most {:.1} %",
        (on_primary - writes) as f64 * 100.0 / of(&results.reads) as f64
    );
    for (name, replica) in [("without", &direct), ("with", &*routed)] {
        let cpu = cpu_of_lists(&primary, replica).await;
        println!("CPU of the primary server for 1,000 lists {name} standbys: {cpu:.3} s");
    }
    routed.poller.abort();
    direct.poller.abort();
}

async fn replica(primary: &PostgresServer, standbys: &[PostgresServer]) -> Replica {
    let options = PoolOptions {
        max_connections: 16,
        standbys: standbys.iter().map(|server| server.url().into()).collect(),
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&primary.url(), &options)
        .await
        .unwrap();
    connections.migrate(None).await.unwrap();
    let users = SeaOrmUsers::new(connections);
    let cache = TieredUserCache::new(CacheOptions {
        memory_bytes: 1 << 20,
        redis: None,
        clock: Arc::new(SystemClock),
        guards: Guards::default(),
    });
    let consistency = StoreConsistency::of(&users, &cache);
    let followed = users.clone();
    let poller = tokio::spawn(async move { cache.keep_fresh(&followed).await });
    Replica {
        users,
        consistency,
        poller,
    }
}

/// Reads and writes until there were this many reads. Returns the results and the number of writes.
async fn read(replica: &Arc<Replica>, marker: UserId, reads: u64) -> (Arc<Results>, i64) {
    let (results, writes) = (Arc::new(Results::default()), Arc::new(Writes::default()));
    *writes.latest.lock().unwrap() = (1, WritePosition::default());
    writes
        .acknowledged
        .lock()
        .unwrap()
        .push_back((1, Instant::now()));
    let is_done = move |results: &Results| results.reads.load(Ordering::Relaxed) >= reads;
    let writing = {
        let (replica, results, writes) = (replica.clone(), results.clone(), writes.clone());
        tokio::spawn(async move {
            let mut count = 0;
            while !is_done(&results) {
                let change = samples::set_name(&format!("name {count}"));
                let written = replica
                    .users
                    .change(marker, &change, &samples::context())
                    .await;
                let Written::Applied(user) = written.unwrap() else {
                    panic!("the name is a new one");
                };
                let version = user.version.get();
                let now = Instant::now();
                let position = replica
                    .consistency
                    .as_ref()
                    .unwrap()
                    .position()
                    .await
                    .unwrap();
                *writes.latest.lock().unwrap() = (version, position);
                let mut acknowledged = writes.acknowledged.lock().unwrap();
                acknowledged.push_back((version, now));
                while acknowledged[1].1.elapsed() > Duration::from_secs(10) {
                    acknowledged.pop_front();
                }
                count += 1;
            }
            count
        })
    };
    let readers = (0..READERS).map(|reader| {
        let (replica, results, writes) = (replica.clone(), results.clone(), writes.clone());
        tokio::spawn(async move {
            while !is_done(&results) {
                if reader.is_multiple_of(2) {
                    read_with_token(&replica, &writes, &results).await;
                } else {
                    read_without_token(&replica, &writes, &results).await;
                }
                let done = results.reads.fetch_add(1, Ordering::Relaxed);
                if done.is_multiple_of(50_000) {
                    println!("{done} reads");
                }
            }
        })
    });
    for reader in join_all(readers).await {
        reader.unwrap();
    }
    (results, writing.await.unwrap())
}

async fn read_with_token(replica: &Replica, writes: &Writes, results: &Results) {
    let (version, position) = *writes.latest.lock().unwrap();
    replica
        .consistency
        .as_ref()
        .unwrap()
        .catch_up()
        .await
        .unwrap();
    let seen = ReadContext::new(position).run(seen(replica)).await;
    if seen < version {
        results.stale_with_token.fetch_add(1, Ordering::Relaxed);
    }
}

async fn read_without_token(replica: &Replica, writes: &Writes, results: &Results) {
    let start = Instant::now();
    let seen = seen(replica).await;
    // The answer is as old as the first write that it does not show, if that was acknowledged before the read.
    let missed = {
        let acknowledged = writes.acknowledged.lock().unwrap();
        let missed = acknowledged.iter().find(|(version, _)| *version > seen);
        missed.map(|(_, at)| start.saturating_duration_since(*at))
    };
    let age = missed.unwrap_or_default();
    let millis = u64::try_from(age.as_millis()).unwrap();
    results.oldest.fetch_max(millis, Ordering::Relaxed);
    if age > Duration::from_secs(1) {
        results.older_than_a_second.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lists the marker and returns its version.
async fn seen(replica: &Replica) -> i64 {
    let query = DirectoryQuery {
        username_prefix: Some("marker".to_owned()),
        ..DirectoryQuery::default()
    };
    let page = replica.users.page(&page_request(&query)).await.unwrap();
    page.users[0].version.get()
}

fn page_request(query: &DirectoryQuery) -> PageRequest {
    let checked = query.check().unwrap();
    PageRequest {
        filter: checked.filter,
        sort: checked.sort,
        after: None,
        limit: checked.limit,
    }
}

/// How often the rows of users were read on a server.
async fn scans(server: &PostgresServer) -> i64 {
    let scans = "SELECT coalesce(sum(seq_scan + idx_scan), 0)::int8 FROM pg_stat_user_tables WHERE relname = 'users'";
    let row = server.connect().await.fetch_one(scans).await;
    row.unwrap().get(0)
}

/// The CPU seconds of the primary server for 1,000 lists.
async fn cpu_of_lists(primary: &PostgresServer, replica: &Replica) -> f64 {
    let query = DirectoryQuery::default();
    let request = page_request(&query);
    let before = cpu(primary).await;
    for _ in 0..LISTS / READERS {
        let lists = (0..READERS / 2).map(|_| async {
            for _ in 0..2 {
                replica.users.page(&request).await.unwrap();
            }
        });
        join_all(lists).await;
    }
    (cpu(primary).await - before) * 1_000.0 / LISTS as f64
}

/// The CPU seconds of all processes of a server.
async fn cpu(server: &PostgresServer) -> f64 {
    let file = "SELECT pg_read_file('postmaster.pid')";
    let row = server.connect().await.fetch_one(AssertSqlSafe(file)).await;
    let text: String = row.unwrap().get(0);
    let postmaster: u64 = text.lines().next().unwrap().trim().parse().unwrap();
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let ticks = processes.filter_map(|process| {
        let stat = fs::read_to_string(process.path().join("stat")).ok()?;
        let (before, fields) = stat.rsplit_once(") ")?;
        let id: u64 = before.split_whitespace().next()?.parse().ok()?;
        let fields: Vec<u64> = fields
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        // Own time, and for the postmaster that of the processes that ended.
        let is_postmaster = id == postmaster;
        (is_postmaster || fields[1] == postmaster).then(|| {
            fields[11]
                + fields[12]
                + if is_postmaster {
                    fields[13] + fields[14]
                } else {
                    0
                }
        })
    });
    ticks.sum::<u64>() as f64 / 100.0
}
