//! Measures the time from a commit until a reader of the event feed has its event: `make events`.
//!
//! Two replicas run in one process with a real PostgreSQL. Users are written through one of them, at a fixed rate. A
//! reader waits for events at the other one. The time of an event is from the acknowledgement of its write to the
//! complete response that contains it. Writes that the service refuses, because it is overloaded, are left out.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a command-line tool"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use user_domain::test_support::samples;
use user_domain::values::UserId;
use user_domain::write::Written;
use user_tests::{Store, TestApp};

/// The number of users that are written in turn.
const USERS: usize = 100;
/// The rates of the rounds, in writes a second, and their numbers of writes.
const ROUNDS: [(u32, usize); 3] = [(5, 100), (100, 1500), (500, 7500)];

/// The times at which writes were acknowledged, by user and revision.
type Acknowledged = Arc<Mutex<HashMap<(String, i64), Instant>>>;

#[tokio::main]
async fn main() {
    let app = TestApp::start(Store::Postgres).await;
    let replica = app.replica().await;
    let mut users = Vec::new();
    for number in 0..USERS {
        let user = app.register(&format!("user{number}")).await;
        users.push(UserId::parse(user["id"].as_str().unwrap()).unwrap());
    }
    println!("| writes/s | events | median | p99 | max |");
    println!("|---|---|---|---|---|");
    for (rate, writes) in ROUNDS {
        let mut times = measure(&app, &replica, &users, rate, writes).await;
        times.sort();
        let at = |percent: usize| {
            let time = times[(times.len() * percent / 100).min(times.len() - 1)];
            format!("{:.0} ms", time.as_secs_f64() * 1000.0)
        };
        println!(
            "| {rate} | {} | {} | {} | {} |",
            times.len(),
            at(50),
            at(99),
            at(100)
        );
    }
    replica.stop().await;
    app.stop().await;
}

/// Returns the times of all events of the writes.
async fn measure(
    app: &TestApp,
    replica: &TestApp,
    users: &[UserId],
    rate: u32,
    writes: usize,
) -> Vec<Duration> {
    let reader = replica.service();
    let start = reader.get("/v1/events?cursor=now").await.json;
    let mut cursor = start["cursor"].as_str().unwrap().to_owned();
    let acknowledged = Acknowledged::default();
    let expected = Arc::new(AtomicUsize::new(writes));
    let write = write(app, users, (rate, writes), &acknowledged, &expected);
    let read = async {
        let mut received = Vec::with_capacity(writes);
        while received.len() < expected.load(Ordering::Relaxed) {
            let page = reader
                .get(&format!("/v1/events?limit=1000&wait=1&cursor={cursor}"))
                .await;
            let at = Instant::now();
            for event in page.json["events"].as_array().unwrap() {
                let user = event["subject"].as_str().unwrap().to_owned();
                received.push(((user, event["data"]["revision"].as_i64().unwrap()), at));
            }
            page.json["cursor"]
                .as_str()
                .unwrap()
                .clone_into(&mut cursor);
        }
        received
    };
    let ((), received) = tokio::join!(write, read);
    let acknowledged = acknowledged.lock().unwrap();
    let times = received.iter().filter_map(|(write, at)| {
        let acknowledged = acknowledged.get(write)?;
        Some(at.saturating_duration_since(*acknowledged))
    });
    times.collect()
}

/// Writes at a rate, whatever the writes take.
async fn write(
    app: &TestApp,
    users: &[UserId],
    (rate, writes): (u32, usize),
    acknowledged: &Acknowledged,
    expected: &Arc<AtomicUsize>,
) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    let mut tasks = JoinSet::new();
    for number in 0..writes {
        ticks.tick().await;
        let store = app.composition().ports.writer.clone();
        let (acknowledged, expected) = (acknowledged.clone(), expected.clone());
        let user = users[number % users.len()];
        tasks.spawn(async move {
            let change = samples::set_name(&format!("{rate} {number}"));
            let written = store.change(user, &change, &samples::context()).await;
            let at = Instant::now();
            if let Ok(Written::Applied(user)) = written {
                let write = (user.id.to_string(), user.revision.get());
                acknowledged.lock().unwrap().insert(write, at);
            } else {
                expected.fetch_sub(1, Ordering::Relaxed);
            }
        });
    }
    tasks.join_all().await;
}
