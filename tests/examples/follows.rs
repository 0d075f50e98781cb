//! Measures relationships: what it costs that a thousand follow one and the same user at once, and how fast a platform's
//! graph moves in.
//!
//!     make follows
//!     make follows GRAPH=edges.txt
//!
//! `GRAPH` names a file with two numbers a line: who follows, and who is followed. Without it a graph is made in which the
//! more follow somebody, the likelier others do. Its counts are compared with the file's.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a program for people, over figures of a few digits"
)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use user_tests::{API_TOKEN, Store, TestApp};

const FOLLOWERS: usize = 1000;
const AT_ONCE: usize = 64;
const ROUNDS: usize = 7;
/// The graph that is made where none is given.
const MADE_USERS: usize = 20_000;
const MADE_EDGES: usize = 300_000;

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn call(app: &TestApp, put: bool, follower: &str, target: &str) -> Duration {
    let path = format!("/v1/users/{follower}/following/{target}");
    let method = if put { "PUT" } else { "DELETE" };
    let begun = Instant::now();
    loop {
        let request = app
            .client
            .request(method.parse().unwrap(), app.url(&path))
            .bearer_auth(API_TOKEN);
        match request.send().await.unwrap().status().as_u16() {
            204 => return begun.elapsed(),
            503 => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other}"),
        }
    }
}

/// Makes all these changes, so many at once, and gives how many a second.
async fn pace(app: &TestApp, put: bool, edges: &[(String, String)]) -> f64 {
    let begun = Instant::now();
    stream::iter(edges)
        .map(|(follower, target)| call(app, put, follower, target))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    edges.len() as f64 / begun.elapsed().as_secs_f64()
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
    let (mut apart, mut together, mut ratios) = (vec![], vec![], vec![]);
    for round in 0..=ROUNDS {
        let alone = pace(app, true, &unrelated).await;
        pace(app, false, &unrelated).await;
        let crowd = pace(app, true, &one).await;
        pace(app, false, &one).await;
        // The first round warms up.
        if round > 0 {
            apart.push(alone);
            together.push(crowd);
            ratios.push(alone / crowd);
        }
    }
    println!("{FOLLOWERS} follows, {AT_ONCE} at once, medians of {ROUNDS} rounds in turns");
    println!("  of as many users  {:>7.0}/s", median(&mut apart));
    println!("  of one user       {:>7.0}/s", median(&mut together));
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
    let mut ends: Vec<usize> = (0..MADE_USERS).collect();
    (0..MADE_EDGES)
        .map(|_| {
            let follower = random.random_range(0..MADE_USERS);
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

async fn moving_in(app: &TestApp) {
    let edges = graph();
    let numbers: HashSet<u64> = edges.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let users = register(app, "member", numbers.len()).await;
    let ids: HashMap<u64, &String> = numbers.into_iter().zip(&users).collect();
    let named: Vec<Value> = edges
        .iter()
        .map(|(from, to)| json!({"follower": ids[from], "target": ids[to]}))
        .collect();
    let begun = Instant::now();
    let mut statuses: BTreeMap<u64, usize> = BTreeMap::new();
    let done = stream::iter(named.chunks(1000))
        .map(async |part| post(app, "/v1/relationships/batch", &json!({ "edges": part })).await)
        .buffer_unordered(4)
        .collect::<Vec<_>>()
        .await;
    let taken = begun.elapsed();
    for result in done
        .iter()
        .flat_map(|done| done["results"].as_array().unwrap())
    {
        *statuses
            .entry(result["status"].as_u64().unwrap())
            .or_default() += 1;
    }
    println!(
        "{} edges of {} users in {taken:.1?}: {:.0}/s, by status {statuses:?}",
        edges.len(),
        users.len(),
        edges.len() as f64 / taken.as_secs_f64()
    );
    let once: HashSet<(u64, u64)> = edges.into_iter().filter(|(from, to)| from != to).collect();
    let mut expected: HashMap<&str, (u64, u64)> = HashMap::new();
    for (from, to) in &once {
        expected.entry(ids[to]).or_default().0 += 1;
        expected.entry(ids[from]).or_default().1 += 1;
    }
    let begun = Instant::now();
    let mut wrong = 0;
    for part in users.chunks(500) {
        let shown = post(
            app,
            "/v1/users/batch?include=counts",
            &json!({ "ids": part }),
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
        once.len(),
        users.len(),
        begun.elapsed()
    );
    assert_eq!(wrong, 0);
}

#[tokio::main]
async fn main() {
    let app = TestApp::start(Store::Postgres).await;
    celebrity(&app).await;
    moving_in(&app).await;
    app.stop().await;
}
