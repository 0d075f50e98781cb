//! Kills the primary PostgreSQL server again and again, and checks what clients of two replicas saw.
//!
//!     make failover
//!     KILLS=3 make failover
//!
//! Patroni manages three servers with synchronous replication. Each writer repeats a write with its `Idempotency-Key`
//! until it is acknowledged. In the end, each acknowledged write must be in the database, once. Readers read users that
//! are cached, and lists, which need the database.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a command-line tool"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Client, Method};
use sea_orm::sqlx::{Connection, PgConnection, Row, query};
use serde_json::{Value, json};
use tokio::time::sleep;
use user_tests::{
    API_TOKEN, PATRONI_TTL, PatroniCluster, RedisServer, ServiceProcess, http_client,
};
use uuid::Uuid;

const SERVERS: usize = 3;
const REPLICAS: usize = 2;
const WRITERS: usize = 8;
/// The maximum time without an acknowledged write.
const MAX_GAP: Duration = PATRONI_TTL.saturating_add(Duration::from_secs(5));
/// The age of a write from which every replica must show it.
const MAX_STALENESS: Duration = Duration::from_secs(1);
/// The time between two requests of one client.
const PAUSE: Duration = Duration::from_millis(20);

/// What all clients saw.
#[derive(Default)]
struct Observations {
    /// When writes were acknowledged.
    acknowledged: Mutex<Vec<Instant>>,
    /// The responses since the last kill, by kind of request and status.
    responses: Mutex<BTreeMap<(&'static str, String), u64>>,
    slowest: Mutex<BTreeMap<&'static str, Duration>>,
    violations: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Observations {
    fn count(&self, kind: &'static str, status: String, time: Duration) {
        *self
            .responses
            .lock()
            .unwrap()
            .entry((kind, status))
            .or_default() += 1;
        let mut slowest = self.slowest.lock().unwrap();
        let slowest = slowest.entry(kind).or_default();
        *slowest = time.max(*slowest);
    }

    fn report(&self, violation: String) {
        println!("VIOLATION: {violation}");
        self.violations.lock().unwrap().push(violation);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// The longest time without an acknowledged write that ended after this moment.
    fn longest_gap(&self, since: Instant) -> Duration {
        let all = self.acknowledged.lock().unwrap();
        let pairs = all.windows(2).filter(|pair| pair[1] > since);
        pairs
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap_or_default()
    }
}

/// A user that one writer changes, with the versions that were acknowledged.
struct WrittenUser {
    id: String,
    acknowledged: Mutex<Vec<(Instant, i64)>>,
}

struct Clients {
    http: Client,
    replicas: Vec<String>,
    seen: Observations,
    users: Vec<WrittenUser>,
    /// Users that do not change.
    unchanged: Vec<String>,
}

impl Clients {
    async fn send(
        &self,
        replica: usize,
        kind: &'static str,
        (method, path): (Method, &str),
        body: Option<(&str, &Value)>,
    ) -> Option<(u16, Value)> {
        let url = format!("{}{path}", self.replicas[replica % REPLICAS]);
        let request = self
            .http
            .request(method, url)
            .timeout(Duration::from_secs(10));
        let mut request = request.bearer_auth(API_TOKEN);
        if let Some((key, body)) = body {
            request = request.header("idempotency-key", key).json(body);
        }
        let started = Instant::now();
        let response = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>((status, response.json().await.unwrap_or_default()))
        };
        let response = response.await;
        let status = response
            .as_ref()
            .map_or("none".to_owned(), |(status, _)| status.to_string());
        self.seen.count(kind, status, started.elapsed());
        response.ok()
    }

    /// Repeats a write on alternating replicas until it is acknowledged.
    async fn write(&self, method: Method, path: &str, body: &Value) -> Value {
        let key = format!("{:032x}", rand::random::<u128>());
        for attempt in 0.. {
            let request = (method.clone(), path);
            match self
                .send(attempt, "write", request, Some((&key, body)))
                .await
            {
                Some((200 | 201, body)) => {
                    self.seen.acknowledged.lock().unwrap().push(Instant::now());
                    return body;
                }
                None | Some((503 | 504, _)) => {}
                Some((status, body)) => {
                    self.seen
                        .report(format!("a write was answered by {status} {body}"));
                    return body;
                }
            }
            sleep(PAUSE * 5).await;
        }
        Value::Null
    }

    async fn create(&self, name: &str) -> String {
        let body = json!({"username": name, "email": format!("{name}@example.org")});
        let user = self.write(Method::POST, "/v1/users", &body).await;
        user["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Creates users and changes one until the end. Returns the ids of the created ones.
    async fn write_until_the_end(&self, number: usize) -> Vec<Uuid> {
        let user = &self.users[number];
        let (path, mut version) = (format!("/v1/users/{}", user.id), 1);
        let mut created = Vec::new();
        for n in 0.. {
            if self.seen.is_over() {
                break;
            }
            if n % 3 == 0 {
                let id = self.create(&format!("created{number}x{n}")).await;
                created.extend(Uuid::parse_str(&id));
            } else {
                let body = json!({"profile": {"name": format!("Name {n}")}});
                let changed = self.write(Method::PATCH, &path, &body).await;
                version += 1;
                if changed["version"] != version {
                    self.seen.report(format!(
                        "version {} instead of {version}",
                        changed["version"]
                    ));
                    version = changed["version"].as_i64().unwrap_or(version);
                }
                user.acknowledged
                    .lock()
                    .unwrap()
                    .push((Instant::now(), version));
            }
            sleep(PAUSE).await;
        }
        created
    }

    /// Reads users until the end: those that do not change, which are cached, and those that do.
    async fn read_until_the_end(&self, replica: usize) {
        while !self.seen.is_over() {
            for (user, id) in self.users.iter().zip(&self.unchanged) {
                let path = format!("/v1/users/{id}");
                self.send(replica, "cached read", (Method::GET, &path), None)
                    .await;
                let started = Instant::now();
                let path = format!("/v1/users/{}", user.id);
                let reply = self
                    .send(replica, "changing read", (Method::GET, &path), None)
                    .await;
                let Some((200, body)) = reply else { continue };
                self.check_version(user, &body, started);
                sleep(PAUSE).await;
            }
        }
    }

    /// Reports a response that is older than the bound.
    fn check_version(&self, user: &WrittenUser, body: &Value, started: Instant) {
        let acknowledged = user.acknowledged.lock().unwrap();
        let mut known = acknowledged.iter().rev();
        let expected = known.find(|(at, _)| *at + MAX_STALENESS < started);
        if let Some((at, expected)) = expected
            && body["version"].as_i64() < Some(*expected)
        {
            let (seen, age) = (&body["version"], started - *at);
            self.seen
                .report(format!("{seen} instead of {expected}, {age:?} later"));
        }
    }

    /// Lists users, which needs the database, until the end.
    async fn list_until_the_end(&self, replica: usize) {
        while !self.seen.is_over() {
            self.send(replica, "list", (Method::GET, "/v1/users?limit=1"), None)
                .await;
            sleep(PAUSE * 5).await;
        }
    }

    /// Checks that the database has each acknowledged write once.
    async fn check(&self, url: &str, created: &[Uuid]) {
        let mut db = PgConnection::connect(url).await.unwrap();
        let sql = "SELECT count(*) FILTER (WHERE id = ANY ($1)), count(*) FROM users";
        let row = query(sql).bind(created).fetch_one(&mut db).await.unwrap();
        let (found, all): (i64, i64) = (row.get(0), row.get(1));
        if (found, all)
            != (
                count(created.len()),
                count(created.len() + self.users.len() + self.unchanged.len()),
            )
        {
            self.seen.report(format!(
                "{found} of {} creations, {all} users",
                created.len()
            ));
        }
        for user in &self.users {
            let sql = "SELECT (SELECT version FROM users WHERE id = $1), count(*) FROM events
                WHERE subject_kind = 'user' AND subject_id = $1";
            let id = Uuid::parse_str(&user.id).unwrap();
            let row = query(sql).bind(id).fetch_one(&mut db).await.unwrap();
            let acknowledged = user.acknowledged.lock().unwrap();
            let expected = acknowledged.last().map_or(1, |(_, version)| *version);
            let stored: (Option<i64>, i64) = (row.get(0), row.get(1));
            if stored != (Some(expected), expected) {
                self.seen.report(format!(
                    "version and events are {stored:?} instead of {expected}"
                ));
            }
        }
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let patroni = PathBuf::from(std::env::var("TEST_PATRONI").unwrap());
    let kills = std::env::var("KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(20);
    let servers = PatroniCluster::start(&patroni, SERVERS).await;
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (url, redis_url) = (servers.url(), redis.url());
    let settings = [("REDIS_URL", redis_url.as_str())];
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(ServiceProcess::serve(folder.path(), &url, &settings).await);
    }
    let http = http_client();
    let mut clients = Clients {
        http,
        replicas: replicas.iter().map(|replica| replica.url("")).collect(),
        seen: Observations::default(),
        users: Vec::new(),
        unchanged: Vec::new(),
    };
    for number in 0..WRITERS {
        clients.users.push(WrittenUser {
            id: clients.create(&format!("writer{number}")).await,
            acknowledged: Mutex::default(),
        });
        let unchanged = clients.create(&format!("unchanged{number}")).await;
        clients.unchanged.push(unchanged);
    }

    let clients = Arc::new(clients);
    let spawned = |number: usize| {
        let clients = clients.clone();
        tokio::spawn(async move { clients.write_until_the_end(number).await })
    };
    let writers: Vec<_> = (0..WRITERS).map(spawned).collect();
    let readers: Vec<_> = (0..REPLICAS)
        .map(|replica| {
            let clients = clients.clone();
            tokio::spawn(async move {
                tokio::join!(
                    clients.read_until_the_end(replica),
                    clients.list_until_the_end(replica)
                );
            })
        })
        .collect();

    let mut longest = Duration::ZERO;
    for kill in 1..=kills {
        let primary = servers.wait_until_synchronous().await;
        sleep(Duration::from_secs(2)).await;
        clients.seen.responses.lock().unwrap().clear();
        clients.seen.slowest.lock().unwrap().clear();
        let killed = Instant::now();
        servers.kill(primary);
        while clients.seen.acknowledged.lock().unwrap().last()
            < Some(&(killed + Duration::from_secs(1)))
        {
            sleep(PAUSE).await;
        }
        let gap = clients.seen.longest_gap(killed);
        longest = longest.max(gap);
        let responses = clients.seen.responses.lock().unwrap().clone();
        let slowest = clients.seen.slowest.lock().unwrap().clone();
        println!(
            "kill {kill} of server {primary}: {:.1} s without a write; {responses:?}; slowest {slowest:?}",
            gap.as_secs_f64()
        );
        servers.run(&patroni, primary);
    }
    let primary = servers.wait_until_synchronous().await;
    clients.seen.is_over.store(true, Ordering::Relaxed);
    let created = join_all(writers).await.into_iter().flat_map(Result::unwrap);
    let created: Vec<Uuid> = created.collect();
    join_all(readers).await;
    clients.check(&servers.url_of(primary), &created).await;

    let acknowledged = clients.seen.acknowledged.lock().unwrap().len();
    let violations = clients.seen.violations.lock().unwrap().len();
    println!(
        "{acknowledged} writes acknowledged, {violations} violations, longest gap {:.1} s (at most {} s)",
        longest.as_secs_f64(),
        MAX_GAP.as_secs()
    );
    assert!(violations == 0 && longest <= MAX_GAP, "a promise is broken");
}
