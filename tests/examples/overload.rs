//! Measures what is left of the service's work under four times the load that it can bear.
//!
//!     make overload
//!
//! First 16 clients ask as fast as they are answered: the peak. Then requests come four times as fast, whether or not
//! earlier ones are answered, over 512 connections at most. Each kind of request that needs the database is measured by itself.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program for people, over figures of a few digits"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use user_tests::{API_TOKEN, Store, TestApp};

const PHASE: Duration = Duration::from_secs(6);
const FACTOR: f64 = 4.0;
/// The connections of all callers together, where requests come at a rate.
const CONNECTIONS: usize = 512;

/// What the requests of a phase came to.
#[derive(Default)]
struct Told {
    served: Vec<Duration>,
    refused: Vec<Duration>,
    other: Vec<String>,
    unsent: usize,
}

impl Told {
    fn take(&mut self, answer: Result<StatusCode, String>, time: Duration) {
        match answer {
            Ok(status) if status.is_success() => self.served.push(time),
            Ok(StatusCode::SERVICE_UNAVAILABLE) => self.refused.push(time),
            Ok(status) => self.other.push(status.to_string()),
            Err(error) => self.other.push(error),
        }
    }

    fn show(&mut self, name: &str, phase: Duration) {
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

/// A quantile in milliseconds.
fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    let place = (times.len().saturating_sub(1) as f64 * share) as usize;
    times.get(place).map_or(0.0, Duration::as_secs_f64) * 1000.0
}

async fn send(request: RequestBuilder) -> Result<StatusCode, String> {
    let answer = request.bearer_auth(API_TOKEN).send().await;
    let answer = answer.map_err(|error| error.without_url().to_string())?;
    let status = answer.status();
    answer.bytes().await.map_err(|error| error.to_string())?;
    Ok(status)
}

/// Clients who wait for each answer.
async fn closed(clients: usize, request: impl Fn() -> RequestBuilder) -> Told {
    let begun = Instant::now();
    let each = join_all((0..clients).map(async |_| {
        let mut told = Told::default();
        while begun.elapsed() < PHASE {
            let sent = Instant::now();
            let answer = send(request()).await;
            told.take(answer, sent.elapsed());
        }
        told
    }));
    each.await
        .into_iter()
        .fold(Told::default(), |mut all, told| {
            all.served.extend(told.served);
            all.refused.extend(told.refused);
            all.other.extend(told.other);
            all
        })
}

/// Requests that come at a rate.
async fn open(rate: f64, request: impl Fn() -> RequestBuilder) -> Told {
    let begun = Instant::now();
    let mut ticks = interval(Duration::from_millis(5));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut asked, mut asking, mut told) = (0.0, JoinSet::new(), Told::default());
    while begun.elapsed() < PHASE {
        ticks.tick().await;
        while asked < begun.elapsed().as_secs_f64() * rate {
            asked += 1.0;
            while let Some(ended) = asking.try_join_next() {
                let (answer, time) = ended.unwrap();
                told.take(answer, time);
            }
            // A caller has so many connections and no more; what finds none is not sent.
            if asking.len() >= CONNECTIONS {
                told.unsent += 1;
                continue;
            }
            let request = request();
            asking.spawn(async move {
                let sent = Instant::now();
                (send(request).await, sent.elapsed())
            });
        }
    }
    for (answer, time) in asking.join_all().await {
        told.take(answer, time);
    }
    told
}

#[tokio::main]
async fn main() {
    let app = TestApp::start(Store::Postgres).await;
    let client = Client::builder().no_proxy().build().unwrap();
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
        let mut peak = closed(16, request).await;
        let rate = peak.served.len() as f64 / PHASE.as_secs_f64();
        peak.show(&format!("{kind}, 16 clients"), PHASE);
        let mut over = open(rate * FACTOR, request).await;
        over.show(&format!("{kind}, {FACTOR} times as many"), PHASE);
    }
    app.stop().await;
}
