//! Clients that read and write the same users through three replicas, and a record of all they saw.

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

/// The replicas that a workload runs on.
pub(super) const REPLICAS: usize = 3;
const USERS: usize = 20;
const CLIENTS: usize = 10;
/// How long a client thinks between two requests, at most, in milliseconds.
const THOUGHT: u64 = 25;
/// How much more often the first user is asked for than the second, as an exponent (Zipf's law).
const SKEW: f64 = 1.1;
/// The most marks that a user's metadata takes; it has room for 16 KiB.
const MOST_KEPT: u64 = 400;
/// Longer than the service lets any request take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The users of a test, the clients' record of them, and what their requests cost.
pub(super) struct Workload<'a> {
    cluster: &'a Cluster,
    /// All that the clients saw.
    pub(super) history: History,
    start: Instant,
    seed: u64,
    users: Vec<Person>,
    /// How often each user is chosen, added up.
    weights: Vec<f64>,
    marks: AtomicU64,
    is_over: AtomicBool,
    answers: Mutex<Vec<Answer>>,
}

struct Person {
    id: String,
    username: String,
    kept: AtomicU64,
}

/// A read by one key that has been answered.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    /// Before the request was sent.
    pub(super) begin: Instant,
    /// How long the answer took.
    pub(super) took: Duration,
}

impl<'a> Workload<'a> {
    /// Registers the users, under a seed that `CACHE_SEED` may name.
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
            is_over: AtomicBool::new(false),
            answers: Mutex::default(),
        };
        for number in 0..USERS {
            let person = workload.register(number).await;
            workload.users.push(person);
        }
        workload
    }

    /// The number from which everything random follows, but not what the threads make of it.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// When the history begins.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    async fn register(&self, number: usize) -> Person {
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
            change: Change::Sets(mark),
            outcome: Outcome::answered(reply.status, reply.version()),
        });
        Person {
            id: reply.id().to_owned(),
            username,
            kept: AtomicU64::new(0),
        }
    }

    /// Lets the clients read and write for a time.
    pub(super) async fn run(&self, time: Duration) {
        let clock = async {
            sleep(time).await;
            self.end();
        };
        tokio::join!(clock, self.run_until_the_end());
    }

    /// Lets the clients read and write until [`Workload::end`].
    pub(super) async fn run_until_the_end(&self) {
        join_all((0..CLIENTS).map(|client| self.be_a_client(client))).await;
    }

    /// Lets the clients go home.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    async fn be_a_client(&self, client: usize) {
        let number = u64::try_from(client).unwrap();
        let mut random = StdRng::seed_from_u64(self.seed * 1000 + number);
        while !self.is_over.load(Ordering::Relaxed) {
            let person = self.somebody(&mut random);
            let replica = random.random_range(0..REPLICAS);
            match random.random_range(0..100) {
                0..65 => {
                    self.read(client, replica, person, &format!("/v1/users/{}", person.id))
                        .await;
                }
                65..78 => {
                    let path = format!("/v1/users/by-username/{}", person.username);
                    self.read(client, replica, person, &path).await;
                }
                78..85 => {
                    let some: Vec<&Person> = (0..5).map(|_| self.somebody(&mut random)).collect();
                    self.read_many(client, replica, &some).await;
                }
                _ => {
                    let keeps = random.random_bool(0.5);
                    self.write(replica, person, keeps).await;
                }
            }
            sleep(Duration::from_millis(random.random_range(0..THOUGHT))).await;
        }
    }

    fn somebody(&self, random: &mut StdRng) -> &Person {
        let all = self.weights.last().copied().unwrap();
        let chosen = random.random_range(0.0..all);
        &self.users[self.weights.partition_point(|sum| *sum <= chosen)]
    }

    fn request(&self, replica: usize, method: Method, path: &str) -> RequestBuilder {
        let service = self.cluster.replicas[replica].app.service();
        service.request(method, path)
    }

    async fn read(&self, client: usize, replica: usize, person: &Person, path: &str) {
        let request = self.request(replica, Method::GET, path);
        let asked = async {
            let begin = Instant::now();
            let reply = match sent(request).await {
                Ok(reply) => reply,
                Err(reason) => return Seen::Failed(reason),
            };
            if reply.status == 200 {
                self.answers().push(Answer {
                    begin,
                    took: begin.elapsed(),
                });
            }
            Seen::answered(reply.status, reply.version(), marks_of(&reply.json))
        };
        self.history.read(&person.id, client, replica, asked).await;
    }

    async fn read_many(&self, client: usize, replica: usize, people: &[&Person]) {
        let ids: Vec<&str> = people.iter().map(|person| person.id.as_str()).collect();
        let request = self.request(replica, Method::POST, "/v1/users/batch");
        let begin = Instant::now();
        let reply = sent(request.json(&json!({ "ids": ids }))).await;
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

    async fn write(&self, replica: usize, person: &Person, keeps: bool) {
        let mark = self.mark();
        let has_room = || person.kept.fetch_add(1, Ordering::Relaxed) < MOST_KEPT;
        let (change, body) = if keeps && has_room() {
            let body = json!({"metadata": {"public": {(mark.clone()): 1}}});
            (Change::Keeps(mark), body)
        } else {
            let body = json!({"profile": {"bio": mark}});
            (Change::Sets(mark), body)
        };
        let path = format!("/v1/users/{}", person.id);
        let request = self.request(replica, Method::PATCH, &path).json(&body);
        let asked = async {
            match sent(request).await {
                Ok(reply) => Outcome::answered(reply.status, reply.version()),
                Err(reason) => Outcome::Unknown(reason),
            }
        };
        self.history.write(&person.id, replica, change, asked).await;
    }

    /// Text that no other write leaves.
    fn mark(&self) -> String {
        format!("m{}", self.marks.fetch_add(1, Ordering::Relaxed))
    }

    /// Records how the users are in the end, as the database has them, and judges.
    pub(super) async fn judge(&self, limits: &Limits) -> Verdict {
        let owner = self.cluster.owner().service();
        for person in &self.users {
            let path = format!("/v1/users/{}", person.id);
            let current = [("Cache-Control", "no-cache")];
            let reply = owner.get_with(&path, &current).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            self.history.record_last(&person.id, seen_of(&reply.json));
        }
        self.history.judge(limits)
    }

    /// The reads by one key that were answered by a user.
    pub(super) fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.answers.lock().unwrap()
    }
}

/// Sends a request; what keeps it from being answered is told as text.
async fn sent(request: RequestBuilder) -> Result<Reply, String> {
    let answered = async {
        let response = request.send().await?;
        Ok::<_, reqwest::Error>((
            response.status(),
            response.headers().clone(),
            response.text().await?,
        ))
    };
    let (status, headers, text) = timeout(PATIENCE, answered)
        .await
        .map_err(|_| "no answer".to_owned())?
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
        Some(version) => Seen::answered(200, version, marks_of(user)),
        None => Seen::Absent,
    }
}

/// The marks of a user: its bio, and the keys of its metadata.
fn marks_of(user: &Value) -> BTreeSet<String> {
    let kept = user["metadata"]["public"].as_object();
    let kept = kept.into_iter().flat_map(|marks| marks.keys().cloned());
    let set = user["profile"]["bio"].as_str().map(str::to_owned);
    kept.chain(set).collect()
}
