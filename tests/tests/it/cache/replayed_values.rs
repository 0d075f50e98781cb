//! An attacker that can write into Redis restores earlier values there. No replica may serve them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;
use user_adapters::guards::{Guard, Guards};
use user_domain::ports::UserWriter as _;
use user_domain::test_support::samples;
use user_tests::{Cluster, RedisReply, Reply, TestApp, claims, sign};

use super::REDIS_ONLY;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Keys and values copied from Redis.
type Copies = BTreeMap<String, Vec<u8>>;

/// Users that lose a role, a session or their account, with the token that each had before.
struct Users {
    former_administrator: String,
    suspended: String,
    signed_out: String,
    deleted: String,
    erased: String,
    tokens: BTreeMap<String, String>,
}

impl Users {
    async fn register(app: &TestApp) -> Self {
        let mut tokens = BTreeMap::new();
        let mut ids = Vec::new();
        for name in ["boss", "rude", "away", "gone", "forgotten"] {
            let roles = if name == "boss" {
                json!(["admin"])
            } else {
                json!([])
            };
            let email = format!("{name}@example.org");
            let body = json!({"username": name, "email": email, "roles": roles});
            let created = app.service().post("/v1/users", &body).await;
            assert_eq!(created.status, 201, "{}", created.json);
            let id = created.json["id"].as_str().unwrap().to_owned();
            tokens.insert(id.clone(), format!("Bearer {}", sign(&claims(&id))));
            ids.push(id);
        }
        let [former_administrator, suspended, signed_out, deleted, erased] =
            ids.try_into().unwrap();
        Self {
            former_administrator,
            suspended,
            signed_out,
            deleted,
            erased,
            tokens,
        }
    }

    fn all(&self) -> [&String; 5] {
        [
            &self.former_administrator,
            &self.suspended,
            &self.signed_out,
            &self.deleted,
            &self.erased,
        ]
    }

    /// Applies the change of each user.
    async fn change(&self, app: &TestApp) {
        let service = app.service();
        let path = |id: &str, rest: &str| format!("/v1/users/{id}{rest}");
        let body = json!({"roles": []});
        let replies = [
            service
                .patch(&path(&self.former_administrator, ""), &body)
                .await,
            service
                .post_empty(&path(&self.suspended, "/suspend"), &[])
                .await,
            service
                .post_empty(&path(&self.signed_out, "/sign-out"), &[])
                .await,
            service.delete(&path(&self.deleted, "")).await,
            service.delete(&path(&self.erased, "?erase=true")).await,
        ];
        for reply in replies {
            assert!(
                matches!(reply.status, 200 | 204),
                "{} {}",
                reply.status,
                reply.json
            );
        }
    }

    /// The first response of a replica that shows a state from before the changes.
    async fn stale_response(&self, app: &TestApp) -> Option<String> {
        let read = async |id: &str| app.service().get(&format!("/v1/users/{id}")).await;
        let me = async |id: &str| {
            app.authorized(self.tokens[id].clone())
                .get("/v1/users/me")
                .await
        };
        let stale = |what: &str, reply: Reply| Some(format!("{what}: {}", reply.text));
        let administrator = read(&self.former_administrator).await;
        if administrator.json["roles"] != json!([]) {
            return stale("an administrator", administrator);
        }
        let suspended = read(&self.suspended).await;
        if suspended.json["status"] != "suspended" {
            return stale("a suspended user", suspended);
        }
        for id in [
            &self.suspended,
            &self.signed_out,
            &self.deleted,
            &self.erased,
        ] {
            let own = me(id).await;
            if own.status != 401 {
                return stale("an old token", own);
            }
        }
        for id in [&self.deleted, &self.erased] {
            let reply = read(id).await;
            if reply.json["status"] == "active" {
                return stale("a deleted user", reply);
            }
        }
        None
    }
}

/// Copies all values from Redis.
async fn copy_values(cluster: &Cluster) -> Copies {
    let mut copies = Copies::new();
    for key in cluster.redis.keys("user-service:*").await {
        if key.contains(":lease:") {
            continue;
        }
        if let RedisReply::Bytes(value) = cluster.redis.command(&["GET", &key]).await {
            copies.insert(key, value);
        }
    }
    copies
}

/// Restores values under their own keys.
async fn restore_values(cluster: &Cluster, copies: &Copies) {
    for (key, value) in copies {
        cluster.redis.set_raw(key, value).await;
    }
}

/// Stores the value of each user under the key of another user.
async fn swap_values(cluster: &Cluster, copies: &Copies) {
    let users: Vec<(&String, &Vec<u8>)> = copies
        .iter()
        .filter(|(key, _)| key.contains(":user:"))
        .collect();
    for (place, (key, _)) in users.iter().enumerate() {
        let (_, value) = users[(place + 1) % users.len()];
        cluster.redis.set_raw(key, value).await;
    }
}

/// Reads users until a replica gets each from Redis.
async fn wait_until_shared(cluster: &Cluster, ids: &[&String]) {
    for id in ids {
        for replica in 0..cluster.replicas.len() {
            wait_until_shared_by(cluster, replica, id).await;
        }
    }
}

async fn wait_until_shared_by(cluster: &Cluster, replica: usize, id: &str) {
    let started = Instant::now();
    while !is_shared(&cluster.read(replica, id).await) {
        assert!(started.elapsed() < TIMEOUT, "{id} is not in Redis");
        sleep(Duration::from_millis(20)).await;
    }
}

fn is_shared(reply: &Reply) -> bool {
    reply.header("cache-status").contains("detail=shared")
}

/// Waits until no replica serves a state from before the changes.
async fn wait_until_current(cluster: &Cluster, users: &Users) {
    let started = Instant::now();
    for replica in &cluster.replicas {
        while let Some(stale) = users.stale_response(&replica.app).await {
            assert!(started.elapsed() < TIMEOUT, "{stale}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Copies users from Redis, changes them, restores the copies, and returns the stale responses. The replicas are two
/// that ran all the time, one that starts after the changes, and one that also has an in-process cache.
async fn stale_responses_after_replay(guards: Guards) -> Vec<String> {
    let mut cluster = Cluster::start_with(2, &REDIS_ONLY, guards).await;
    let users = Users::register(cluster.owner()).await;
    wait_until_shared(&cluster, &users.all()).await;
    let copies = copy_values(&cluster).await;
    users.change(&cluster.replicas[0].app).await;
    wait_until_current(&cluster, &users).await;

    cluster.join(&REDIS_ONLY, guards).await;
    cluster.join(&[], guards).await;
    cluster.wait_until_connected().await;
    let mut stale = Vec::new();
    for (place, replica) in cluster.replicas.iter().enumerate() {
        for _ in 0..3 {
            restore_values(&cluster, &copies).await;
            let own = users.stale_response(&replica.app).await;
            swap_values(&cluster, &copies).await;
            let others = users.stale_response(&replica.app).await;
            let found = own.into_iter().chain(others);
            stale.extend(found.map(|found| format!("replica {place} served {found}")));
        }
    }
    cluster.stop().await;
    stale
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replayed_sealed_users_are_served_by_no_replica() {
    assert_eq!(
        stale_responses_after_replay(Guards::default()).await,
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replayed_sealed_users_would_be_served_without_the_guard() {
    let stale = stale_responses_after_replay(Guards::without(Guard::RecentChanges)).await;
    for replica in 0..4 {
        let name = format!("replica {replica} ");
        assert!(
            stale.iter().any(|found| found.starts_with(&name)),
            "{name}: {stale:?}"
        );
    }
}

/// All values are replayed, including the ended epoch and the earlier position.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_epoch_restores_no_user() {
    let mut cluster = Cluster::start_with(2, &REDIS_ONLY, Guards::default()).await;
    let users = Users::register(cluster.owner()).await;
    wait_until_shared(&cluster, &users.all()).await;
    let copies = copy_values(&cluster).await;
    assert!(copies.keys().any(|key| key.ends_with(":epoch")));
    users.change(&cluster.replicas[0].app).await;
    wait_until_current(&cluster, &users).await;
    cluster.redis.command(&["FLUSHALL"]).await;
    cluster.wait_until_connected().await;
    restore_values(&cluster, &copies).await;
    cluster.join(&REDIS_ONLY, Guards::default()).await;
    cluster.wait_until_connected().await;
    for _ in 0..3 {
        for replica in &cluster.replicas {
            restore_values(&cluster, &copies).await;
            assert_eq!(users.stale_response(&replica.app).await, None);
        }
    }
    cluster.stop().await;
}

/// The absence was cached before the user was created.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_absence_hides_no_user() {
    let mut cluster = Cluster::start_with(1, &REDIS_ONLY, Guards::default()).await;
    let applied = samples::registered(&samples::new_user("late"), &samples::context());
    let id = applied.user.id.to_string();
    let started = Instant::now();
    let pattern = format!("user-service:*:user:{id}");
    while cluster.redis.keys(&pattern).await.is_empty() {
        assert_eq!(cluster.read(0, &id).await.status, 404);
        assert!(started.elapsed() < TIMEOUT, "the absence is not in Redis");
        sleep(Duration::from_millis(20)).await;
    }
    let copies = copy_values(&cluster).await;
    let users = cluster.owner().composition().ports.users();
    users.add(&applied, &samples::context()).await.unwrap();
    while cluster.read(0, &id).await.status != 200 {
        assert!(started.elapsed() < TIMEOUT, "the user is not found");
        sleep(Duration::from_millis(20)).await;
    }
    cluster.join(&REDIS_ONLY, Guards::default()).await;
    cluster.wait_until_connected().await;
    for replica in &cluster.replicas {
        restore_values(&cluster, &copies).await;
        let reply = replica.app.service().get(&format!("/v1/users/{id}")).await;
        assert_eq!(reply.status, 200);
    }
    cluster.stop().await;
}

/// During a rollout, new replicas must not query the database for every user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_replica_reads_unchanged_users_from_redis() {
    let mut cluster = Cluster::start_with(1, &REDIS_ONLY, Guards::default()).await;
    let users = Users::register(cluster.owner()).await;
    wait_until_shared(&cluster, &users.all()).await;
    cluster.join(&REDIS_ONLY, Guards::default()).await;
    cluster.wait_until_connected().await;
    for id in users.all() {
        wait_until_shared_by(&cluster, 1, id).await;
    }
    cluster.stop().await;
}

/// Invalidation messages also reach a replica whose database is unreachable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_a_database_serves_nothing_older_than_invalidated() {
    let cluster = Cluster::start_with(2, &REDIS_ONLY, Guards::default()).await;
    let user = cluster.owner().register("ann").await;
    let id = user["id"].as_str().unwrap().to_owned();
    wait_until_shared(&cluster, &[&id]).await;
    let copies = copy_values(&cluster).await;
    cluster.replicas[1].database.cut();
    let started = Instant::now();
    loop {
        let reply = cluster.read(1, &id).await;
        if reply
            .header("cache-status")
            .contains("database-unreachable")
        {
            break;
        }
        assert!(
            started.elapsed() < TIMEOUT,
            "{}",
            reply.header("cache-status")
        );
        sleep(Duration::from_millis(20)).await;
    }
    cluster.write(0, &id, "new").await;
    // Redis contains the user again only after replica 0 has read it, and the message has been applied by then.
    wait_until_shared_by(&cluster, 0, &id).await;
    while cluster.read(1, &id).await.json["profile"]["bio"] != "new" {
        assert!(started.elapsed() < TIMEOUT, "the change is not visible");
        sleep(Duration::from_millis(20)).await;
    }
    let mut unavailable = 0;
    for _ in 0..10 {
        restore_values(&cluster, &copies).await;
        let reply = cluster.read(1, &id).await;
        assert!(
            reply.status == 503 || reply.json["profile"]["bio"] == "new",
            "{}",
            reply.text
        );
        unavailable += u32::from(reply.status == 503);
    }
    assert!(unavailable > 0, "the copy was never read");
    cluster.stop().await;
}
