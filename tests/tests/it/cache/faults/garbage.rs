//! Foreign and corrupted values under the keys of the cache in Redis are ignored and replaced.

use std::time::{Duration, Instant};

use rand::{RngExt, rngs::StdRng};
use serde_json::Value;
use tokio::time::sleep;
use user_adapters::guards::Guards;
use user_tests::{Cluster, RedisReply};

use super::super::REDIS_ONLY;
use super::super::workload::REPLICAS;
use super::{FAULT_DURATION, RECOVERY_TIMEOUT, Trial, wait_until_redis_is_used};

/// What replaces a value in Redis.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Garbage {
    RandomBytes,
    Empty,
    List,
    Hash,
    OtherValue,
    LaterSchema,
    RaisedVersion,
    Truncated,
}

const ALL: [Garbage; 8] = [
    Garbage::RandomBytes,
    Garbage::Empty,
    Garbage::List,
    Garbage::Hash,
    Garbage::OtherValue,
    Garbage::LaterSchema,
    Garbage::RaisedVersion,
    Garbage::Truncated,
];

impl Garbage {
    /// Returns a random kind.
    pub(in super::super) fn random(random: &mut StdRng) -> Self {
        ALL[random.random_range(0..ALL.len())]
    }
}

/// Replaces each value whose key matches a pattern by garbage, which may be derived from it. Returns the number of
/// keys.
pub(in super::super) async fn plant(cluster: &Cluster, pattern: &str, garbage: Garbage) -> usize {
    let redis = &cluster.redis;
    let keys = redis.keys(pattern).await;
    let mut values = Vec::with_capacity(keys.len());
    for key in &keys {
        // A value of another type is garbage from an earlier call.
        values.push(match redis.command(&["GET", key]).await {
            RedisReply::Bytes(value) => value,
            _ => b"x y z 1\n".to_vec(),
        });
    }
    for (place, key) in keys.iter().enumerate() {
        let own = values[place].as_slice();
        let other = values[(place + 1) % values.len()].as_slice();
        match corrupt(garbage, own, other) {
            Some(value) => redis.set_raw(key, &value).await,
            None => plant_another_type(cluster, key, garbage).await,
        }
    }
    keys.len()
}

async fn plant_another_type(cluster: &Cluster, key: &str, garbage: Garbage) {
    let redis = &cluster.redis;
    redis.command(&["DEL", key]).await;
    match garbage {
        Garbage::List => redis.command(&["RPUSH", key, "a", "b"]).await,
        _ => redis.command(&["HSET", key, "a", "b"]).await,
    };
}

/// Returns the garbage for a value, or none if the garbage has another Redis type.
fn corrupt(garbage: Garbage, own: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let header_end = own.iter().position(|byte| *byte == b'\n');
    let (header, row) = own.split_at(header_end.unwrap_or(own.len()));
    let mut words: Vec<String> = String::from_utf8_lossy(header)
        .split(' ')
        .map(str::to_owned)
        .collect();
    let with_header = |words: Vec<String>| [words.join(" ").as_bytes(), row].concat();
    Some(match garbage {
        Garbage::List | Garbage::Hash => return None,
        Garbage::RandomBytes => (0..200).map(|_| rand::random()).collect(),
        Garbage::Empty => Vec::new(),
        Garbage::OtherValue => other.to_vec(),
        Garbage::Truncated => own[..own.len() / 2].to_vec(),
        Garbage::LaterSchema => {
            "2".clone_into(&mut words[0]);
            with_header(words)
        }
        Garbage::RaisedVersion => {
            let version = words.pop().and_then(|version| version.parse::<i64>().ok());
            words.push((version.unwrap_or(0) + 1).to_string());
            with_header(words)
        }
    })
}

/// Registers users and waits until all replicas read them from Redis.
async fn shared_users(cluster: &Cluster) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..6 {
        let user = cluster.owner().register(&format!("person{number}")).await;
        ids.push(user["id"].as_str().unwrap().to_owned());
    }
    wait_until_shared(cluster, &ids, "their registration").await;
    ids
}

/// Reads users until each replica gets each of them from Redis. Compares each response with the database.
async fn wait_until_shared(cluster: &Cluster, ids: &[String], after: &str) {
    let started = Instant::now();
    for id in ids {
        let stored = stored(cluster, id).await;
        for replica in 0..REPLICAS {
            loop {
                let reply = cluster.read(replica, id).await;
                assert_eq!((reply.status, &reply.json), (200, &stored), "{after}");
                let source = reply.header("cache-status");
                if source.contains("detail=shared") {
                    break;
                }
                let waited = started.elapsed();
                assert!(
                    waited < RECOVERY_TIMEOUT,
                    "after {after}, replica {replica}: {source}"
                );
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Reads a user past the cache.
async fn stored(cluster: &Cluster, id: &str) -> Value {
    let path = format!("/v1/users/{id}");
    let current = [("Cache-Control", "no-cache")];
    cluster
        .owner()
        .service()
        .get_with(&path, &current)
        .await
        .json
}

/// Reads users through all replicas and changes one. Compares each response with the database.
async fn assert_reads_are_correct(cluster: &Cluster, ids: &[String], what: &str) {
    for id in ids {
        let stored = stored(cluster, id).await;
        for replica in 0..REPLICAS {
            let reply = cluster.read(replica, id).await;
            assert_eq!((reply.status, &reply.json), (200, &stored), "{what}");
        }
    }
    let written = cluster.write(0, &ids[0], what).await;
    assert_eq!(cluster.read(0, &ids[0]).await.version(), written, "{what}");
}

/// Asserts that each kind of garbage under the keys that match a pattern is ignored, and that Redis is used again.
async fn assert_garbage_is_ignored(pattern: &str, and_then: impl AsyncFn(&Cluster)) {
    let cluster = Cluster::start_with(REPLICAS, &REDIS_ONLY, Guards::default()).await;
    let ids = shared_users(&cluster).await;
    for garbage in ALL {
        let planted = plant(&cluster, pattern, garbage).await;
        assert!(planted > 0, "nothing was planted at {pattern}");
        and_then(&cluster).await;
        let what = format!("{garbage:?} at {pattern}");
        assert_reads_are_correct(&cluster, &ids, &what).await;
        wait_until_shared(&cluster, &ids, &what).await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_instead_of_users_is_ignored() {
    assert_garbage_is_ignored("user-service:*:user:*", async |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_instead_of_the_epoch_is_ignored() {
    assert_garbage_is_ignored("user-service:*:epoch", async |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_instead_of_the_position_is_ignored() {
    assert_garbage_is_ignored("user-service:*:outbox-position", async |cluster| {
        // The position is read when a connection is established.
        cluster.redis.close_connections().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_under_all_keys_is_ignored() {
    assert_garbage_is_ignored("user-service:*", async |_| {}).await;
}

/// An overwritten lease has no expiry. It would keep its user out of Redis forever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_instead_of_leases_expires() {
    let cluster = Cluster::start_with(REPLICAS, &REDIS_ONLY, Guards::default()).await;
    let ids = shared_users(&cluster).await;
    for garbage in [Garbage::RandomBytes, Garbage::Empty, Garbage::List] {
        for user in cluster.redis.keys("user-service:*:user:*").await {
            let lease = user.replace(":user:", ":lease:");
            cluster.redis.set_raw(&lease, b"").await;
            cluster.redis.command(&["DEL", &user]).await;
        }
        plant(&cluster, "user-service:*:lease:*", garbage).await;
        wait_until_shared(&cluster, &ids, &format!("{garbage:?}")).await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_garbage_is_invisible_to_clients() {
    let cluster = Cluster::start(REPLICAS).await;
    let trial = Trial::run(&cluster, "garbage planted", async |cluster| {
        for round in 0..12 {
            plant(cluster, "user-service:*", ALL[round % ALL.len()]).await;
            sleep(FAULT_DURATION / 12).await;
        }
    })
    .await;
    trial.assert_clean();
    trial.assert_reads_were_fast();
    wait_until_redis_is_used(&cluster, trial.end).await;
    cluster.stop().await;
}
