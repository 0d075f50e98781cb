//! Clients that read and write the same users through three replicas, and a record of their requests.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use user_tests::history::{Change, History, Limits, Outcome, Read, Seen, Verdict, Write};
use user_tests::{Cluster, Reply};

/// The number of replicas of a workload.
pub(super) const REPLICAS: usize = 3;
const USERS: usize = 20;
const CLIENTS: usize = 10;
/// The longest pause of a client between two requests, in milliseconds. Tests that run at the same time share the
/// processors, so clients without pauses would make no more requests.
const MAX_THINK_TIME_MS: u64 = 60;
/// The exponent of Zipf's law, by which some users are requested more often than others.
const SKEW: f64 = 1.1;
/// The most marks in the metadata of a user, which may have 16 KiB.
const MAX_PERMANENT_MARKS: u64 = 400;
/// Longer than the service may take for any request.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The users of a test, the requests of the clients, and the durations of their reads.
pub(super) struct Workload<'a> {
    cluster: &'a Cluster,
    /// All requests and responses, for the history checker.
    pub(super) history: History,
    start: Instant,
    seed: u64,
    users: Vec<TestUser>,
    /// The cumulative weights by which users are chosen.
    weights: Vec<f64>,
    marks: AtomicU64,
    is_stopped: AtomicBool,
    timed_reads: Mutex<Vec<TimedRead>>,
}

struct TestUser {
    id: String,
    username: String,
    permanent_marks: AtomicU64,
}

/// A successful read of one user.
#[derive(Clone, Copy)]
pub(super) struct TimedRead {
    /// When the request was sent.
    pub(super) begin: Instant,
    /// The time until the response.
    pub(super) took: Duration,
}

impl<'a> Workload<'a> {
    /// Registers the users. `CACHE_SEED` can set the seed.
    pub(super) async fn begin(cluster: &'a Cluster) -> Self {
        let seed = match std::env::var("CACHE_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => rand::random_range(0..1_000_000),
        };
        let mut sum = 0.0;
        let weights = (1..=USERS).map(|rank| {
            sum += f64::from(u32::try_from(rank).unwrap()).powf(-SKEW);
            sum
        });
        let mut workload = Self {
            cluster,
            history: History::new(),
            start: Instant::now(),
            seed,
            users: Vec::new(),
            weights: weights.collect(),
            marks: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
            timed_reads: Mutex::default(),
        };
        for number in 0..USERS {
            let user = workload.register(number).await;
            workload.users.push(user);
        }
        workload
    }

    /// The seed of all random choices. The schedule of the threads does not depend on it.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The start of the history.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    async fn register(&self, number: usize) -> TestUser {
        let (replica, mark) = (number % REPLICAS, self.mark());
        let username = format!("person{number}");
        let body = json!({
            "username": username,
            "email": format!("{username}@example.org"),
            "profile": {"bio": mark},
        });
        let begin = Instant::now();
        let service = self.cluster.replicas[replica].app.service();
        let reply = service.post("/v1/users", &body).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        self.history.record_write(Write {
            user: reply.id().to_owned(),
            replica,
            begin,
            end: Instant::now(),
            change: Change::SetsMark(mark),
            outcome: Outcome::from_status(reply.status, reply.version()),
        });
        TestUser {
            id: reply.id().to_owned(),
            username,
            permanent_marks: AtomicU64::new(0),
        }
    }

    /// Runs the clients for this time.
    pub(super) async fn run(&self, time: Duration) {
        let clock = async {
            sleep(time).await;
            self.stop();
        };
        tokio::join!(clock, self.run_until_stopped());
    }

    /// Runs the clients until [`Workload::stop`].
    pub(super) async fn run_until_stopped(&self) {
        join_all((0..CLIENTS).map(|client| self.run_client(client))).await;
    }

    /// Stops the clients after their current requests.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    async fn run_client(&self, client: usize) {
        let number = u64::try_from(client).unwrap();
        let mut random = StdRng::seed_from_u64(self.seed * 1000 + number);
        while !self.is_stopped.load(Ordering::Relaxed) {
            let user = self.random_user(&mut random);
            let replica = random.random_range(0..REPLICAS);
            match random.random_range(0..100) {
                0..65 => {
                    self.read(client, replica, user, &format!("/v1/users/{}", user.id))
                        .await;
                }
                65..78 => {
                    let path = format!("/v1/users/by-username/{}", user.username);
                    self.read(client, replica, user, &path).await;
                }
                78..85 => {
                    let users: Vec<&TestUser> =
                        (0..5).map(|_| self.random_user(&mut random)).collect();
                    self.read_batch(client, replica, &users).await;
                }
                _ => {
                    let is_permanent = random.random_bool(0.5);
                    self.write(replica, user, is_permanent).await;
                }
            }
            sleep(Duration::from_millis(
                random.random_range(0..MAX_THINK_TIME_MS),
            ))
            .await;
        }
    }

    fn random_user(&self, random: &mut StdRng) -> &TestUser {
        let total = self.weights.last().copied().unwrap();
        let chosen = random.random_range(0.0..total);
        &self.users[self.weights.partition_point(|sum| *sum <= chosen)]
    }

    fn request(&self, replica: usize, method: Method, path: &str) -> RequestBuilder {
        let service = self.cluster.replicas[replica].app.service();
        service.request(method, path)
    }

    async fn read(&self, client: usize, replica: usize, user: &TestUser, path: &str) {
        let request = self.request(replica, Method::GET, path);
        let seen = async {
            let begin = Instant::now();
            let reply = match send(request).await {
                Ok(reply) => reply,
                Err(reason) => return Seen::Failed(reason),
            };
            if reply.status == 200 {
                self.timed_reads().push(TimedRead {
                    begin,
                    took: begin.elapsed(),
                });
            }
            Seen::from_status(reply.status, reply.version(), marks_of(&reply.json))
        };
        self.history.read(&user.id, client, replica, seen).await;
    }

    async fn read_batch(&self, client: usize, replica: usize, users: &[&TestUser]) {
        let ids: Vec<&str> = users.iter().map(|user| user.id.as_str()).collect();
        let request = self.request(replica, Method::POST, "/v1/users/batch");
        let begin = Instant::now();
        let reply = send(request.json(&json!({ "ids": ids }))).await;
        let end = Instant::now();
        for (place, id) in ids.into_iter().enumerate() {
            let seen = match &reply {
                Ok(reply) if reply.status == 200 => seen_of(&reply.json["users"][place]),
                Ok(reply) => Seen::Failed(reply.status.to_string()),
                Err(reason) => Seen::Failed(reason.clone()),
            };
            let user = id.to_owned();
            self.history.record_read(Read {
                user,
                client,
                replica,
                begin,
                end,
                seen,
            });
        }
    }

    async fn write(&self, replica: usize, user: &TestUser, is_permanent: bool) {
        let mark = self.mark();
        let is_below_limit =
            || user.permanent_marks.fetch_add(1, Ordering::Relaxed) < MAX_PERMANENT_MARKS;
        let (change, body) = if is_permanent && is_below_limit() {
            let body = json!({"metadata": {"public": {(mark.clone()): 1}}});
            (Change::AddsMark(mark), body)
        } else {
            let body = json!({"profile": {"bio": mark}});
            (Change::SetsMark(mark), body)
        };
        let path = format!("/v1/users/{}", user.id);
        let request = self.request(replica, Method::PATCH, &path).json(&body);
        let outcome = async {
            match send(request).await {
                Ok(reply) => Outcome::from_status(reply.status, reply.version()),
                Err(reason) => Outcome::Unknown(reason),
            }
        };
        self.history.write(&user.id, replica, change, outcome).await;
    }

    /// Returns a text that no other write uses.
    fn mark(&self) -> String {
        format!("m{}", self.marks.fetch_add(1, Ordering::Relaxed))
    }

    /// Records the final state of the users in the database, and checks the history.
    pub(super) async fn check(&self, limits: &Limits) -> Verdict {
        let owner = self.cluster.owner().service();
        for user in &self.users {
            let path = format!("/v1/users/{}", user.id);
            let current = [("Cache-Control", "no-cache")];
            let reply = owner.get_with(&path, &current).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            self.history.record_last(&user.id, seen_of(&reply.json));
        }
        self.history.check(limits)
    }

    /// All successful reads of one user.
    pub(super) fn timed_reads(&self) -> MutexGuard<'_, Vec<TimedRead>> {
        self.timed_reads.lock().unwrap()
    }
}

/// Sends a request. An error is a text that says why there is no response.
async fn send(request: RequestBuilder) -> Result<Reply, String> {
    let received = async {
        let response = request.send().await?;
        Ok::<_, reqwest::Error>((
            response.status(),
            response.headers().clone(),
            response.text().await?,
        ))
    };
    let (status, headers, text) = timeout(RESPONSE_TIMEOUT, received)
        .await
        .map_err(|_| "no response".to_owned())?
        .map_err(|error| format!("{error:?}"))?;
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Reply {
        status: status.as_u16(),
        headers,
        text,
        json,
    })
}

fn seen_of(user: &Value) -> Seen {
    match user["version"].as_i64() {
        Some(version) => Seen::from_status(200, version, marks_of(user)),
        None => Seen::Absent,
    }
}

/// The marks of a user: its bio and the keys of its metadata.
fn marks_of(user: &Value) -> BTreeSet<String> {
    let metadata = user["metadata"]["public"].as_object();
    let permanent = metadata.into_iter().flat_map(|marks| marks.keys().cloned());
    let bio = user["profile"]["bio"].as_str().map(str::to_owned);
    permanent.chain(bio).collect()
}
