//! Measures the relay of events to RabbitMQ: `make relay`.
//!
//! - How fast a backlog is drained, beside a bare loop that publishes the same number of messages with the same driver
//!   and waits for the same confirmations.
//! - The CPU time of a creation in a process that relays, and in one that does not.
//! - Whether events are lost or repeated while the process that relays is killed again and again.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a command-line tool"
)]

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use sea_orm::sqlx::{AssertSqlSafe, Executor, Row};
use serde_json::{Value, json};
use user_tests::{API_TOKEN, PostgresDatabase, RabbitMq, RestartableService, Store, TestApp};

/// The number of events of the backlog.
const BACKLOG: usize = 50_000;
/// The number of unconfirmed messages of the bare loop, as in the relay.
const WINDOW: usize = 500;
/// The size of a message of the bare loop, as of a typical event.
const MESSAGE_BYTES: usize = 480;
/// The number of creations whose CPU time is measured.
const CREATIONS: usize = 2000;
/// How long the process that relays is killed, and how often.
const KILLING: Duration = Duration::from_mins(1);
const KILL_INTERVAL: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() {
    let broker = RabbitMq::start().await;
    let bare = bare_loop(&broker).await;
    let relayed = drain(&broker).await;
    println!("| | messages/s |\n|---|---|");
    println!("| bare loop of the driver | {bare:.0} |");
    println!("| relay, from the database to the confirmation | {relayed:.0} |");
    println!("\n| creation | CPU time |\n|---|---|");
    for (name, url) in [
        ("without a relay", None),
        ("in the process that relays", Some(broker.url())),
    ] {
        let cost = cost_of_a_creation(url.as_deref(), &broker).await;
        println!("| {name} | {:.2} ms |", cost.as_secs_f64() * 1000.0);
    }
    kill_leaders(&broker).await;
}

fn rate(count: usize, since: Instant) -> f64 {
    let count = u32::try_from(count).unwrap();
    f64::from(count) / since.elapsed().as_secs_f64()
}

/// Publishes messages to a durable queue, in windows of which each message is confirmed before the next one.
async fn bare_loop(broker: &RabbitMq) -> f64 {
    drop(broker.queue("bare", "bare").await);
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(&broker.url(), properties)
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let body = [b'x'; MESSAGE_BYTES];
    let started = Instant::now();
    for _ in 0..BACKLOG / WINDOW {
        let mut window = Vec::with_capacity(WINDOW);
        for _ in 0..WINDOW {
            let properties = BasicProperties::default().with_delivery_mode(2);
            let options = BasicPublishOptions::default();
            let published = channel.basic_publish(
                "bare".into(),
                "user.updated".into(),
                options,
                &body,
                properties,
            );
            window.push(published.await.unwrap());
        }
        for confirmation in window {
            assert!(confirmation.await.unwrap().is_ack());
        }
    }
    rate(BACKLOG, started)
}

/// Lets the relay drain a backlog of events.
async fn drain(broker: &RabbitMq) -> f64 {
    let app = TestApp::start(Store::Postgres).await;
    let mut database = app.postgres().connect().await;
    let insert = format!(
        "INSERT INTO events (id, type, subject_kind, subject_id, version, changed, actor, at)
        SELECT gen_random_uuid(), 'user.updated', 'user', gen_random_uuid(), 1, '[\"profile.name\"]', 'service:auth', now()
        FROM generate_series(1, {BACKLOG})"
    );
    database.execute(AssertSqlSafe(insert)).await.unwrap();
    drop(broker.queue("drained", "drained").await);
    let url = broker.url();
    let settings = [("AMQP_URL", url.as_str()), ("AMQP_EXCHANGE", "drained")];
    let relaying = app.replica_with(&settings).await;
    let position = "SELECT coalesce((SELECT seq FROM relays), 0) AS seq, (SELECT max(seq) FROM events) AS newest";
    // From the first stored position on, so that the start of the process does not count.
    let mut first: Option<(Instant, i64)> = None;
    let drained = loop {
        let row = database.fetch_one(position).await.unwrap();
        let (seq, newest): (i64, i64) = (row.get("seq"), row.get("newest"));
        match first {
            None if seq > 0 => first = Some((Instant::now(), seq)),
            Some((started, from)) if seq == newest => {
                break rate(usize::try_from(newest - from).unwrap(), started);
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    relaying.stop().await;
    app.stop().await;
    drained
}

async fn create(
    client: &reqwest::Client,
    service: &RestartableService,
    name: &str,
) -> Option<Value> {
    let body = json!({"username": name, "email": format!("{name}@example.org")});
    let request = client.post(service.url("/v1/users")).bearer_auth(API_TOKEN);
    let reply = request
        .header("Idempotency-Key", name)
        .json(&body)
        .send()
        .await
        .ok()?;
    if reply.status() != 201 {
        return None;
    }
    reply.json().await.ok()
}

/// The CPU time that a process has used.
fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<u64>().unwrap();
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

async fn cost_of_a_creation(url: Option<&str>, broker: &RabbitMq) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let database = PostgresDatabase::create().await;
    drop(broker.queue("created", "created").await);
    let mut settings = vec![("ARGON2_MEMORY_KIB", "8"), ("AMQP_EXCHANGE", "created")];
    settings.extend(url.map(|url| ("AMQP_URL", url)));
    let service = RestartableService::start(folder.path(), &database.url(), &settings).await;
    service.wait_until_ready().await;
    let client = user_tests::http_client();
    create_many(&client, &service, "warm", CREATIONS / 10).await;
    let before = cpu_time(service.id());
    create_many(&client, &service, "user", CREATIONS).await;
    // What is still being relayed.
    tokio::time::sleep(Duration::from_secs(1)).await;
    cpu_time(service.id()).saturating_sub(before) / u32::try_from(CREATIONS).unwrap()
}

async fn create_many(
    client: &reqwest::Client,
    service: &RestartableService,
    prefix: &str,
    count: usize,
) {
    let tasks = (0..8).map(|task| async move {
        for number in (task..count).step_by(8) {
            create(client, service, &format!("{prefix}{number}"))
                .await
                .unwrap();
        }
    });
    join_all(tasks).await;
}

async fn serve(
    folder: &Path,
    database: &PostgresDatabase,
    broker: &RabbitMq,
) -> RestartableService {
    let url = broker.url();
    let settings = [("AMQP_URL", url.as_str()), ("AMQP_EXCHANGE", "killed")];
    RestartableService::start(folder, &database.url(), &settings).await
}

async fn leads(client: &reqwest::Client, service: &RestartableService) -> bool {
    let scrape = client
        .get(service.url("/metrics"))
        .timeout(Duration::from_secs(1));
    let Ok(reply) = scrape.send().await else {
        return false;
    };
    reply
        .text()
        .await
        .unwrap_or_default()
        .contains("\nevent_relay_leader 1")
}

/// Kills the process that relays every two seconds, beside writes.
async fn kill_leaders(broker: &RabbitMq) {
    let folder = tempfile::tempdir().unwrap();
    let database = PostgresDatabase::create().await;
    let mut queue = broker.queue("killed", "killed").await;
    let services = [
        serve(folder.path(), &database, broker).await,
        serve(folder.path(), &database, broker).await,
    ];
    let client = user_tests::http_client();
    let stop = AtomicBool::new(false);
    let writing = async {
        let mut users = HashSet::new();
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            let name = format!("killed{number}");
            // A creation whose reply is lost is repeated with its key, at the other process.
            for attempt in 0.. {
                if let Some(user) = create(&client, &services[(number + attempt) % 2], &name).await
                {
                    users.insert(user["id"].to_string());
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            number += 1;
        }
        users
    };
    let killing = async {
        let (began, mut kills) = (Instant::now(), 0);
        while began.elapsed() < KILLING {
            tokio::time::sleep(KILL_INTERVAL).await;
            for service in &services {
                if leads(&client, service).await {
                    service.restart().await;
                    kills += 1;
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        kills
    };
    let (mut users, kills) = tokio::join!(writing, killing);
    services[0].wait_until_ready().await;
    let last = create(&client, &services[0], "last").await.unwrap();
    let received = queue
        .until(|received| received.event["subject"] == last["id"])
        .await;
    let mut times: HashMap<String, usize> = HashMap::new();
    for received in &received {
        users.remove(&received.event["subject"].to_string());
        *times.entry(received.event["id"].to_string()).or_default() += 1;
    }
    let repeated: usize = times.values().map(|times| times - 1).sum();
    println!(
        "\nkilled {kills} times in {} s: {} events, {} lost, {repeated} repeated",
        KILLING.as_secs(),
        times.len(),
        users.len()
    );
}
