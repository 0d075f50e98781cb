//! Each promise of the cache, kept with all guards and broken without the one that keeps it.

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

/// The tier in the process turned off, so that the one in Redis is seen.
const REDIS_ONLY: (&str, &str) = ("CACHE_MEMORY_MB", "0");
/// Longer than any promise allows what is old to be given.
const PAST_THE_BOUND: Duration = Duration::from_millis(1200);

/// Asserts that a promise is kept with all guards, and broken without one of them.
async fn stands_on<F: Future<Output = bool>>(guard: Guard, is_kept: impl Fn(Guards) -> F) {
    assert!(is_kept(Guards::default()).await, "the promise is broken");
    // On a busy machine Redis may be too late for what would break it.
    for _ in 0..3 {
        if !is_kept(Guards::without(guard)).await {
            return;
        }
    }
    panic!("the promise is kept without {guard:?}, so this test proves nothing of it");
}

/// A reader whose answers come late: it has read when it says so, and answers when it is let go.
struct SlowReader {
    reader: Arc<dyn UserReader>,
    has_read: Notify,
    answer: Notify,
}

#[async_trait]
impl UserReader for SlowReader {
    async fn find(&self, key: &UserKey) -> Result<Option<Arc<User>>, StoreError> {
        let found = self.reader.find(key).await;
        self.has_read.notify_one();
        self.answer.notified().await;
        found
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        self.reader.find_many(keys).await
    }
}

/// A read of a replica that is slow to come back from the database.
struct SlowRead {
    reader: Arc<SlowReader>,
    read: tokio::task::JoinHandle<Option<Arc<User>>>,
}

impl SlowRead {
    /// Begins a read, and gives it when the database has answered.
    async fn begin(app: &TestApp, id: &str) -> Self {
        let ports = &app.composition().ports;
        let reader = Arc::new(SlowReader {
            reader: ports.reader.clone(),
            has_read: Notify::new(),
            answer: Notify::new(),
        });
        let users = CachedUsers::new(reader.clone(), ports.writer.clone(), ports.cache.clone());
        let key = key(id);
        let read =
            tokio::spawn(async move { users.read(&key, Freshness::Bounded).await.unwrap().user });
        reader.has_read.notified().await;
        Self { reader, read }
    }

    /// Lets the answer through, and gives the version that was read.
    async fn end(self) -> i64 {
        self.reader.answer.notify_one();
        self.read.await.unwrap().unwrap().version.get()
    }
}

fn key(id: &str) -> UserKey {
    UserKey::Id(UserId::parse(id).unwrap())
}

/// Waits until a replica has nothing of a user in its hands, so that the next read asks anew.
async fn registered(cluster: &Cluster) -> String {
    registered_as("ann", cluster).await
}

async fn registered_as(name: &str, cluster: &Cluster) -> String {
    let user = cluster.owner().register(name).await;
    // The news of the creation has come to every replica.
    sleep(Duration::from_millis(600)).await;
    user["id"].as_str().unwrap().to_owned()
}

/// (a) After a write is acknowledged, the replica that wrote never gives what was before: here, a slow read would bring
/// it back through Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_a_write_of_its_replica_overtakes_is_not_kept() {
    stands_on(Guard::Lease, |guards| async move {
        let cluster = Cluster::start_with(1, &[REDIS_ONLY], guards).await;
        let id = registered(&cluster).await;
        let slow = SlowRead::begin(&cluster.replicas[0].app, &id).await;
        let written = cluster.write(0, &id, "new").await;
        // By then the outbox has been followed: nothing but the lease remembers the write.
        sleep(PAST_THE_BOUND).await;
        assert_eq!(slow.end().await, written - 1);
        sleep(Duration::from_millis(100)).await;
        let seen = cluster.read(0, &id).await.version();
        cluster.stop().await;
        seen == written
    })
    .await;
}

/// (c) What is older never replaces what is newer, here in the process of another replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_the_news_of_a_write_overtakes_is_not_kept() {
    stands_on(Guard::Lease, |guards| async move {
        let cluster = Cluster::start_with(2, &[], guards).await;
        let id = registered(&cluster).await;
        let slow = SlowRead::begin(&cluster.replicas[1].app, &id).await;
        let written = cluster.write(0, &id, "new").await;
        sleep(PAST_THE_BOUND).await;
        assert_eq!(slow.end().await, written - 1);
        let seen = cluster.read(1, &id).await.version();
        cluster.stop().await;
        seen == written
    })
    .await;
}

/// (c) Two reads of one replica end in the other order than they read; no news has come of the write between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_a_later_read_overtakes_is_not_kept() {
    async fn goes_back(guards: Guards) -> bool {
        // Without Redis, so that the only news comes four times a second.
        let owner = TestApp::start(user_tests::Store::Postgres).await;
        let app = owner.replica_guarded(&[], guards).await;
        let id = owner.register("ann").await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        sleep(Duration::from_millis(600)).await;
        let slow = SlowRead::begin(&app, &id).await;
        // The late news of the creation: others may no longer join the slow read.
        let old = owner
            .composition()
            .ports
            .reader
            .find(&key(&id))
            .await
            .unwrap()
            .unwrap();
        app.composition().ports.cache.notice(&old);
        let body = serde_json::json!({"profile": {"bio": "new"}});
        let path = format!("/v1/users/{id}");
        let written = owner.service().patch(&path, &body).await.version();
        let seen = app.service().get(&path).await.version();
        assert_eq!(seen, written);
        slow.end().await;
        let seen_then = app.service().get(&path).await.version();
        app.stop().await;
        owner.stop().await;
        seen_then < seen
    }
    assert!(!goes_back(Guards::default()).await);
    // The news may come just in between, and then keeps the promise by itself.
    for _ in 0..10 {
        if goes_back(Guards::without(Guard::VersionCheck)).await {
            return;
        }
    }
    panic!("the promise is kept without the check of versions");
}

/// (b) Another replica stops giving what was before, also one that has lost its database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_its_links_gives_nothing_old() {
    stands_on(Guard::PollAge, |guards| async move {
        let cluster = Cluster::start_with(2, &[], guards).await;
        let id = registered(&cluster).await;
        let old = cluster.read(1, &id).await.version();
        cluster.replicas[1].database.hang();
        cluster.replicas[1].redis.cut();
        let written = cluster.write(0, &id, "new").await;
        assert_eq!(written, old + 1);
        sleep(PAST_THE_BOUND).await;
        let answer = cluster.read(1, &id).await;
        cluster.replicas[1].database.mend();
        cluster.stop().await;
        answer.status == 503
    })
    .await;
}

/// (b) With the database away the other replicas' news vouches for what is cached; not when some of it may be missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_its_database_gives_nothing_of_before_a_gap_in_the_news() {
    stands_on(Guard::Reconnect, |guards| async move {
        let cluster = Cluster::start_with(2, &[], guards).await;
        let id = registered(&cluster).await;
        cluster.read(1, &id).await;
        cluster.replicas[1].database.cut();
        sleep(PAST_THE_BOUND).await;
        let answer = cluster.read(1, &id).await;
        let detail = "user-service; hit; detail=process-database-unreachable";
        assert_eq!(
            (answer.status, answer.header("cache-status")),
            (200, detail)
        );
        cluster.replicas[1].redis.cut();
        while cluster.listeners().await > 1 {
            sleep(Duration::from_millis(20)).await;
        }
        let written = cluster.write(0, &id, "new").await;
        // The others' tails have told of it by then.
        sleep(PAST_THE_BOUND).await;
        cluster.replicas[1].redis.mend();
        cluster.linked().await;
        let answer = cluster.read(1, &id).await;
        cluster.replicas[1].database.mend();
        cluster.stop().await;
        answer.status == 503 || answer.version() == written
    })
    .await;
}

/// (b) The data of Redis are replaced by an older copy, under the replicas' connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_older_copy_of_redis_holds_counts_for_nothing() {
    stands_on(Guard::ServerIdentity, |guards| async move {
        let cluster = Cluster::start_with(2, &[REDIS_ONLY], guards).await;
        let id = registered(&cluster).await;
        let old = until_shared(&cluster, &id).await;
        let copy = cluster.redis.copy().await;
        let written = cluster.write(0, &id, "new").await;
        assert_eq!(written, old + 1);
        assert_eq!(until_shared(&cluster, &id).await, written);
        sleep(PAST_THE_BOUND).await;
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
        sleep(PAST_THE_BOUND).await;
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

/// Reads through the second replica until the answer comes from Redis, and gives the version.
async fn until_shared(cluster: &Cluster, id: &str) -> i64 {
    let begun = Instant::now();
    loop {
        let answer = cluster.read(1, id).await;
        assert_eq!(answer.status, 200);
        if answer.header("cache-status").contains("detail=shared") {
            return answer.version();
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "Redis gives nothing"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

/// (d) As many readers of one cold user as there are cost one read of the database for each replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_of_a_cold_user_cost_one_read_a_replica() {
    stands_on(Guard::SharedFlight, |guards| async move {
        let cluster = Cluster::start_with(3, &[], guards).await;
        // Before the connections are ended, so that none of them is in the way.
        let mut users = Vec::new();
        for name in ["ann", "ben", "cid", "dan", "eve"] {
            users.push(registered_as(name, &cluster).await);
        }
        let mut is_shared = false;
        // On a busy machine an answer may come when it is too old to be shared by all who wait for it.
        for id in &users {
            is_shared = cost_of_a_thousand_readers(&cluster, id).await <= 3;
            if is_shared {
                break;
            }
        }
        cluster.stop().await;
        is_shared
    })
    .await;
}

/// Lets a thousand readers ask three replicas for one cold user, and tells how often the database was asked.
async fn cost_of_a_thousand_readers(cluster: &Cluster, id: &str) -> i64 {
    let before = reads(cluster).await;
    // Slow enough that all readers are there before the first is answered.
    for replica in &cluster.replicas {
        replica.database.delay(Duration::from_millis(40));
    }
    let readers = join_all((0..1000).map(|n| cluster.read(n % 3, id))).await;
    // A machine that is busy with other tests may be too late for some of so many.
    let in_time = |status| status == 200 || status == 503;
    assert!(readers.iter().all(|reply| in_time(reply.status)));
    for replica in &cluster.replicas {
        replica.database.delay(Duration::ZERO);
    }
    reads(cluster).await - before
}

/// How often the table of users has been read, as PostgreSQL counts.
async fn reads(cluster: &Cluster) -> i64 {
    let mut connection = cluster.owner().postgres().connect().await;
    // A connection reports what it did when it ends, and otherwise when it likes.
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    connection.execute(ended).await.unwrap();
    // The replicas connect again and follow the outbox.
    sleep(PAST_THE_BOUND).await;
    let row = sea_orm::sqlx::query(
        "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'users'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    row.get(0)
}

/// (e) That nobody has an id is remembered, and forgotten when somebody gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_did_not_exist_appears_when_created() {
    stands_on(Guard::AbsenceYields, |guards| async move {
        let cluster = Cluster::start_with(2, &[], guards).await;
        let person = samples::registered(&samples::new_user("late"), &samples::context());
        let id = person.user.id.to_string();
        for replica in [0, 1] {
            assert_eq!(cluster.read(replica, &id).await.status, 404);
        }
        let ports = &cluster.replicas[1].app.composition().ports;
        let known = ports.cache.look_up(&[person.user.id]).await;
        assert!(
            matches!(known.as_slice(), [Lookup::Hit(Hit { user: None, .. })]),
            "{known:?}"
        );
        let users = cluster.replicas[0].app.composition().ports.users();
        users.add(&person, &samples::context()).await.unwrap();
        assert_eq!(cluster.read(0, &id).await.status, 200);
        sleep(PAST_THE_BOUND).await;
        let appears = cluster.read(1, &id).await.status == 200;
        cluster.stop().await;
        appears
    })
    .await;
}
