//! Measures how much of its peak throughput the service keeps at four times the peak load.
//!
//!     make overload
//!
//! First, 16 clients each send the next request as soon as the previous one is answered. This gives the peak
//! throughput. Then requests are sent at four times that rate, whether or not earlier ones are answered, over at most
//! 512 connections. Each kind of request that needs the database is measured separately.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a command-line tool with small numbers"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use user_tests::{API_TOKEN, Store, TestApp};

const PHASE: Duration = Duration::from_secs(6);
const FACTOR: f64 = 4.0;
/// The number of connections of all callers together, if requests are sent at a fixed rate.
const CONNECTIONS: usize = 512;

/// The results of the requests of a phase.
#[derive(Default)]
struct PhaseResults {
    served: Vec<Duration>,
    refused: Vec<Duration>,
    other: Vec<String>,
    unsent: usize,
}

impl PhaseResults {
    fn add(&mut self, response: Result<StatusCode, String>, time: Duration) {
        match response {
            Ok(status) if status.is_success() => self.served.push(time),
            Ok(StatusCode::SERVICE_UNAVAILABLE) => self.refused.push(time),
            Ok(status) => self.other.push(status.to_string()),
            Err(error) => self.other.push(error),
        }
    }

    fn print(&mut self, name: &str, phase: Duration) {
        let served = self.served.len() as f64 / phase.as_secs_f64();
        let refused = self.refused.len() as f64 / phase.as_secs_f64();
        println!(
            "{name:<34} {served:>8.0} {refused:>8.0} {:>8.0} {:>6} {:>8.1} {:>8.1} {:>8.1} {:>8.1}",
            self.unsent as f64 / phase.as_secs_f64(),
            self.other.len(),
            quantile(&mut self.served, 0.5),
            quantile(&mut self.served, 0.99),
            quantile(&mut self.refused, 0.5),
            quantile(&mut self.refused, 0.99),
        );
        self.other.dedup();
        for other in self.other.iter().take(3) {
            println!("    {other}");
        }
    }
}

/// Returns a quantile in milliseconds.
fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    let place = (times.len().saturating_sub(1) as f64 * share) as usize;
    times.get(place).map_or(0.0, Duration::as_secs_f64) * 1000.0
}

async fn send(request: RequestBuilder) -> Result<StatusCode, String> {
    let response = request.bearer_auth(API_TOKEN).send().await;
    let response = response.map_err(|error| error.without_url().to_string())?;
    let status = response.status();
    response.bytes().await.map_err(|error| error.to_string())?;
    Ok(status)
}

/// Sends requests from clients that wait for each response.
async fn run_closed_loop(clients: usize, request: impl Fn() -> RequestBuilder) -> PhaseResults {
    let started = Instant::now();
    let each = join_all((0..clients).map(async |_| {
        let mut results = PhaseResults::default();
        while started.elapsed() < PHASE {
            let sent = Instant::now();
            let response = send(request()).await;
            results.add(response, sent.elapsed());
        }
        results
    }));
    each.await
        .into_iter()
        .fold(PhaseResults::default(), |mut all, results| {
            all.served.extend(results.served);
            all.refused.extend(results.refused);
            all.other.extend(results.other);
            all
        })
}

/// Sends requests at a fixed rate.
async fn run_at_rate(rate: f64, request: impl Fn() -> RequestBuilder) -> PhaseResults {
    let started = Instant::now();
    let mut ticks = interval(Duration::from_millis(5));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut sent, mut pending, mut results) = (0.0, JoinSet::new(), PhaseResults::default());
    while started.elapsed() < PHASE {
        ticks.tick().await;
        while sent < started.elapsed().as_secs_f64() * rate {
            sent += 1.0;
            while let Some(ended) = pending.try_join_next() {
                let (response, time) = ended.unwrap();
                results.add(response, time);
            }
            // If all connections are in use, the request is not sent.
            if pending.len() >= CONNECTIONS {
                results.unsent += 1;
                continue;
            }
            let request = request();
            pending.spawn(async move {
                let sent = Instant::now();
                (send(request).await, sent.elapsed())
            });
        }
    }
    for (response, time) in pending.join_all().await {
        results.add(response, time);
    }
    results
}

#[tokio::main]
async fn main() {
    let app = TestApp::start(Store::Postgres).await;
    let client = user_tests::http_client();
    let user = app.register("popular").await;
    let user = app.url(&format!("/v1/users/{}", user["id"].as_str().unwrap()));
    let ids = Arc::new(AtomicU64::new(0));
    let create = || {
        let name = format!("over{}", ids.fetch_add(1, Ordering::Relaxed));
        let body = json!({"username": name, "email": format!("{name}@example.org")});
        client.post(app.url("/v1/users")).json(&body)
    };
    let read = || client.get(format!("{user}/export"));
    let list = || client.get(app.url("/v1/users?q=over&limit=20"));
    println!(
        "{:<34} {:>8} {:>8} {:>8} {:>6} {:>8} {:>8} {:>8} {:>8}",
        "", "served/s", "503/s", "unsent/s", "other", "p50 ms", "p99 ms", "503 p50", "503 p99"
    );
    let kinds: [(&str, &dyn Fn() -> RequestBuilder); 3] = [
        ("creations", &create),
        ("exports", &read),
        ("searches", &list),
    ];
    for (kind, request) in kinds {
        let mut peak = run_closed_loop(16, request).await;
        let rate = peak.served.len() as f64 / PHASE.as_secs_f64();
        peak.print(&format!("{kind}, 16 clients"), PHASE);
        let mut overload = run_at_rate(rate * FACTOR, request).await;
        overload.print(&format!("{kind}, {FACTOR} times as many"), PHASE);
    }
    app.stop().await;
}
