//! The clients that write.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::{RngExt, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;
use user_tests::history::{Change, Outcome, Write};

use super::super::answers::{Kind, What};
use super::super::ledger::{Fate, Intent};
use super::{CHANGING, Person, Reply, THOUGHT, Workload};

/// How long a client waits before it asks again what became of a write, in milliseconds.
const RETRY: std::ops::Range<u64> = 50..150;
/// The most marks that a user's metadata takes; it has room for 16 KiB.
const MOST_KEPT: u64 = 400;
/// How long a write may stay unknown after all is over.
const RESOLUTION: Duration = Duration::from_mins(1);

impl Workload {
    pub(super) async fn be_a_writer(&self, client: usize) {
        let mut random = self.chance(client);
        while !self.is_over.load(Ordering::Relaxed) {
            let changing = &self.changing[random.random_range(0..CHANGING)];
            if random.random_bool(0.3) {
                self.create(client, &mut random).await;
            } else {
                self.change(client, &mut random, changing).await;
            }
            sleep(Duration::from_millis(random.random_range(THOUGHT))).await;
        }
    }

    /// A creation, yet to be tried, and its body.
    pub(super) fn creation(&self) -> (Intent, Value) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let username = format!("person{number}");
        let body = json!({
            "username": username,
            "email": format!("{username}@example.org"),
            "profile": {"bio": username},
        });
        let intent = Intent {
            kind: Kind::Create,
            user: None,
            mark: username,
            keeps: false,
            fate: Fate::Unknown,
        };
        (intent, body)
    }

    async fn create(&self, client: usize, random: &mut StdRng) {
        let (mut intent, body) = self.creation();
        let gives_up = random.random_bool(0.5);
        let key = intent.mark.clone();
        let attempt = async |replica: usize| {
            let request = self.request(replica, Method::POST, "/v1/users");
            let request = request.header("Idempotency-Key", &key).json(&body);
            self.sent(Kind::Create, request).await
        };
        let (fate, user) = self.until_known(client, random, gives_up, attempt).await;
        (intent.fate, intent.user) = (fate, user);
        self.intents().push(intent);
    }

    async fn change(&self, client: usize, random: &mut StdRng, person: &Person) {
        let mark = format!("c{}", self.numbers.fetch_add(1, Ordering::Relaxed));
        let has_room = || person.kept.fetch_add(1, Ordering::Relaxed) < MOST_KEPT;
        let keeps = random.random_bool(0.5) && has_room();
        let (change, body) = if keeps {
            let body = json!({"metadata": {"public": {(mark.clone()): 1}}});
            (Change::Keeps(mark.clone()), body)
        } else {
            let body = json!({"profile": {"bio": mark}});
            (Change::Sets(mark.clone()), body)
        };
        let gives_up = random.random_bool(0.5);
        let path = format!("/v1/users/{}", person.id);
        let attempt = async |replica: usize| {
            let request = self.request(replica, Method::PATCH, &path);
            let request = request.header("Idempotency-Key", &mark).json(&body);
            let begin = Instant::now();
            let reply = self.sent(Kind::Change, request).await;
            self.history.record_write(Write {
                user: person.id.clone(),
                replica,
                begin,
                end: Instant::now(),
                change: change.clone(),
                outcome: outcome_of(&reply),
            });
            reply
        };
        let (fate, _) = self.until_known(client, random, gives_up, attempt).await;
        self.intents().push(Intent {
            kind: Kind::Change,
            user: Some(person.id.clone()),
            mark,
            keeps,
            fate,
        });
    }

    /// Tries a write until its fate is known, and gives the id of the user in the last answer.
    async fn until_known(
        &self,
        client: usize,
        random: &mut StdRng,
        gives_up: bool,
        attempt: impl AsyncFn(usize) -> Reply,
    ) -> (Fate, Option<String>) {
        let mut may_be_done = false;
        let mut is_late_at = None;
        loop {
            let replica = self.replica(client, random);
            let reply = attempt(replica).await;
            match reply.what {
                What::Done | What::Replayed => {
                    let id = reply.user["id"].as_str().map(str::to_owned);
                    return (Fate::Done, id);
                }
                What::Unavailable | What::Late if gives_up && !may_be_done => {
                    return (Fate::NotDone, None);
                }
                What::Unavailable | What::Late => {}
                What::Unknown | What::Broken(_) => may_be_done = true,
                What::Wrong(_) => return (Fate::Unknown, None),
            }
            if self.is_over.load(Ordering::Relaxed) {
                let limit = *is_late_at.get_or_insert(Instant::now() + RESOLUTION);
                if Instant::now() > limit {
                    return (Fate::Unknown, None);
                }
            }
            sleep(Duration::from_millis(random.random_range(RETRY))).await;
        }
    }
}

fn outcome_of(reply: &Reply) -> Outcome {
    let version = reply.user["version"].as_i64().unwrap_or_default();
    match &reply.what {
        What::Done => Outcome::Acknowledged { version },
        What::Replayed => Outcome::Replayed { version },
        What::Unavailable | What::Late => Outcome::Unavailable("503".to_owned()),
        What::Unknown => Outcome::Unknown("504".to_owned()),
        What::Broken(how) | What::Wrong(how) => Outcome::Unknown(how.clone()),
    }
}
