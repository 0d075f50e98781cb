//! Measures logins: how a flood of them slows cached reads, and whether the time of a refusal reveals its reason.
//!
//!     make logins
//!
//! Reads are sent at a fixed rate, whether or not earlier ones are answered. Rounds without logins alternate with
//! rounds in which 64 clients log in continuously. The kinds of refusals are measured alternately, so that other load
//! on the machine affects all of them equally.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a command-line tool with small numbers"
)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use user_tests::{API_TOKEN, Store, TestApp, claims, sign};

const PASSWORD: &str = "correct horse battery staple";
/// The Argon2id parameters of a release.
const COSTS: [(&str, &str); 2] = [("ARGON2_MEMORY_KIB", "19456"), ("ARGON2_ITERATIONS", "2")];
const ROUNDS: usize = 5;
const PHASE: Duration = Duration::from_secs(4);
const READS_PER_SECOND: f64 = 400.0;
const LOGIN_CLIENTS: usize = 64;
/// The number of measurements of each kind of refusal.
const ATTEMPTS: usize = 600;
/// A bcrypt hash with cost 10, as an older platform would have created it.
const BCRYPT: &str = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    let place = (times.len().saturating_sub(1) as f64 * share) as usize;
    times.get(place).map_or(0.0, Duration::as_secs_f64) * 1000.0
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn login(app: &TestApp, identifier: &str, password: &str) -> RequestBuilder {
    app.client
        .post(app.url("/v1/credentials/verify"))
        .bearer_auth(API_TOKEN)
        .json(&json!({"identifier": identifier, "password": password}))
}

async fn status(request: RequestBuilder) -> u16 {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    response.bytes().await.unwrap();
    status
}

async fn create_user(app: &TestApp, name: &str, more: Value) -> String {
    let mut body = json!({"username": name, "email": format!("{name}@example.org")});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let created = app.service().post("/v1/users", &body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    created.id().to_owned()
}

/// Sends reads at the fixed rate, and returns the duration of each.
async fn reads(app: &TestApp, token: &str) -> Vec<Duration> {
    let started = Instant::now();
    let mut ticks = interval(Duration::from_micros(2500));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut sent, mut pending) = (0.0, JoinSet::new());
    while started.elapsed() < PHASE {
        ticks.tick().await;
        while sent < started.elapsed().as_secs_f64() * READS_PER_SECOND {
            sent += 1.0;
            let request = app.client.get(app.url("/v1/users/me")).bearer_auth(token);
            pending.spawn(async move {
                let start = Instant::now();
                assert_eq!(status(request).await, 200);
                start.elapsed()
            });
        }
    }
    pending.join_all().await
}

/// Logs in with `LOGIN_CLIENTS` clients until `is_active` is false.
async fn log_in_continuously(
    app: &TestApp,
    is_active: &AtomicBool,
    answered: &AtomicU64,
    refused: &AtomicU64,
) {
    join_all((0..LOGIN_CLIENTS).map(async |number| {
        let mut round = 0;
        while is_active.load(Ordering::Relaxed) {
            round += 1;
            let identifier = format!("stranger{number}.{round}");
            match status(login(app, &identifier, PASSWORD)).await {
                401 => answered.fetch_add(1, Ordering::Relaxed),
                503 => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    // The time in `Retry-After`.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                other => panic!("{other}"),
            };
        }
    }))
    .await;
}

async fn measure_reads_during_logins() {
    let app = TestApp::start_with(Store::Postgres, &COSTS).await;
    let id = create_user(&app, "reader", json!({})).await;
    let token = sign(&claims(&id));
    reads(&app, &token).await;
    let (mut idle_p99, mut busy_p99, mut idle_p50, mut busy_p50) = (vec![], vec![], vec![], vec![]);
    let (answered, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    for _ in 0..ROUNDS {
        let mut idle = reads(&app, &token).await;
        let is_active = AtomicBool::new(true);
        let (mut busy, ()) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let times = reads(&app, &token).await;
                is_active.store(false, Ordering::Relaxed);
                times
            },
            log_in_continuously(&app, &is_active, &answered, &refused),
        );
        idle_p50.push(quantile(&mut idle, 0.5));
        busy_p50.push(quantile(&mut busy, 0.5));
        idle_p99.push(quantile(&mut idle, 0.99));
        busy_p99.push(quantile(&mut busy, 0.99));
    }
    let seconds = (PHASE.as_secs_f64() + 0.2) * ROUNDS as f64;
    println!(
        "cached reads, {READS_PER_SECOND}/s, medians of {ROUNDS} alternating rounds   p50 ms   p99 ms"
    );
    let (idle, busy) = (median(&mut idle_p99), median(&mut busy_p99));
    println!(
        "no logins                                                 {:>8.2} {idle:>8.2}",
        median(&mut idle_p50)
    );
    println!(
        "64 clients log in and respect Retry-After                 {:>8.2} {busy:>8.2}",
        median(&mut busy_p50)
    );
    println!("p99, ratio of the medians: {:.2}", busy / idle);
    println!(
        "logins: {:.0}/s verified, {:.0}/s refused with 503\n",
        answered.load(Ordering::Relaxed) as f64 / seconds,
        refused.load(Ordering::Relaxed) as f64 / seconds,
    );
    app.stop().await;
}

/// The probability that a duration of the first list is longer than one of the second. 0.5 means that the durations do
/// not distinguish the two.
fn longer(first: &[Duration], second: &[Duration]) -> f64 {
    let wins: usize = first
        .iter()
        .map(|one| second.iter().filter(|other| one > *other).count())
        .sum();
    wins as f64 / (first.len() * second.len()) as f64
}

async fn measure_refusals() {
    let app = TestApp::start_with(Store::Postgres, &COSTS).await;
    // Half of the users come from an older platform. Verifying its hashes takes more than twice as long.
    for number in 0..64 {
        let more = match number % 2 {
            0 => json!({"password": PASSWORD}),
            _ => json!({"password_hash": BCRYPT}),
        };
        create_user(&app, &format!("resident{number}"), more).await;
    }
    create_user(&app, "locked", json!({"password": PASSWORD})).await;
    for _ in 0..12 {
        status(login(&app, "locked", "wrong")).await;
    }
    let suspended = create_user(&app, "sleeper", json!({"password": PASSWORD})).await;
    app.service()
        .post_empty(&format!("/v1/users/{suspended}/suspend"), &[])
        .await;
    create_user(&app, "plain", json!({})).await;
    app.composition().sample_passwords().await.unwrap();
    let names = [
        "wrong password",
        "unknown",
        "locked",
        "suspended",
        "no password",
        "wrong, older hash",
    ];
    let mut times: [Vec<Duration>; 6] = Default::default();
    let mut random = StdRng::seed_from_u64(1);
    for round in 0..ATTEMPTS {
        let (own, old) = (
            format!("resident{}", round * 2 % 64),
            format!("resident{}", round * 2 % 64 + 1),
        );
        let unknown = format!("unknown{round}");
        let attempts = [own.as_str(), &unknown, "locked", "sleeper", "plain", &old];
        // The previous request affects the CPU caches, so the order is random: each kind follows each other kind.
        let mut order: Vec<usize> = (0..attempts.len()).collect();
        order.shuffle(&mut random);
        for place in order {
            let started = Instant::now();
            assert_eq!(status(login(&app, attempts[place], "wrong")).await, 401);
            times[place].push(started.elapsed());
        }
    }
    println!(
        "refusals, {ATTEMPTS} of each kind, alternating; half of the users have an older, slower hash"
    );
    println!(
        "                              p50 ms   p90 ms   longer than: wrong   wrong of any hash"
    );
    let own = times[0].clone();
    let any: Vec<Duration> = times[0].iter().chain(&times[5]).copied().collect();
    for (name, times) in names.iter().zip(&mut times) {
        let shares = (longer(times, &own), longer(times, &any));
        println!(
            "{name:<28} {:>8.2} {:>8.2} {:>20.3} {:>19.3}",
            quantile(times, 0.5),
            quantile(times, 0.9),
            shares.0,
            shares.1
        );
    }
    app.stop().await;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    measure_reads_during_logins().await;
    measure_refusals().await;
}
