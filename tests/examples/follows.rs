//! Measures relationships: the cost of 1000 users that follow one user at once, and the time to import the graph of a
//! platform.
//!
//!     make follows
//!     make follows GRAPH=edges.txt
//!
//! `GRAPH` names a file with two numbers per line: the follower and the followed user. Without it, a graph is generated
//! in which users with many followers are more likely to get another one. The counts of the service are compared with
//! those of the graph.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a command-line tool with small numbers"
)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use user_tests::{API_TOKEN, Store, TestApp};

const FOLLOWERS: usize = 1000;
const CONCURRENCY: usize = 64;
const ROUNDS: usize = 7;
/// The size of the generated graph, if `GRAPH` is not set.
const GENERATED_USERS: usize = 20_000;
const GENERATED_EDGES: usize = 300_000;

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn call(app: &TestApp, put: bool, follower: &str, target: &str) -> Duration {
    let path = format!("/v1/users/{follower}/following/{target}");
    let method = if put { "PUT" } else { "DELETE" };
    let started = Instant::now();
    loop {
        let request = app
            .client
            .request(method.parse().unwrap(), app.url(&path))
            .bearer_auth(API_TOKEN);
        match request.send().await.unwrap().status().as_u16() {
            204 => return started.elapsed(),
            503 => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other}"),
        }
    }
}

/// Changes all these edges, `CONCURRENCY` at a time, and returns the number of changes per second.
async fn change_rate(app: &TestApp, put: bool, edges: &[(String, String)]) -> f64 {
    let started = Instant::now();
    stream::iter(edges)
        .map(|(follower, target)| call(app, put, follower, target))
        .buffer_unordered(CONCURRENCY)
        .collect::<Vec<_>>()
        .await;
    edges.len() as f64 / started.elapsed().as_secs_f64()
}

async fn register(app: &TestApp, prefix: &str, number: usize) -> Vec<String> {
    stream::iter(0..number)
        .map(async |n| {
            app.register(&format!("{prefix}{n}")).await["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .buffered(16)
        .collect()
        .await
}

async fn celebrity(app: &TestApp) {
    let followers = register(app, "follower", FOLLOWERS).await;
    let targets = register(app, "target", FOLLOWERS).await;
    let pairs = |target: &dyn Fn(usize) -> String| -> Vec<(String, String)> {
        let followers = followers.iter().enumerate();
        followers.map(|(n, id)| (id.clone(), target(n))).collect()
    };
    let unrelated = pairs(&|n| targets[n].clone());
    let one = pairs(&|_| targets[0].clone());
    let (mut spread_rates, mut crowd_rates, mut ratios) = (vec![], vec![], vec![]);
    for round in 0..=ROUNDS {
        let spread = change_rate(app, true, &unrelated).await;
        change_rate(app, false, &unrelated).await;
        let crowd = change_rate(app, true, &one).await;
        change_rate(app, false, &one).await;
        // The first round warms up.
        if round > 0 {
            spread_rates.push(spread);
            crowd_rates.push(crowd);
            ratios.push(spread / crowd);
        }
    }
    println!(
        "{FOLLOWERS} follows, {CONCURRENCY} concurrently, medians of {ROUNDS} alternating rounds"
    );
    println!("  of as many users  {:>7.0}/s", median(&mut spread_rates));
    println!("  of one user       {:>7.0}/s", median(&mut crowd_rates));
    println!("  cost of the crowd {:>7.2}x", median(&mut ratios));
}

fn graph() -> Vec<(u64, u64)> {
    if let Some(path) = std::env::var("GRAPH").ok().filter(|path| !path.is_empty()) {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with(['#', '%']));
        let edges = lines.filter_map(|line| {
            let mut ends = line
                .split([' ', '\t', ','])
                .filter_map(|end| end.parse().ok());
            Some((ends.next()?, ends.next()?))
        });
        return edges.collect();
    }
    let mut random = StdRng::seed_from_u64(1);
    let mut ends: Vec<usize> = (0..GENERATED_USERS).collect();
    (0..GENERATED_EDGES)
        .map(|_| {
            let follower = random.random_range(0..GENERATED_USERS);
            let target = ends[random.random_range(0..ends.len())];
            ends.push(target);
            (follower as u64, target as u64)
        })
        .collect()
}

async fn post(app: &TestApp, path: &str, body: &Value) -> Value {
    loop {
        let reply = app.service().post(path, body).await;
        if reply.status == 200 {
            return reply.json;
        }
        assert_eq!(reply.status, 503, "{}", reply.text);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn import_graph(app: &TestApp) {
    let edges = graph();
    let numbers: HashSet<u64> = edges.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let users = register(app, "member", numbers.len()).await;
    let ids: HashMap<u64, &String> = numbers.into_iter().zip(&users).collect();
    let named: Vec<Value> = edges
        .iter()
        .map(|(from, to)| json!({"follower": ids[from], "target": ids[to]}))
        .collect();
    let started = Instant::now();
    let mut statuses: BTreeMap<u64, usize> = BTreeMap::new();
    let done = stream::iter(named.chunks(1000))
        .map(async |chunk| post(app, "/v1/relationships/batch", &json!({ "edges": chunk })).await)
        .buffer_unordered(4)
        .collect::<Vec<_>>()
        .await;
    let duration = started.elapsed();
    for result in done
        .iter()
        .flat_map(|done| done["results"].as_array().unwrap())
    {
        *statuses
            .entry(result["status"].as_u64().unwrap())
            .or_default() += 1;
    }
    println!(
        "{} edges of {} users in {duration:.1?}: {:.0}/s, by status {statuses:?}",
        edges.len(),
        users.len(),
        edges.len() as f64 / duration.as_secs_f64()
    );
    let distinct: HashSet<(u64, u64)> = edges.into_iter().filter(|(from, to)| from != to).collect();
    let mut expected: HashMap<&str, (u64, u64)> = HashMap::new();
    for (from, to) in &distinct {
        expected.entry(ids[to]).or_default().0 += 1;
        expected.entry(ids[from]).or_default().1 += 1;
    }
    let started = Instant::now();
    let mut wrong = 0;
    for chunk in users.chunks(500) {
        let shown = post(
            app,
            "/v1/users/batch?include=counts",
            &json!({ "ids": chunk }),
        )
        .await;
        for user in shown["users"].as_array().unwrap() {
            let counts = &user["counts"];
            let found = (
                counts["followers"].as_u64().unwrap(),
                counts["following"].as_u64().unwrap(),
            );
            wrong += usize::from(
                found
                    != expected
                        .get(user["id"].as_str().unwrap())
                        .copied()
                        .unwrap_or_default(),
            );
        }
    }
    println!(
        "{} different edges; counts of {} users read in {:.1?}, {wrong} of them wrong",
        distinct.len(),
        users.len(),
        started.elapsed()
    );
    assert_eq!(wrong, 0);
}

#[tokio::main]
async fn main() {
    let app = TestApp::start(Store::Postgres).await;
    celebrity(&app).await;
    import_graph(&app).await;
    app.stop().await;
}
