//! What others have put under the cache's keys in Redis counts for nothing, and does not stay in the way.

use std::time::{Duration, Instant};

use rand::{RngExt, rngs::StdRng};
use serde_json::Value;
use tokio::time::sleep;
use user_adapters::guards::Guards;
use user_tests::{Cluster, RedisReply};

use super::super::workload::REPLICAS;
use super::{FAULTY, SOON, Trial, is_shared_again};

/// The tier in the process turned off, so that each read asks Redis.
const REDIS_ONLY: (&str, &str) = ("CACHE_MEMORY_MB", "0");

/// What is put in the place of a value.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Garbage {
    RandomBytes,
    Nothing,
    List,
    Hash,
    Neighbour,
    LaterSchema,
    RaisedVersion,
    Truncated,
}

const ALL: [Garbage; 8] = [
    Garbage::RandomBytes,
    Garbage::Nothing,
    Garbage::List,
    Garbage::Hash,
    Garbage::Neighbour,
    Garbage::LaterSchema,
    Garbage::RaisedVersion,
    Garbage::Truncated,
];

impl Garbage {
    /// Any kind.
    pub(in super::super) fn any(random: &mut StdRng) -> Self {
        ALL[random.random_range(0..ALL.len())]
    }
}

/// Puts garbage in the place of each value whose key fits a pattern, made of what was there; gives how many there were.
pub(in super::super) async fn plant(cluster: &Cluster, pattern: &str, garbage: Garbage) -> usize {
    let redis = &cluster.redis;
    let keys = redis.keys(pattern).await;
    let mut values = Vec::with_capacity(keys.len());
    for key in &keys {
        // What is no text by now is garbage already.
        values.push(match redis.command(&["GET", key]).await {
            RedisReply::Bytes(value) => value,
            _ => b"x y z 1\n".to_vec(),
        });
    }
    for (place, key) in keys.iter().enumerate() {
        let own = values[place].as_slice();
        let neighbour = values[(place + 1) % values.len()].as_slice();
        match spoilt(garbage, own, neighbour) {
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

/// Makes garbage of a value; nothing if it is of another type.
fn spoilt(garbage: Garbage, own: &[u8], neighbour: &[u8]) -> Option<Vec<u8>> {
    let head_ends = own.iter().position(|byte| *byte == b'\n');
    let (head, row) = own.split_at(head_ends.unwrap_or(own.len()));
    let mut words: Vec<String> = String::from_utf8_lossy(head)
        .split(' ')
        .map(str::to_owned)
        .collect();
    let again = |words: Vec<String>| [words.join(" ").as_bytes(), row].concat();
    Some(match garbage {
        Garbage::List | Garbage::Hash => return None,
        Garbage::RandomBytes => (0..200).map(|_| rand::random()).collect(),
        Garbage::Nothing => Vec::new(),
        Garbage::Neighbour => neighbour.to_vec(),
        Garbage::Truncated => own[..own.len() / 2].to_vec(),
        Garbage::LaterSchema => {
            "2".clone_into(&mut words[0]);
            again(words)
        }
        Garbage::RaisedVersion => {
            let version = words.pop().and_then(|version| version.parse::<i64>().ok());
            words.push((version.unwrap_or(0) + 1).to_string());
            again(words)
        }
    })
}

/// Registers users, and lets all replicas have them in Redis.
async fn shared_users(cluster: &Cluster) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..6 {
        let user = cluster.owner().register(&format!("person{number}")).await;
        ids.push(user["id"].as_str().unwrap().to_owned());
    }
    until_shared(cluster, &ids, "their registration").await;
    ids
}

/// Reads users until each replica gets each from Redis, and holds each answer to what the database has.
async fn until_shared(cluster: &Cluster, ids: &[String], after: &str) {
    let begun = Instant::now();
    for id in ids {
        let truth = truth(cluster, id).await;
        for replica in 0..REPLICAS {
            loop {
                let reply = cluster.read(replica, id).await;
                assert_eq!((reply.status, &reply.json), (200, &truth), "{after}");
                let source = reply.header("cache-status");
                if source.contains("detail=shared") {
                    break;
                }
                let waited = begun.elapsed();
                assert!(waited < SOON, "after {after}, replica {replica}: {source}");
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// A user as the database has it.
async fn truth(cluster: &Cluster, id: &str) -> Value {
    let path = format!("/v1/users/{id}");
    let current = [("Cache-Control", "no-cache")];
    cluster
        .owner()
        .service()
        .get_with(&path, &current)
        .await
        .json
}

/// Reads users through all replicas at once, changes one, and holds each answer to what the database has.
async fn gives_what_is_right(cluster: &Cluster, ids: &[String], what: &str) {
    for id in ids {
        let truth = truth(cluster, id).await;
        for replica in 0..REPLICAS {
            let reply = cluster.read(replica, id).await;
            assert_eq!((reply.status, &reply.json), (200, &truth), "{what}");
        }
    }
    let written = cluster.write(0, &ids[0], what).await;
    assert_eq!(cluster.read(0, &ids[0]).await.version(), written, "{what}");
}

/// Plants each garbage under the keys that fit a pattern: nothing is wrong, and Redis is used again.
async fn counts_for_nothing(pattern: &str, and_then: impl AsyncFn(&Cluster)) {
    let cluster = Cluster::start_with(REPLICAS, &[REDIS_ONLY], Guards::default()).await;
    let ids = shared_users(&cluster).await;
    for garbage in ALL {
        let planted = plant(&cluster, pattern, garbage).await;
        assert!(planted > 0, "nothing was planted at {pattern}");
        and_then(&cluster).await;
        let what = format!("{garbage:?} at {pattern}");
        gives_what_is_right(&cluster, &ids, &what).await;
        until_shared(&cluster, &ids, &what).await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_the_place_of_users_counts_for_nothing() {
    counts_for_nothing("user-service:*:user:*", async |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_the_place_of_the_epoch_counts_for_nothing() {
    counts_for_nothing("user-service:*:epoch", async |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_the_place_of_the_position_counts_for_nothing() {
    counts_for_nothing("user-service:*:position", async |cluster| {
        // The position is read when a link comes up.
        for kind in ["normal", "pubsub"] {
            cluster
                .redis
                .command(&["CLIENT", "KILL", "TYPE", kind])
                .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_everywhere_counts_for_nothing() {
    counts_for_nothing("user-service:*", async |_| {}).await;
}

/// A lease that has lost its end, as one that is overwritten does, would keep its user out of Redis for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_the_place_of_leases_does_not_stay_in_the_way() {
    let cluster = Cluster::start_with(REPLICAS, &[REDIS_ONLY], Guards::default()).await;
    let ids = shared_users(&cluster).await;
    for garbage in [Garbage::RandomBytes, Garbage::Nothing, Garbage::List] {
        for user in cluster.redis.keys("user-service:*:user:*").await {
            let lease = user.replace(":user:", ":lease:");
            cluster.redis.set_raw(&lease, b"").await;
            cluster.redis.command(&["DEL", &user]).await;
        }
        plant(&cluster, "user-service:*:lease:*", garbage).await;
        until_shared(&cluster, &ids, &format!("{garbage:?}")).await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_may_be_planted_again_and_again() {
    let cluster = Cluster::start(REPLICAS).await;
    let trial = Trial::of(&cluster, "garbage planted", async |cluster| {
        for round in 0..12 {
            plant(cluster, "user-service:*", ALL[round % ALL.len()]).await;
            sleep(FAULTY / 12).await;
        }
    })
    .await;
    trial.assert_clean();
    trial.assert_nobody_waited();
    is_shared_again(&cluster, trial.end).await;
    cluster.stop().await;
}
