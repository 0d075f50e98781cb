//! Each promise of the cache, kept with all guards and broken without the guard that protects it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use sea_orm::sqlx::{Connection, Executor, Row};
use tokio::sync::Notify;
use tokio::time::sleep;
use user_adapters::guards::{Guard, Guards};
use user_domain::ports::{Hit, Lookup, UserKey, UserKeys, UserReader, UserWriter};
use user_domain::test_support::samples;
use user_domain::user::User;
use user_domain::values::UserId;
use user_domain::{CachedUsers, Freshness, StoreError};
use user_tests::{Cluster, RedisReply, TestApp};

use super::REDIS_ONLY;

/// Longer than any promise allows stale data to be served.
const LONGER_THAN_BOUND: Duration = Duration::from_millis(1200);

/// Asserts that a promise is kept with all guards, and broken without one of them.
pub(super) async fn assert_needs_guard<F: Future<Output = bool>>(
    guard: Guard,
    is_kept: impl Fn(Guards) -> F,
) {
    assert_broken_with(Guards::without(guard), is_kept).await;
}

/// Asserts that a promise is kept with all guards, and broken with the remaining ones.
async fn assert_broken_with<F: Future<Output = bool>>(
    remaining: Guards,
    is_kept: impl Fn(Guards) -> F,
) {
    assert!(is_kept(Guards::default()).await, "the promise is broken");
    // On a busy machine, Redis may be too slow for the race that breaks the promise.
    for _ in 0..10 {
        if !is_kept(remaining).await {
            return;
        }
    }
    panic!(
        "the promise is kept with {remaining:?}, so this test does not show that the removed guard is needed"
    );
}

/// A reader that holds its result back. It signals `has_read` after the query and returns after `release`.
struct SlowReader {
    reader: Arc<dyn UserReader>,
    has_read: Notify,
    release: Notify,
}

#[async_trait]
impl UserReader for SlowReader {
    async fn find(&self, key: &UserKey) -> Result<Option<Arc<User>>, StoreError> {
        let found = self.reader.find(key).await;
        self.has_read.notify_one();
        self.release.notified().await;
        found
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        self.reader.find_many(keys).await
    }
}

/// A read of a replica whose result from the database is delayed.
struct SlowRead {
    reader: Arc<SlowReader>,
    read: tokio::task::JoinHandle<Option<Arc<User>>>,
}

impl SlowRead {
    /// Starts a read, and returns when the database has responded.
    async fn begin(app: &TestApp, id: &str) -> Self {
        let ports = &app.composition().ports;
        let reader = Arc::new(SlowReader {
            reader: ports.reader.clone(),
            has_read: Notify::new(),
            release: Notify::new(),
        });
        let users = CachedUsers::new(reader.clone(), ports.writer.clone(), ports.cache.clone());
        let key = key(id);
        let read =
            tokio::spawn(async move { users.read(&key, Freshness::Bounded).await.unwrap().user });
        reader.has_read.notified().await;
        Self { reader, read }
    }

    /// Releases the result, and returns the version that was read.
    async fn finish(self) -> i64 {
        self.reader.release.notify_one();
        self.read.await.unwrap().unwrap().version.get()
    }
}

fn key(id: &str) -> UserKey {
    UserKey::Id(UserId::parse(id).unwrap())
}

/// Registers a user, and waits until every replica has received the invalidation message, so that the next read misses.
async fn registered(cluster: &Cluster) -> String {
    registered_as("ann", cluster).await
}

async fn registered_as(name: &str, cluster: &Cluster) -> String {
    let user = cluster.owner().register(name).await;
    // Every replica has received the invalidation message of the creation by then.
    sleep(Duration::from_millis(600)).await;
    user["id"].as_str().unwrap().to_owned()
}

/// (a) After a write is acknowledged, the replica that wrote never returns the state before it. Here, a slow read would
/// store the old state in Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_overtaken_by_a_local_write_is_not_cached() {
    // The guard `RecentChanges` alone would also refuse the old value.
    let neither = Guards::without_both([Guard::Lease, Guard::RecentChanges]);
    assert_broken_with(neither, |guards| async move {
        let cluster = Cluster::start_with(1, &REDIS_ONLY, guards).await;
        let id = registered(&cluster).await;
        let slow = SlowRead::begin(&cluster.replicas[0].app, &id).await;
        let written = cluster.write(0, &id, "new").await;
        // By then the outbox has been polled, so that only the lease protects the write.
        sleep(LONGER_THAN_BOUND).await;
        assert_eq!(slow.finish().await, written - 1);
        sleep(Duration::from_millis(100)).await;
        let seen = cluster.read(0, &id).await.version();
        cluster.stop().await;
        seen == written
    })
    .await;
}

/// (c) Older state never replaces newer state, here in the in-process cache of another replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_overtaken_by_an_invalidation_is_not_cached() {
    assert_needs_guard(Guard::Lease, |guards| async move {
        let cluster = Cluster::start_with(2, &[], guards).await;
        let id = registered(&cluster).await;
        let slow = SlowRead::begin(&cluster.replicas[1].app, &id).await;
        let written = cluster.write(0, &id, "new").await;
        sleep(LONGER_THAN_BOUND).await;
        assert_eq!(slow.finish().await, written - 1);
        let seen = cluster.read(1, &id).await.version();
        cluster.stop().await;
        seen == written
    })
    .await;
}

/// (c) Two reads of one replica end in the reverse order of their queries. The write between them is not known yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_overtaken_by_a_later_read_is_not_cached() {
    async fn goes_back(guards: Guards) -> bool {
        // Without Redis, changes are known only by the outbox polls, four times a second.
        let owner = TestApp::start(user_tests::Store::Postgres).await;
        let app = owner.replica_with_guards(&[], guards).await;
        let id = owner.register("ann").await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        sleep(Duration::from_millis(600)).await;
        let slow = SlowRead::begin(&app, &id).await;
        // A late notice of the creation: later readers may no longer join the slow read.
        let old = owner
            .composition()
            .ports
            .reader
            .find(&key(&id))
            .await
            .unwrap()
            .unwrap();
        app.composition().ports.cache.observe(&old);
        let body = serde_json::json!({"profile": {"bio": "new"}});
        let path = format!("/v1/users/{id}");
        let written = owner.service().patch(&path, &body).await.version();
        let seen = app.service().get(&path).await.version();
        assert_eq!(seen, written);
        slow.finish().await;
        let seen_then = app.service().get(&path).await.version();
        app.stop().await;
        owner.stop().await;
        seen_then < seen
    }
    assert!(!goes_back(Guards::default()).await);
    // An outbox poll at the wrong moment also keeps the promise.
    for _ in 0..10 {
        if goes_back(Guards::without(Guard::VersionCheck)).await {
            return;
        }
    }
    panic!("the promise is kept without the version check");
}

/// (b) Other replicas stop serving the old state, even one that has lost its database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnected_replica_serves_nothing_stale() {
    assert_needs_guard(Guard::PollAge, |guards| async move {
        let cluster = Cluster::start_with(2, &[], guards).await;
        let id = registered(&cluster).await;
        let old = cluster.read(1, &id).await.version();
        cluster.replicas[1].database.hang();
        cluster.replicas[1].redis.cut();
        let written = cluster.write(0, &id, "new").await;
        assert_eq!(written, old + 1);
        sleep(LONGER_THAN_BOUND).await;
        let answer = cluster.read(1, &id).await;
        cluster.replicas[1].database.clear_faults();
        cluster.stop().await;
        answer.status == 503
    })
    .await;
}

/// (b) Without a database, invalidation messages prove freshness, but not if messages may have been missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_nothing_cached_before_a_reconnect_is_served() {
    assert_needs_guard(Guard::Reconnect, |guards| async move {
        let cluster = Cluster::start_with(2, &[], guards).await;
        let id = registered(&cluster).await;
        cluster.read(1, &id).await;
        cluster.replicas[1].database.cut();
        sleep(LONGER_THAN_BOUND).await;
        let answer = cluster.read(1, &id).await;
        let detail = "user-service; hit; detail=process-database-unreachable";
        assert_eq!(
            (answer.status, answer.header("cache-status")),
            (200, detail)
        );
        cluster.replicas[1].redis.cut();
        while cluster.subscriber_count().await > 1 {
            sleep(Duration::from_millis(20)).await;
        }
        let written = cluster.write(0, &id, "new").await;
        // The outbox pollers of the other replicas have published the change by then.
        sleep(LONGER_THAN_BOUND).await;
        cluster.replicas[1].redis.clear_faults();
        cluster.wait_until_connected().await;
        let answer = cluster.read(1, &id).await;
        cluster.replicas[1].database.clear_faults();
        cluster.stop().await;
        answer.status == 503 || answer.version() == written
    })
    .await;
}

/// (b) An older copy replaces the data of Redis while the replicas stay connected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_from_an_older_copy_of_redis_are_ignored() {
    // The guard `RecentChanges` alone would also refuse the old value.
    let neither = Guards::without_both([Guard::ServerIdentity, Guard::RecentChanges]);
    assert_broken_with(neither, |guards| async move {
        let cluster = Cluster::start_with(2, &REDIS_ONLY, guards).await;
        let id = registered(&cluster).await;
        let old = read_until_shared(&cluster, &id).await;
        let copy = cluster.redis.copy().await;
        let written = cluster.write(0, &id, "new").await;
        assert_eq!(written, old + 1);
        assert_eq!(read_until_shared(&cluster, &id).await, written);
        sleep(LONGER_THAN_BOUND).await;
        let port = copy.url().rsplit(':').next().unwrap().to_owned();
        cluster
            .redis
            .command(&["REPLICAOF", "127.0.0.1", &port])
            .await;
        while !info(&cluster, "replication")
            .await
            .contains("master_link_status:up")
        {
            sleep(Duration::from_millis(5)).await;
        }
        cluster.redis.command(&["REPLICAOF", "NO", "ONE"]).await;
        sleep(LONGER_THAN_BOUND).await;
        let seen = cluster.read(1, &id).await.version();
        cluster.stop().await;
        seen == written
    })
    .await;
}

async fn info(cluster: &Cluster, section: &str) -> String {
    match cluster.redis.command(&["INFO", section]).await {
        RedisReply::Bytes(text) => String::from_utf8(text).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Reads through the second replica until the response comes from Redis, and returns the version.
async fn read_until_shared(cluster: &Cluster, id: &str) -> i64 {
    let started = Instant::now();
    loop {
        let answer = cluster.read(1, id).await;
        assert_eq!(answer.status, 200);
        if answer.header("cache-status").contains("detail=shared") {
            return answer.version();
        }
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "no response comes from Redis"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

/// (d) Any number of concurrent readers of an uncached user cause one database read per replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_readers_of_an_uncached_user_cost_one_query_per_replica() {
    assert_needs_guard(Guard::ReadCoalescing, |guards| async move {
        let cluster = Cluster::start_with(3, &[], guards).await;
        // Registers all users before connections are closed for counting.
        let mut users = Vec::new();
        for name in ["ann", "ben", "cid", "dan", "eve"] {
            users.push(registered_as(name, &cluster).await);
        }
        let mut is_shared = false;
        // On a busy machine, a query may be too old when later readers arrive. They then start a new one.
        for id in &users {
            let queries = queries_of_many_readers(&cluster, id).await;
            println!("300 readers of three replicas cost {queries} queries");
            is_shared = queries <= 3;
            if is_shared {
                break;
            }
        }
        cluster.stop().await;
        is_shared
    })
    .await;
}

/// Reads one uncached user from three replicas with 300 clients. Returns the number of database reads.
async fn queries_of_many_readers(cluster: &Cluster, id: &str) -> i64 {
    let before = reads(cluster).await;
    // Slow enough that all requests arrive before the first response.
    for replica in &cluster.replicas {
        replica.database.delay(Duration::from_millis(40));
    }
    let readers = join_all((0..300).map(|n| cluster.read(n % 3, id))).await;
    // On a busy machine, some of the requests may be refused.
    let in_time = |status| status == 200 || status == 503;
    assert!(readers.iter().all(|reply| in_time(reply.status)));
    for replica in &cluster.replicas {
        replica.database.delay(Duration::ZERO);
    }
    reads(cluster).await - before
}

/// Returns how often users have been read by id, according to PostgreSQL. A worker reads them by another index.
async fn reads(cluster: &Cluster) -> i64 {
    let mut connection = cluster.owner().postgres().connect().await;
    // A connection reports its statistics reliably only when it ends.
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    connection.execute(ended).await.unwrap();
    // The replicas reconnect and poll the outbox.
    sleep(LONGER_THAN_BOUND).await;
    let row = sea_orm::sqlx::query(
        "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'users_pkey'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    row.get(0)
}

/// (e) That an id belongs to no user is cached, and invalidated when the id gets a user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cached_absence_ends_when_the_user_is_created() {
    assert_needs_guard(Guard::AbsenceInvalidation, |guards| async move {
        let cluster = Cluster::start_with(2, &[], guards).await;
        let registered = samples::registered(&samples::new_user("late"), &samples::context());
        let id = registered.user.id.to_string();
        for replica in [0, 1] {
            assert_eq!(cluster.read(replica, &id).await.status, 404);
        }
        let ports = &cluster.replicas[1].app.composition().ports;
        let cached = ports.cache.look_up(&[registered.user.id]).await;
        assert!(
            matches!(cached.as_slice(), [Lookup::Hit(Hit { user: None, .. })]),
            "{cached:?}"
        );
        let users = cluster.replicas[0].app.composition().ports.users();
        users.add(&registered, &samples::context()).await.unwrap();
        assert_eq!(cluster.read(0, &id).await.status, 200);
        sleep(LONGER_THAN_BOUND).await;
        let appears = cluster.read(1, &id).await.status == 200;
        cluster.stop().await;
        appears
    })
    .await;
}
