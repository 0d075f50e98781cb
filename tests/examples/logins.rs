//! Measures logins: what a storm of them leaves to cached reads, and whether the time of a refusal tells its reason.
//!
//!     make logins
//!
//! Reads come at a rate, whether or not earlier ones are answered, while nobody logs in and while 64 clients do nothing else,
//! in turns. Refusals are measured turn by turn, so that whatever slows the machine down slows all kinds of them alike.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program for people, over figures of a few digits"
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
/// The costs of a release.
const COSTS: [(&str, &str); 2] = [("ARGON2_MEMORY_KIB", "19456"), ("ARGON2_ITERATIONS", "2")];
const ROUNDS: usize = 5;
const PHASE: Duration = Duration::from_secs(4);
const READS_A_SECOND: f64 = 400.0;
const STORM: usize = 64;
/// How often each kind of refusal is measured.
const TRIES: usize = 600;
/// A hash of ten rounds, as an older platform made it.
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
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    answer.bytes().await.unwrap();
    status
}

async fn make(app: &TestApp, name: &str, more: Value) -> String {
    let mut body = json!({"username": name, "email": format!("{name}@example.org")});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let made = app.service().post("/v1/users", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.id().to_owned()
}

/// Reads at the rate, and gives how long each took.
async fn reads(app: &TestApp, token: &str) -> Vec<Duration> {
    let begun = Instant::now();
    let mut ticks = interval(Duration::from_micros(2500));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut asked, mut asking) = (0.0, JoinSet::new());
    while begun.elapsed() < PHASE {
        ticks.tick().await;
        while asked < begun.elapsed().as_secs_f64() * READS_A_SECOND {
            asked += 1.0;
            let request = app.client.get(app.url("/v1/users/me")).bearer_auth(token);
            asking.spawn(async move {
                let sent = Instant::now();
                assert_eq!(status(request).await, 200);
                sent.elapsed()
            });
        }
    }
    asking.join_all().await
}

/// Logs in with as many clients as a storm has, until it is told to end.
async fn storm(app: &TestApp, goes_on: &AtomicBool, answered: &AtomicU64, refused: &AtomicU64) {
    join_all((0..STORM).map(async |number| {
        let mut round = 0;
        while goes_on.load(Ordering::Relaxed) {
            round += 1;
            let stranger = format!("stranger{number}.{round}");
            match status(login(app, &stranger, PASSWORD)).await {
                401 => answered.fetch_add(1, Ordering::Relaxed),
                503 => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    // As `Retry-After` says.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                other => panic!("{other}"),
            };
        }
    }))
    .await;
}

async fn storms() {
    let app = TestApp::start_with(Store::Postgres, &COSTS).await;
    let id = make(&app, "reader", json!({})).await;
    let token = sign(&claims(&id));
    reads(&app, &token).await;
    let (mut idle_p99, mut storm_p99, mut idle_p50, mut storm_p50) =
        (vec![], vec![], vec![], vec![]);
    let (answered, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    for _ in 0..ROUNDS {
        let mut idle = reads(&app, &token).await;
        let goes_on = AtomicBool::new(true);
        let (mut stormy, ()) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let times = reads(&app, &token).await;
                goes_on.store(false, Ordering::Relaxed);
                times
            },
            storm(&app, &goes_on, &answered, &refused),
        );
        idle_p50.push(quantile(&mut idle, 0.5));
        storm_p50.push(quantile(&mut stormy, 0.5));
        idle_p99.push(quantile(&mut idle, 0.99));
        storm_p99.push(quantile(&mut stormy, 0.99));
    }
    let seconds = (PHASE.as_secs_f64() + 0.2) * ROUNDS as f64;
    println!(
        "cached reads, {READS_A_SECOND}/s, medians of {ROUNDS} rounds in turns   p50 ms   p99 ms"
    );
    let (idle, stormy) = (median(&mut idle_p99), median(&mut storm_p99));
    println!(
        "nobody logs in                                            {:>8.2} {idle:>8.2}",
        median(&mut idle_p50)
    );
    println!(
        "64 clients log in and wait as they are told to            {:>8.2} {stormy:>8.2}",
        median(&mut storm_p50)
    );
    println!("p99, ratio of the medians: {:.2}", stormy / idle);
    println!(
        "logins: {:.0}/s compared, {:.0}/s refused with 503\n",
        answered.load(Ordering::Relaxed) as f64 / seconds,
        refused.load(Ordering::Relaxed) as f64 / seconds,
    );
    app.stop().await;
}

/// How often something of the first takes longer than something of the second; 0.5 where nothing tells them apart.
fn longer(first: &[Duration], second: &[Duration]) -> f64 {
    let wins: usize = first
        .iter()
        .map(|one| second.iter().filter(|other| one > *other).count())
        .sum();
    wins as f64 / (first.len() * second.len()) as f64
}

async fn refusals() {
    let app = TestApp::start_with(Store::Postgres, &COSTS).await;
    // Half of the users come from an older platform, whose hashes take twice as long and more.
    for number in 0..64 {
        let more = match number % 2 {
            0 => json!({"password": PASSWORD}),
            _ => json!({"password_hash": BCRYPT}),
        };
        make(&app, &format!("resident{number}"), more).await;
    }
    make(&app, "locked", json!({"password": PASSWORD})).await;
    for _ in 0..12 {
        status(login(&app, "locked", "wrong")).await;
    }
    let suspended = make(&app, "sleeper", json!({"password": PASSWORD})).await;
    app.service()
        .verb(&format!("/v1/users/{suspended}/suspend"), &[])
        .await;
    make(&app, "plain", json!({})).await;
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
    for round in 0..TRIES {
        let (own, old) = (
            format!("resident{}", round * 2 % 64),
            format!("resident{}", round * 2 % 64 + 1),
        );
        let unknown = format!("unknown{round}");
        let tries = [own.as_str(), &unknown, "locked", "sleeper", "plain", &old];
        // What comes before warms or cools the processor's caches: each kind comes after each.
        let mut order: Vec<usize> = (0..tries.len()).collect();
        order.shuffle(&mut random);
        for place in order {
            let begun = Instant::now();
            assert_eq!(status(login(&app, tries[place], "wrong")).await, 401);
            times[place].push(begun.elapsed());
        }
    }
    println!(
        "refusals, {TRIES} of each kind in turns; half of the users have an older, slower hash"
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
    storms().await;
    refusals().await;
}
