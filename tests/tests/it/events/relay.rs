//! The relay of events to RabbitMQ.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::sqlx::Row as _;
use serde_json::{Value, json};
use tokio::time::sleep;
use user_adapters::guards::{Guard, Guards};
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::ports::{EventPosition, EventRelays as _, FeedPosition};
use user_tests::{
    API_TOKEN, PostgresDatabase, RabbitMq, ReceivedEvent, RestartableService, http_client,
};
use uuid::Uuid;

use super::{read_until, with_scopes};
use crate::common::{eventually, id, path, register_full_user};

const CONNECT_ERRORS: &str = "event_relay_errors_total{kind=\"connect\"}";

/// A name that no other test uses.
fn unique() -> String {
    format!("events.{}", Uuid::from_bytes(rand::random()))
}

fn ids<'a>(events: impl IntoIterator<Item = &'a Value>) -> Vec<&'a Value> {
    events.into_iter().map(|event| &event["id"]).collect()
}

fn assert_properties(received: &ReceivedEvent) {
    let event = &received.event;
    let text = |name: &str| event[name].as_str().unwrap();
    assert_eq!(received.routing_key, text("type"));
    let user = text("subject");
    let expected = ["application/cloudevents+json", text("id"), user, user];
    assert_eq!(received.properties, expected);
    assert!(received.is_persistent);
}

user_tests::on_each_store! {
    async fn each_event_arrives_in_order_as_in_the_feed(app: &TestApp) {
        let (broker, exchange) = (RabbitMq::shared().await, unique());
        let mut queue = broker.queue(&exchange, &exchange).await;
        let (alice, bob) = (register_full_user(app, "Alice").await, app.register("bob").await);
        app.service().patch(&path(&alice), &json!({"profile": {"name": "Second"}})).await;
        app.user(id(&bob)).put(&format!("{}/following/{}", path(&bob), id(&alice))).await;
        app.user(id(&alice)).put(&format!("{}/blocks/{}", path(&alice), id(&bob))).await;
        let carol = app.register("carol").await;

        let url = broker.url();
        let settings = [("AMQP_URL", url.as_str()), ("AMQP_EXCHANGE", exchange.as_str())];
        let relaying = app.replica_with(&settings).await;
        let received = queue.until(|received| received.event["subject"] == carol["id"]).await;
        received.iter().for_each(assert_properties);
        let received: Vec<Value> = received.into_iter().map(|received| received.event).collect();
        let reader = with_scopes(app, &["events:read"]).await;
        assert_eq!(received, read_until(&reader, "", &carol).await);

        // The next leader continues. With the setting, it shows blocks.
        relaying.stop().await;
        app.user(id(&alice)).delete(&format!("{}/blocks/{}", path(&alice), id(&bob))).await;
        let dave = app.register("dave").await;
        let settings = [&settings[..], &[("AMQP_PRIVATE", "True")]].concat();
        let relaying = app.replica_with(&settings).await;
        let received = queue.until(|received| received.event["subject"] == dave["id"]).await;
        let received: Vec<Value> = received.into_iter().map(|received| received.event).collect();
        let all = read_until(&app.service(), "", &dave).await;
        let after = all.iter().position(|event| event["subject"] == carol["id"]).unwrap() + 1;
        assert_eq!(received, all[after..]);
        assert!(received.iter().any(|event| event["type"] == json!("user.unblocked")));
        relaying.stop().await;
    }
}

/// A client of one or more processes of the service.
struct Processes<'a> {
    client: reqwest::Client,
    services: Vec<&'a RestartableService>,
}

impl Processes<'_> {
    /// Creates a user.
    async fn create(&self, service: usize, name: &str) -> Value {
        let body = json!({"username": name, "email": format!("{name}@example.org")});
        let url = self.services[service].url("/v1/users");
        let request = self.client.post(url).bearer_auth(API_TOKEN).json(&body);
        self.send(request, 201).await
    }

    async fn rename(&self, service: usize, user: &Value, name: &str) -> Value {
        let url = self.services[service].url(&path(user));
        let body = json!({"profile": {"name": name}});
        let request = self.client.patch(url).bearer_auth(API_TOKEN).json(&body);
        self.send(request, 200).await
    }

    /// Sends a write. Repeats it after a 503, which says that nothing was done: the machine may be busy.
    async fn send(&self, request: reqwest::RequestBuilder, expected: u16) -> Value {
        loop {
            let reply = request.try_clone().unwrap().send().await.unwrap();
            if reply.status() != 503 {
                assert_eq!(reply.status(), expected);
                return reply.json().await.unwrap();
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn metric(&self, service: usize, name: &str) -> f64 {
        let url = self.services[service].url("/metrics");
        let scrape = self.client.get(url).timeout(Duration::from_secs(5));
        let text = scrape.send().await.unwrap().text().await.unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    async fn has(&self, service: usize, name: &str, value: f64) {
        let what = format!("{name} becomes {value}");
        eventually(&what, async || {
            (self.metric(service, name).await - value).abs() < 0.5
        })
        .await;
    }

    /// Waits until one of the processes relays events, and returns it.
    async fn leader(&self, among: &[usize]) -> usize {
        let mut leader = None;
        eventually("a replica relays events", async || {
            for service in among {
                if self.metric(*service, "event_relay_leader").await > 0.5 {
                    leader = Some(*service);
                }
            }
            leader.is_some()
        })
        .await;
        leader.unwrap()
    }
}

async fn serve(folder: &Path, uri: &str, url: &str, exchange: &str) -> RestartableService {
    let settings = [("AMQP_URL", url), ("AMQP_EXCHANGE", exchange)];
    let service = RestartableService::start(folder, uri, &settings).await;
    service.wait_until_ready().await;
    service
}

/// What a consumer keeps that drops what is not newer: the version of each user.
fn newest(received: &[ReceivedEvent]) -> HashMap<String, i64> {
    let mut newest: HashMap<String, (i64, i64)> = HashMap::new();
    for ReceivedEvent { event, .. } in received {
        let number = |name: &str| event["data"][name].as_i64().unwrap();
        let known = newest
            .entry(event["subject"].as_str().unwrap().to_owned())
            .or_default();
        if number("revision") > known.0 {
            *known = (number("revision"), number("version"));
        }
    }
    newest
        .into_iter()
        .map(|(user, (_, version))| (user, version))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_fails_and_no_event_is_lost_while_the_broker_is_away_killed_or_full() {
    let (folder, database) = (
        tempfile::tempdir().unwrap(),
        PostgresDatabase::create().await,
    );
    let (broker, exchange) = (RabbitMq::start().await, unique());
    drop(broker.queue(&exchange, &exchange).await);
    broker.kill();
    let service = serve(folder.path(), &database.url(), &broker.url(), &exchange).await;
    let processes = Processes {
        client: http_client(),
        services: vec![&service],
    };
    let mut users = Vec::new();
    for number in 0..5 {
        users.push(processes.create(0, &format!("user{number}")).await);
    }
    let failures = async || processes.metric(0, CONNECT_ERRORS).await;
    eventually("a failure to connect is counted", async || {
        failures().await > 0.5
    })
    .await;
    assert!(processes.metric(0, "event_relay_connected").await < 0.5);
    broker.restart().await;
    processes.has(0, "event_relay_connected", 1.0).await;
    processes.has(0, "event_relay_lag_seconds", 0.0).await;

    // The broker is killed and started again beside writes.
    let stop = AtomicBool::new(false);
    let writing = async {
        let mut versions = HashMap::new();
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            let user = &users[number % users.len()];
            let changed = processes.rename(0, user, &format!("name {number}")).await;
            versions.insert(id(user).to_owned(), changed["version"].as_i64().unwrap());
            number += 1;
            sleep(Duration::from_millis(20)).await;
        }
        versions
    };
    let killing = async {
        broker.kill();
        processes.has(0, "event_relay_connected", 0.0).await;
        broker.restart().await;
        processes.has(0, "event_relay_connected", 1.0).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (mut versions, ()) = tokio::join!(writing, killing);
    let last = processes.create(0, "last").await;
    versions.insert(id(&last).to_owned(), 1);
    let mut queue = broker.queue(&exchange, &exchange).await;
    let is_about_last = |received: &ReceivedEvent| received.event["subject"] == last["id"];
    let received = queue.until(is_about_last).await;
    assert_eq!(newest(&received), versions);

    // A broker without memory asks its publishers to wait.
    broker.control(&["set_vm_memory_high_watermark", "0"]).await;
    processes.rename(0, &last, "while it is full").await;
    processes.has(0, "event_relay_blocked", 1.0).await;
    processes.rename(0, &last, "still full").await;
    assert!(processes.metric(0, "event_relay_leader").await > 0.5);
    broker
        .control(&["set_vm_memory_high_watermark", "0.4"])
        .await;
    let received = queue
        .until(|received| received.event["data"]["version"] == json!(3))
        .await;
    assert_eq!(newest(&received)[id(&last)], 3);
    processes.has(0, "event_relay_blocked", 0.0).await;
    processes.has(0, "event_relay_lag_events", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_paused_or_killed_is_replaced_and_no_event_is_lost() {
    let (folder, database) = (
        tempfile::tempdir().unwrap(),
        PostgresDatabase::create().await,
    );
    let (broker, exchange) = (RabbitMq::shared().await, unique());
    let mut queue = broker.queue(&exchange, &exchange).await;
    let (uri, url) = (database.url(), broker.url());
    let first = serve(folder.path(), &uri, &url, &exchange).await;
    let second = serve(folder.path(), &uri, &url, &exchange).await;
    let processes = Processes {
        client: http_client(),
        services: vec![&first, &second],
    };
    let mut sent = vec![processes.create(0, "alice").await];
    let paused = processes.leader(&[0, 1]).await;
    let other = 1 - paused;
    processes.services[paused].signal("STOP");
    sent.push(processes.create(other, "bob").await);
    assert_eq!(processes.leader(&[other]).await, other);
    sent.push(processes.create(other, "carol").await);
    let is_about =
        |user: Value| move |received: &ReceivedEvent| received.event["subject"] == user["id"];
    let mut received = queue.until(is_about(sent[2].clone())).await;
    // The former leader stores no position.
    processes.services[paused].signal("CONT");
    processes.has(paused, "event_relay_leader", 0.0).await;
    let mut connection = database.connect().await;
    eventually("the position is that of the newest event", async || {
        let sql = "SELECT seq = (SELECT max(seq) FROM events) AS is_newest FROM relays";
        let row = sea_orm::sqlx::query(sql).fetch_one(&mut connection).await;
        row.unwrap().get("is_newest")
    })
    .await;

    processes.services[other].kill();
    sent.push(processes.create(paused, "dave").await);
    assert_eq!(processes.leader(&[paused]).await, paused);
    received.extend(queue.until(is_about(sent[3].clone())).await);
    let mut known = HashSet::new();
    received.retain(|received| known.insert(received.event["id"].to_string()));
    let subjects: Vec<&Value> = received
        .iter()
        .map(|received| &received.event["subject"])
        .collect();
    assert_eq!(subjects, ids(&sent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_password_is_reported_without_it_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let broker = RabbitMq::shared().await;
    let url = broker.url().replace("amqp://", "amqp://relay:hidden-word@");
    let uri = format!("sqlite:///{}", folder.path().join("users.db").display());
    let service = serve(folder.path(), &uri, &url, "user-service.events").await;
    let processes = Processes {
        client: http_client(),
        services: vec![&service],
    };
    processes.create(0, "alice").await;
    eventually("the failure is logged", async || {
        service
            .log()
            .contains("events cannot be relayed at the moment")
    })
    .await;
    assert!(
        service.log().contains("ACCESS_REFUSED"),
        "{}",
        service.log()
    );
    assert!(!service.log().contains("hidden-word"));
    assert_eq!(service.readiness().await, Some(200));
    assert!(processes.metric(0, CONNECT_ERRORS).await > 0.5);
}

/// Lets a paused leader store an older position after another one took its lease. Returns whether the position went back.
async fn goes_back_after_a_pause(guards: Guards) -> bool {
    let database = PostgresDatabase::create().await;
    let options = PoolOptions {
        guards,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&database.url(), &options).await;
    let store = SeaOrmUsers::new(connections.unwrap());
    let position = |number: u8| FeedPosition {
        store: Uuid::nil(),
        at: EventPosition::from_store(number.into()),
        tag: [number; 8],
    };
    let (lease, long) = (Duration::ZERO, Duration::from_mins(1));
    let paused = store
        .take("relay", Uuid::from_u128(1), lease)
        .await
        .unwrap()
        .unwrap();
    let current = store
        .take("relay", Uuid::from_u128(2), long)
        .await
        .unwrap()
        .unwrap();
    store
        .advance("relay", current.epoch, &position(9))
        .await
        .unwrap();
    store
        .advance("relay", paused.epoch, &position(5))
        .await
        .unwrap();
    let again = store
        .take("relay", Uuid::from_u128(2), long)
        .await
        .unwrap()
        .unwrap();
    again.position.unwrap().at < position(9).at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_epoch_keeps_a_paused_leader_from_moving_the_position_back() {
    assert!(!goes_back_after_a_pause(Guards::default()).await);
    let without = goes_back_after_a_pause(Guards::without(Guard::RelayEpoch)).await;
    assert!(
        without,
        "the position stayed without the epoch, so the test proves nothing"
    );
}
