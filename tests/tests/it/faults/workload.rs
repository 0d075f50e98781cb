//! Thirty-two closed-loop clients that read and write through every replica, and a record of all that they were answered.
//!
//! Twenty read, eight of them only what is cached, and twelve write. A write has an Idempotency-Key; what became of it may stay open, and is then asked for
//! under the same key, at any replica, until it is known. Half of those who are told that nothing was done give up, so
//! that it shows whether that was true.

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

use super::answers::{Answer, Kind, What};
use super::ledger::{Fate, Intent};

/// Those who read only what is cached: they show that it goes on, while the others wait.
const READERS_OF_CACHED: usize = 8;
const READERS: usize = 20;
const WRITERS: usize = 12;
/// Users whom nobody writes: they are cached, and stay so.
const STEADY: usize = 8;
/// Users whom the writers change.
const CHANGING: usize = 12;
/// How long a client thinks between two requests, in milliseconds.
const THOUGHT: std::ops::Range<u64> = 20..80;
/// Longer than the service may take for any request.
const PATIENCE: Duration = Duration::from_mins(1);

/// The users, the clients, and what they know.
pub(super) struct Workload {
    bases: Vec<String>,
    client: Client,
    /// The readers' and writers' view of the users, to be judged.
    pub(super) history: History,
    pub(super) seed: u64,
    steady: Vec<Person>,
    changing: Vec<Person>,
    numbers: AtomicU64,
    is_over: AtomicBool,
    answers: Mutex<Vec<Answer>>,
    intents: Mutex<Vec<Intent>>,
}

struct Person {
    id: String,
    token: String,
    kept: AtomicU64,
}

impl Workload {
    /// Registers the users through the replicas at these addresses.
    pub(super) async fn begin(bases: Vec<String>) -> Self {
        let seed = match std::env::var("FAULT_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => rand::random_range(0..1_000_000),
        };
        let mut workload = Self {
            bases,
            client: Client::builder().no_proxy().build().unwrap(),
            history: History::new(),
            seed,
            steady: Vec::new(),
            changing: Vec::new(),
            numbers: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            answers: Mutex::default(),
            intents: Mutex::default(),
        };
        for _ in 0..STEADY {
            let person = workload.register().await;
            workload.steady.push(person);
        }
        for _ in 0..CHANGING {
            let person = workload.register().await;
            workload.changing.push(person);
        }
        workload
    }

    /// Leads the requests from now on to replicas at other addresses.
    pub(super) fn go_to(&mut self, bases: Vec<String>) {
        self.bases = bases;
    }

    async fn register(&self) -> Person {
        let begin = Instant::now();
        let (intent, body) = self.creation();
        let request = self.request(0, Method::POST, "/v1/users").json(&body);
        let reply = self.sent(Kind::Create, request).await;
        let (What::Done, Some(version)) = (&reply.what, reply.user["version"].as_i64()) else {
            panic!("a user cannot be registered: {:?}", reply.what);
        };
        let id = reply.user["id"].as_str().unwrap().to_owned();
        self.history.record_write(user_tests::history::Write {
            user: id.clone(),
            replica: 0,
            begin,
            end: Instant::now(),
            change: Change::Sets(intent.mark.clone()),
            outcome: Outcome::Acknowledged { version },
        });
        self.intents().push(Intent {
            fate: Fate::Done,
            user: Some(id.clone()),
            ..intent
        });
        Person {
            token: sign(&claims(&id)),
            id,
            kept: AtomicU64::new(0),
        }
    }

    /// Reads each steady user everywhere until it is cached, so that it can be given when the database cannot be asked.
    pub(super) async fn warm_up(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        for base in &self.bases {
            for person in &self.steady {
                loop {
                    let asked = self
                        .client
                        .get(format!("{base}/v1/users/{}", person.id))
                        .bearer_auth(API_TOKEN);
                    let reply = asked.send().await.unwrap();
                    let source = reply.headers().get("cache-status").cloned();
                    if source.is_some_and(|source| source.to_str().unwrap().contains("; hit")) {
                        break;
                    }
                    assert!(Instant::now() < deadline, "nobody is ever cached");
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    /// Lets the clients read and write until [`Workload::end`], and waits until the fate of each write is known.
    pub(super) async fn run(&self) {
        let readers = join_all((0..READERS).map(|client| self.be_a_reader(client)));
        let writers = join_all((READERS..READERS + WRITERS).map(|client| self.be_a_writer(client)));
        tokio::join!(readers, writers);
    }

    /// Lets the clients begin nothing new.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    async fn be_a_reader(&self, client: usize) {
        let mut random = self.chance(client);
        while !self.is_over.load(Ordering::Relaxed) {
            let replica = self.replica(client, &mut random);
            let steady = &self.steady[random.random_range(0..STEADY)];
            let changing = &self.changing[random.random_range(0..CHANGING)];
            let any = if client < READERS_OF_CACHED { 55 } else { 100 };
            match random.random_range(0..any) {
                0..30 => {
                    self.read_one(client, replica, steady, Kind::Cached, &[])
                        .await;
                }
                30..45 => self.read_oneself(replica, steady).await,
                45..55 => self.read_many(client, replica).await,
                55..78 => {
                    self.read_one(client, replica, changing, Kind::Changing, &[])
                        .await;
                }
                78..92 => {
                    let fresh = [("Cache-Control", "no-cache")];
                    self.read_one(client, replica, changing, Kind::Fresh, &fresh)
                        .await;
                }
                _ => {
                    let request = self.request(replica, Method::GET, "/v1/users?limit=10");
                    self.sent(Kind::List, request).await;
                }
            }
            sleep(Duration::from_millis(random.random_range(THOUGHT))).await;
        }
    }

    /// The replica that a client asks: any, but one client in four stays with the last, so that those who wait for
    /// another do not keep everybody from asking.
    fn replica(&self, client: usize, random: &mut StdRng) -> usize {
        let last = self.bases.len() - 1;
        if client.is_multiple_of(4) {
            last
        } else {
            random.random_range(0..=last)
        }
    }

    fn chance(&self, client: usize) -> StdRng {
        StdRng::seed_from_u64(self.seed * 1000 + u64::try_from(client).unwrap())
    }

    async fn read_one(
        &self,
        client: usize,
        replica: usize,
        person: &Person,
        kind: Kind,
        headers: &[(&str, &str)],
    ) {
        let path = format!("/v1/users/{}", person.id);
        let request = headers.iter().fold(
            self.request(replica, Method::GET, &path),
            |request, (name, value)| request.header(*name, *value),
        );
        let asked = async { seen_of(&self.sent(kind, request).await) };
        self.history.read(&person.id, client, replica, asked).await;
    }

    /// Reads a user as that user: who is asked for is also who is asked whether it may.
    async fn read_oneself(&self, replica: usize, person: &Person) {
        let request = self
            .client
            .get(format!("{}/v1/users/me", self.bases[replica]))
            .bearer_auth(&person.token);
        self.sent(Kind::Own, request).await;
    }

    async fn read_many(&self, client: usize, replica: usize) {
        let ids: Vec<&str> = self
            .steady
            .iter()
            .map(|person| person.id.as_str())
            .collect();
        let request = self.request(replica, Method::POST, "/v1/users/batch");
        let begin = Instant::now();
        let reply = self
            .sent(Kind::Batch, request.json(&json!({ "ids": ids })))
            .await;
        let end = Instant::now();
        for (place, id) in ids.into_iter().enumerate() {
            let seen = match reply.what {
                What::Done => seen_in(&reply.user["users"][place]),
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
        let url = format!("{}{path}", self.bases[replica]);
        self.client.request(method, url).bearer_auth(API_TOKEN)
    }

    /// Sends a request and records how it was answered.
    async fn sent(&self, kind: Kind, request: RequestBuilder) -> Reply {
        let begin = Instant::now();
        let asked = async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, reqwest::Error>((status.as_u16(), headers, response.text().await?))
        };
        let (what, user) = match timeout(PATIENCE, asked).await {
            Ok(Ok((status, headers, text))) => {
                let body = serde_json::from_str(&text).unwrap_or(Value::Null);
                (What::answered(kind, status, &headers, &body), body)
            }
            Ok(Err(error)) => (What::Broken(format!("{error:?}")), Value::Null),
            Err(_) => (What::Broken("no answer".to_owned()), Value::Null),
        };
        self.answers().push(Answer {
            kind,
            begin,
            end: Instant::now(),
            what: what.clone(),
        });
        Reply { what, user }
    }

    /// All answers until now.
    pub(super) fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.answers.lock().unwrap()
    }

    /// The writes whose fate is known or was given up.
    pub(super) fn intents(&self) -> MutexGuard<'_, Vec<Intent>> {
        self.intents.lock().unwrap()
    }
}

/// What a request came to, and the body of its answer.
struct Reply {
    what: What,
    user: Value,
}

fn seen_of(reply: &Reply) -> Seen {
    match &reply.what {
        What::Done => seen_in(&reply.user),
        other => Seen::Failed(format!("{other:?}")),
    }
}

fn seen_in(user: &Value) -> Seen {
    match user["version"].as_i64() {
        Some(version) => Seen::answered(200, version, marks_of(user)),
        None => Seen::Absent,
    }
}

/// The marks of a user: its bio, and the keys of its metadata.
pub(super) fn marks_of(user: &Value) -> BTreeSet<String> {
    let kept = user["metadata"]["public"].as_object();
    let kept = kept.into_iter().flat_map(|marks| marks.keys().cloned());
    let set = user["profile"]["bio"].as_str().map(str::to_owned);
    kept.chain(set).collect()
}
