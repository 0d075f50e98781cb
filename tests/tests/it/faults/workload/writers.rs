//! The clients that write.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::{RngExt, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;
use user_tests::history::{Change, Outcome, Write};

use super::super::responses::{RequestKind, Response};
use super::super::stored_state::{AttemptedWrite, WriteResult};
use super::{CHANGING, Reply, THINK_TIME_MS, TestUser, Workload};

/// The delay before a client repeats a write, in milliseconds.
const RETRY_DELAY_MS: std::ops::Range<u64> = 50..150;
/// The most marks in the metadata of a user, which may have 16 KiB.
const MAX_PERMANENT_MARKS: u64 = 400;
/// The time after the end of the workload within which each outcome must become known.
const RESOLUTION_TIMEOUT: Duration = Duration::from_mins(1);

impl Workload {
    pub(super) async fn run_writer(&self, client: usize) {
        let mut random = self.random_for(client);
        while !self.is_stopped.load(Ordering::Relaxed) {
            let changing = &self.changing[random.random_range(0..CHANGING)];
            if random.random_bool(0.3) {
                self.create(client, &mut random).await;
            } else {
                self.change(client, &mut random, changing).await;
            }
            sleep(Duration::from_millis(random.random_range(THINK_TIME_MS))).await;
        }
    }

    /// Returns a creation that has not been attempted, and its body.
    pub(super) fn new_user(&self) -> (AttemptedWrite, Value) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let username = format!("person{number}");
        let body = json!({
            "username": username,
            "email": format!("{username}@example.org"),
            "profile": {"bio": username},
        });
        let write = AttemptedWrite {
            kind: RequestKind::Create,
            user: None,
            mark: username,
            is_permanent: false,
            result: WriteResult::Unknown,
        };
        (write, body)
    }

    async fn create(&self, client: usize, random: &mut StdRng) {
        let (mut write, body) = self.new_user();
        let gives_up = random.random_bool(0.5);
        let key = write.mark.clone();
        let attempt = async |replica: usize| {
            let request = self.request(replica, Method::POST, "/v1/users");
            let request = request.header("Idempotency-Key", &key).json(&body);
            self.send(RequestKind::Create, request).await
        };
        let (result, user) = self
            .retry_until_known(client, random, gives_up, attempt)
            .await;
        (write.result, write.user) = (result, user);
        self.writes().push(write);
    }

    async fn change(&self, client: usize, random: &mut StdRng, user: &TestUser) {
        let mark = format!("c{}", self.numbers.fetch_add(1, Ordering::Relaxed));
        let is_below_limit =
            || user.permanent_marks.fetch_add(1, Ordering::Relaxed) < MAX_PERMANENT_MARKS;
        let is_permanent = random.random_bool(0.5) && is_below_limit();
        let (change, body) = if is_permanent {
            let body = json!({"metadata": {"public": {(mark.clone()): 1}}});
            (Change::AddsMark(mark.clone()), body)
        } else {
            let body = json!({"profile": {"bio": mark}});
            (Change::SetsMark(mark.clone()), body)
        };
        let gives_up = random.random_bool(0.5);
        let path = format!("/v1/users/{}", user.id);
        let attempt = async |replica: usize| {
            let request = self.request(replica, Method::PATCH, &path);
            let request = request.header("Idempotency-Key", &mark).json(&body);
            let begin = Instant::now();
            let reply = self.send(RequestKind::Change, request).await;
            self.history.record_write(Write {
                user: user.id.clone(),
                replica,
                begin,
                end: Instant::now(),
                change: change.clone(),
                outcome: outcome_of(&reply),
            });
            reply
        };
        let (result, _) = self
            .retry_until_known(client, random, gives_up, attempt)
            .await;
        self.writes().push(AttemptedWrite {
            kind: RequestKind::Change,
            user: Some(user.id.clone()),
            mark,
            is_permanent,
            result,
        });
    }

    /// Repeats a write until its outcome is known. Also returns the id of the user in the last response.
    async fn retry_until_known(
        &self,
        client: usize,
        random: &mut StdRng,
        gives_up: bool,
        attempt: impl AsyncFn(usize) -> Reply,
    ) -> (WriteResult, Option<String>) {
        let mut may_be_done = false;
        let mut deadline = None;
        loop {
            let replica = self.replica(client, random);
            let reply = attempt(replica).await;
            match reply.response {
                Response::Done | Response::Replayed => {
                    let id = reply.user["id"].as_str().map(str::to_owned);
                    return (WriteResult::Done, id);
                }
                Response::Unavailable | Response::NotRead if gives_up && !may_be_done => {
                    return (WriteResult::NotDone, None);
                }
                Response::Unavailable | Response::NotRead => {}
                Response::Unknown | Response::Broken(_) => may_be_done = true,
                Response::Forbidden(_) => return (WriteResult::Unknown, None),
            }
            if self.is_stopped.load(Ordering::Relaxed) {
                let deadline = *deadline.get_or_insert(Instant::now() + RESOLUTION_TIMEOUT);
                if Instant::now() > deadline {
                    return (WriteResult::Unknown, None);
                }
            }
            sleep(Duration::from_millis(random.random_range(RETRY_DELAY_MS))).await;
        }
    }
}

fn outcome_of(reply: &Reply) -> Outcome {
    let version = reply.user["version"].as_i64().unwrap_or_default();
    match &reply.response {
        Response::Done => Outcome::Acknowledged { version },
        Response::Replayed => Outcome::Replayed { version },
        Response::Unavailable | Response::NotRead => Outcome::Unavailable("503".to_owned()),
        Response::Unknown => Outcome::Unknown("504".to_owned()),
        Response::Broken(reason) | Response::Forbidden(reason) => Outcome::Unknown(reason.clone()),
    }
}
