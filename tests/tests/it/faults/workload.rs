//! Thirty-two closed-loop clients that read and write through every replica, and a record of their responses.
//!
//! Twenty clients read, eight of them only cached users, and twelve write. Every write has an `Idempotency-Key`. If its
//! outcome is unknown, the client repeats it with the same key, at any replica, until the outcome is known. Clients
//! give up on half of the writes that get a 503. These writes show whether a 503 really means that nothing was done.

mod writers;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use user_tests::history::{Change, History, Outcome, Read, Seen};
use user_tests::{API_TOKEN, claims, sign};

use super::responses::{CompletedRequest, RequestKind, Response};
use super::stored_state::{AttemptedWrite, WriteResult};

/// Readers of cached users only. They are not held up by slower reads.
const READERS_OF_CACHED: usize = 8;
const READERS: usize = 20;
const WRITERS: usize = 12;
/// Users that do not change and therefore stay cached.
const UNCHANGING: usize = 8;
/// Users that the writers change.
const CHANGING: usize = 12;
/// The pause of a client between two requests, in milliseconds. Tests that run at the same time share the processors, so
/// clients with shorter pauses would make no more requests.
const THINK_TIME_MS: std::ops::Range<u64> = 60..180;
/// Longer than the service may take for any request.
const RESPONSE_TIMEOUT: Duration = Duration::from_mins(1);

/// The users, the clients, and the record of their requests.
pub(super) struct Workload {
    base_urls: Vec<String>,
    client: Client,
    /// The versions that readers and writers saw, for the history checker.
    pub(super) history: History,
    pub(super) seed: u64,
    unchanging: Vec<TestUser>,
    changing: Vec<TestUser>,
    numbers: AtomicU64,
    is_stopped: AtomicBool,
    completed: Mutex<Vec<CompletedRequest>>,
    writes: Mutex<Vec<AttemptedWrite>>,
}

struct TestUser {
    id: String,
    token: String,
    permanent_marks: AtomicU64,
}

impl Workload {
    /// Registers the users through the replicas at these addresses.
    pub(super) async fn begin(base_urls: Vec<String>) -> Self {
        let seed = match std::env::var("FAULT_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => rand::random_range(0..1_000_000),
        };
        let mut workload = Self {
            base_urls,
            client: user_tests::http_client(),
            history: History::new(),
            seed,
            unchanging: Vec::new(),
            changing: Vec::new(),
            numbers: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
            completed: Mutex::default(),
            writes: Mutex::default(),
        };
        for _ in 0..UNCHANGING {
            let user = workload.register().await;
            workload.unchanging.push(user);
        }
        for _ in 0..CHANGING {
            let user = workload.register().await;
            workload.changing.push(user);
        }
        workload
    }

    /// Sends later requests to the replicas at these addresses.
    pub(super) fn set_base_urls(&mut self, base_urls: Vec<String>) {
        self.base_urls = base_urls;
    }

    async fn register(&self) -> TestUser {
        let begin = Instant::now();
        let (write, body) = self.new_user();
        let request = self.request(0, Method::POST, "/v1/users").json(&body);
        let reply = self.send(RequestKind::Create, request).await;
        let (Response::Done, Some(version)) = (&reply.response, reply.user["version"].as_i64())
        else {
            panic!("a user cannot be registered: {:?}", reply.response);
        };
        let id = reply.user["id"].as_str().unwrap().to_owned();
        self.history.record_write(user_tests::history::Write {
            user: id.clone(),
            replica: 0,
            begin,
            end: Instant::now(),
            change: Change::SetsMark(write.mark.clone()),
            outcome: Outcome::Acknowledged { version },
        });
        self.writes().push(AttemptedWrite {
            result: WriteResult::Done,
            user: Some(id.clone()),
            ..write
        });
        TestUser {
            token: sign(&claims(&id)),
            id,
            permanent_marks: AtomicU64::new(0),
        }
    }

    /// Reads each unchanging user at each replica until it is cached, so that it can be served without the database.
    pub(super) async fn warm_up(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        for base in &self.base_urls {
            for user in &self.unchanging {
                loop {
                    let request = self
                        .client
                        .get(format!("{base}/v1/users/{}", user.id))
                        .bearer_auth(API_TOKEN);
                    let reply = request.send().await.unwrap();
                    let source = reply.headers().get("cache-status").cloned();
                    if source.is_some_and(|source| source.to_str().unwrap().contains("; hit")) {
                        break;
                    }
                    assert!(Instant::now() < deadline, "no user is cached in time");
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    /// Runs the clients until [`Workload::stop`], and waits until the outcome of each write is known.
    pub(super) async fn run(&self) {
        let readers = join_all((0..READERS).map(|client| self.run_reader(client)));
        let writers = join_all((READERS..READERS + WRITERS).map(|client| self.run_writer(client)));
        tokio::join!(readers, writers);
    }

    /// Stops the clients from starting new requests.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    async fn run_reader(&self, client: usize) {
        let mut random = self.random_for(client);
        while !self.is_stopped.load(Ordering::Relaxed) {
            let replica = self.replica(client, &mut random);
            let unchanging = &self.unchanging[random.random_range(0..UNCHANGING)];
            let changing = &self.changing[random.random_range(0..CHANGING)];
            let kinds = if client < READERS_OF_CACHED { 55 } else { 100 };
            match random.random_range(0..kinds) {
                0..30 => {
                    self.read_one(client, replica, unchanging, RequestKind::Cached, &[])
                        .await;
                }
                30..45 => self.read_own_user(replica, unchanging).await,
                45..55 => self.read_batch(client, replica).await,
                55..78 => {
                    self.read_one(client, replica, changing, RequestKind::Changing, &[])
                        .await;
                }
                78..92 => {
                    let fresh = [("Cache-Control", "no-cache")];
                    self.read_one(client, replica, changing, RequestKind::Fresh, &fresh)
                        .await;
                }
                _ => {
                    let request = self.request(replica, Method::GET, "/v1/users?limit=10");
                    self.send(RequestKind::List, request).await;
                }
            }
            sleep(Duration::from_millis(random.random_range(THINK_TIME_MS))).await;
        }
    }

    /// Picks the replica for a request. One client in four always uses the last one, so that a slow replica cannot hold
    /// up all clients.
    fn replica(&self, client: usize, random: &mut StdRng) -> usize {
        let last = self.base_urls.len() - 1;
        if client.is_multiple_of(4) {
            last
        } else {
            random.random_range(0..=last)
        }
    }

    fn random_for(&self, client: usize) -> StdRng {
        StdRng::seed_from_u64(self.seed * 1000 + u64::try_from(client).unwrap())
    }

    async fn read_one(
        &self,
        client: usize,
        replica: usize,
        user: &TestUser,
        kind: RequestKind,
        headers: &[(&str, &str)],
    ) {
        let path = format!("/v1/users/{}", user.id);
        let request = headers.iter().fold(
            self.request(replica, Method::GET, &path),
            |request, (name, value)| request.header(*name, *value),
        );
        let seen = async { seen_of(&self.send(kind, request).await) };
        self.history.read(&user.id, client, replica, seen).await;
    }

    /// Reads a user as that user. The same user is also read for the authentication.
    async fn read_own_user(&self, replica: usize, user: &TestUser) {
        let request = self
            .client
            .get(format!("{}/v1/users/me", self.base_urls[replica]))
            .bearer_auth(&user.token);
        self.send(RequestKind::Own, request).await;
    }

    async fn read_batch(&self, client: usize, replica: usize) {
        let ids: Vec<&str> = self
            .unchanging
            .iter()
            .map(|user| user.id.as_str())
            .collect();
        let request = self.request(replica, Method::POST, "/v1/users/batch");
        let begin = Instant::now();
        let reply = self
            .send(RequestKind::Batch, request.json(&json!({ "ids": ids })))
            .await;
        let end = Instant::now();
        for (place, id) in ids.into_iter().enumerate() {
            let seen = match reply.response {
                Response::Done => seen_in(&reply.user["users"][place]),
                _ => Seen::Failed("no batch".to_owned()),
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

    fn request(&self, replica: usize, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base_urls[replica]);
        self.client.request(method, url).bearer_auth(API_TOKEN)
    }

    /// Sends a request and records its response.
    async fn send(&self, kind: RequestKind, request: RequestBuilder) -> Reply {
        let begin = Instant::now();
        let received = async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, reqwest::Error>((status.as_u16(), headers, response.text().await?))
        };
        let (response, user) = match timeout(RESPONSE_TIMEOUT, received).await {
            Ok(Ok((status, headers, text))) => {
                let body = serde_json::from_str(&text).unwrap_or(Value::Null);
                (Response::classify(kind, status, &headers, &body), body)
            }
            Ok(Err(error)) => (Response::Broken(format!("{error:?}")), Value::Null),
            Err(_) => (Response::Broken("no response".to_owned()), Value::Null),
        };
        self.completed().push(CompletedRequest {
            kind,
            begin,
            end: Instant::now(),
            response: response.clone(),
        });
        Reply { response, user }
    }

    /// All requests so far, with their responses.
    pub(super) fn completed(&self) -> MutexGuard<'_, Vec<CompletedRequest>> {
        self.completed.lock().unwrap()
    }

    /// The writes with a known outcome, and those that the clients gave up.
    pub(super) fn writes(&self) -> MutexGuard<'_, Vec<AttemptedWrite>> {
        self.writes.lock().unwrap()
    }
}

/// A classified response and its body.
struct Reply {
    response: Response,
    user: Value,
}

fn seen_of(reply: &Reply) -> Seen {
    match &reply.response {
        Response::Done => seen_in(&reply.user),
        other => Seen::Failed(format!("{other:?}")),
    }
}

fn seen_in(user: &Value) -> Seen {
    match user["version"].as_i64() {
        Some(version) => Seen::from_status(200, version, marks_of(user)),
        None => Seen::Absent,
    }
}

/// The marks of a user: its bio and the keys of its metadata.
pub(super) fn marks_of(user: &Value) -> BTreeSet<String> {
    let metadata = user["metadata"]["public"].as_object();
    let permanent = metadata.into_iter().flat_map(|marks| marks.keys().cloned());
    let bio = user["profile"]["bio"].as_str().map(str::to_owned);
    permanent.chain(bio).collect()
}
