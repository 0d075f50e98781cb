//! Standbys that answer lists, and the tokens by which clients read their own writes.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use sea_orm::sqlx::{Executor, Row};
use serde_json::json;
use tokio::time::Instant;
use user_adapters::guards::{Guard, Guards};
use user_tests::{PostgresServer, Reply, Store, TestApp};

use crate::common::{assert_problem, eventually, id, path};

const TOKEN: &str = "consistency-token";
const WITHOUT_PRIMARY: &str = "user-service; fwd=miss; detail=standby";

/// A primary server with standbys, and replicas of the service that use them.
struct Trial {
    primary: PostgresServer,
    standbys: Vec<PostgresServer>,
    owner: TestApp,
}

impl Trial {
    async fn start(standbys: usize) -> Self {
        let primary = PostgresServer::start().await;
        let owner = TestApp::start(Store::Sqlite).await;
        let mut trial = Self {
            primary,
            standbys: Vec::new(),
            owner,
        };
        trial.replica(&[]).await.stop().await;
        for _ in 0..standbys {
            trial.standbys.push(trial.primary.start_standby().await);
        }
        trial
    }

    async fn replica(&self, settings: &[(&str, &str)]) -> TestApp {
        self.replica_with(settings, Guards::default()).await
    }

    async fn replica_with(&self, settings: &[(&str, &str)], guards: Guards) -> TestApp {
        let (primary, standbys) = (self.primary.url(), self.read_urls());
        let mut all = vec![("DATABASE_URI", primary.as_str())];
        if !self.standbys.is_empty() {
            all.push(("DATABASE_READ_URIS", &standbys));
        }
        all.extend(settings);
        self.owner.replica_with_guards(&all, guards).await
    }

    fn read_urls(&self) -> String {
        let urls: Vec<String> = self.standbys.iter().map(PostgresServer::url).collect();
        urls.join(",")
    }

    /// Delays the replay of commits on a standby.
    async fn delay(&self, standby: usize, delay: &str) {
        let delay = format!("ALTER SYSTEM SET recovery_min_apply_delay = '{delay}'");
        self.standbys[standby].execute(&delay).await;
        self.standbys[standby]
            .execute("SELECT pg_reload_conf()")
            .await;
    }

    async fn stop(self, replicas: impl IntoIterator<Item = TestApp>) {
        for replica in replicas {
            replica.stop().await;
        }
        self.owner.stop().await;
    }
}

/// How often the rows of users were read on a server.
async fn scans(server: &PostgresServer) -> i64 {
    let scans = "SELECT coalesce(sum(seq_scan + idx_scan), 0)::int8 FROM pg_stat_user_tables WHERE relname = 'users'";
    let row = server.connect().await.fetch_one(scans).await;
    row.unwrap().get(0)
}

async fn all_scans(servers: &[PostgresServer]) -> i64 {
    join_all(servers.iter().map(scans)).await.iter().sum()
}

fn by_name(name: &str) -> String {
    format!("/v1/users?username_prefix={name}")
}

async fn list(app: &TestApp, name: &str, token: Option<&str>) -> Reply {
    let headers: Vec<(&str, &str)> = token.map(|token| (TOKEN, token)).into_iter().collect();
    let reply = app.service().get_with(&by_name(name), &headers).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply
}

fn users(reply: &Reply) -> usize {
    reply.json["users"].as_array().unwrap().len()
}

/// Registers a user and returns it with the token of the write.
async fn register(app: &TestApp, name: &str) -> (serde_json::Value, String) {
    let body = json!({"username": name, "email": format!("{name}@example.org")});
    let reply = app.service().post("/v1/users", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let token = reply.header(TOKEN).to_owned();
    assert_ne!(token, "", "a write has a token");
    (reply.json, token)
}

/// Waits until lists of this replica are answered by standbys.
async fn wait_for_standbys(app: &TestApp, trial: &Trial) {
    eventually("no standby is used", async || {
        let before = all_scans(&trial.standbys).await;
        list(app, "nothing", None).await;
        all_scans(&trial.standbys).await > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_with_a_token_sees_the_write_on_any_replica_and_any_standby() {
    let trial = Trial::start(2).await;
    trial.delay(1, "100ms").await;
    let (writer, reader) = (trial.replica(&[]).await, trial.replica(&[]).await);
    wait_for_standbys(&reader, &trial).await;
    for round in 0..60 {
        let (user, token) = register(&writer, &format!("person{round}x")).await;
        let listed = list(&reader, &format!("person{round}x"), Some(&token)).await;
        assert_eq!(users(&listed), 1, "round {round}");
        // The other replica has the user in its cache now.
        let found = reader.service().get(&path(&user)).await;
        assert_eq!(found.json["version"], 1);
        let change = json!({"profile": {"bio": format!("bio {round}")}});
        let changed = writer.service().patch(&path(&user), &change).await;
        let token = changed.header(TOKEN);
        let found = reader
            .service()
            .get_with(&path(&user), &[(TOKEN, token)])
            .await;
        assert_eq!(found.json["version"], 2, "round {round}");
        let count = format!("/v1/users/{}/export", id(&user));
        let export = reader.service().get_with(&count, &[(TOKEN, token)]).await;
        assert_eq!(export.json["events"].as_array().unwrap().len(), 2);
    }
    let unknown = reader
        .service()
        .get_with(&by_name("person"), &[(TOKEN, "AXcAAA")])
        .await;
    assert_problem(&unknown, 400, "invalid_header");
    trial.stop([writer, reader]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_least_four_fifths_of_the_lists_leave_an_idle_primary() {
    const LISTS: usize = 200;
    let trial = Trial::start(2).await;
    let app = trial.replica(&[]).await;
    register(&app, "person").await;
    wait_for_standbys(&app, &trial).await;
    let (primary, standbys) = (
        scans(&trial.primary).await,
        all_scans(&trial.standbys).await,
    );
    for _ in 0..LISTS {
        list(&app, "person", None).await;
    }
    let share = i64::try_from(LISTS * 4 / 5).unwrap();
    eventually("too few lists were read from standbys", async || {
        all_scans(&trial.standbys).await >= standbys + share
    })
    .await;
    let on_primary = scans(&trial.primary).await - primary;
    assert!(on_primary <= share / 4, "{on_primary}");
    trial.stop([app]).await;
}

/// Lists a user that a paused standby has not received yet. Returns the number of users that are seen.
async fn seen_with_a_paused_standby(guards: Guards) -> usize {
    let trial = Trial::start(1).await;
    let app = trial.replica_with(&[], guards).await;
    register(&app, "person1").await;
    wait_for_standbys(&app, &trial).await;
    let standby = &trial.standbys[0];
    standby.execute("SELECT pg_wal_replay_pause()").await;
    eventually("the replay does not pause", async || {
        let state = "SELECT pg_get_wal_replay_pause_state()";
        let row = standby.connect().await.fetch_one(state).await;
        row.unwrap().get::<String, _>(0) == "paused"
    })
    .await;
    let (_, token) = register(&app, "person2").await;
    let seen = users(&list(&app, "person", Some(&token)).await);
    if seen == 2 {
        // Without a token the list may be as old as the poll that it relies on, and no older.
        let written = Instant::now();
        eventually("a list stays stale", async || {
            users(&list(&app, "person", None).await) == 2
        })
        .await;
        assert!(
            written.elapsed() < Duration::from_secs(3),
            "{:?}",
            written.elapsed()
        );
    }
    trial.stop([app]).await;
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_behind_is_not_read() {
    assert_eq!(seen_with_a_paused_standby(Guards::default()).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_check_of_the_position_a_standby_that_is_behind_is_read() {
    let guards = Guards::without(Guard::StandbyPosition);
    assert_eq!(seen_with_a_paused_standby(guards).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_primary_standbys_answer_lists_and_misses_for_a_bounded_time() {
    let trial = Trial::start(1).await;
    let bound = [("DATABASE_READ_SECONDS_WITHOUT_PRIMARY", "8")];
    let app = trial.replica(&bound).await;
    let (user, _) = register(&app, "person").await;
    let (uncached, _) = register(&app, "uncached").await;
    wait_for_standbys(&app, &trial).await;
    // A replica that has read neither user.
    let other = trial.replica(&bound).await;
    wait_for_standbys(&other, &trial).await;
    eventually("the standby does not have the user", async || {
        users(&list(&other, "uncached", None).await) == 1
    })
    .await;
    trial.primary.kill();

    let service = other.service();
    eventually("no list is answered by the standby", async || {
        let listed = service.get(&by_name("person")).await;
        listed.status == 200 && listed.header("cache-status") == WITHOUT_PRIMARY
    })
    .await;
    // The second read is a miss again: the first one has filled no cache.
    for _ in 0..2 {
        let found = service.get(&path(&uncached)).await;
        assert_eq!(found.status, 200, "{}", found.text);
        assert_eq!(found.header("cache-status"), WITHOUT_PRIMARY);
    }
    let batch = json!({"ids": [id(&user), id(&uncached)]});
    let batch = service.post("/v1/users/batch", &batch).await;
    assert_eq!(batch.header("cache-status"), WITHOUT_PRIMARY);
    // A standby does not decide about callers, and answers nothing that must be current.
    let caller = other.user(id(&user)).get(&path(&uncached)).await;
    assert_eq!(caller.status, 503, "{}", caller.text);
    for must_be_current in [("cache-control", "no-cache"), ("if-none-match", "\"a\"")] {
        let current = service.get_with(&path(&uncached), &[must_be_current]).await;
        assert_eq!(current.status, 503, "{must_be_current:?}: {}", current.text);
    }
    let lockout = format!("{}/lockout", path(&uncached));
    let lockout = service.get(&lockout).await;
    assert_eq!(lockout.status, 503, "{}", lockout.text);

    eventually("standbys answer without end", async || {
        let listed = service.get(&by_name("person")).await;
        let found = service.get(&path(&uncached)).await;
        (listed.status, found.status) == (503, 503)
    })
    .await;
    trial.stop([app, other]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_a_standby_cancels_or_cannot_answer_is_answered_by_the_primary() {
    let trial = Trial::start(1).await;
    let app = trial.replica(&[]).await;
    register(&app, "person").await;
    wait_for_standbys(&app, &trial).await;
    let standby = &trial.standbys[0];
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'user-service'";
    let failed = "db_reads_routed_total{route=\"primary\",reason=\"failed\"}";
    eventually("no read was cancelled", async || {
        let lists = join_all((0..8).map(|_| list(&app, "person", None)));
        let cancels = async {
            for _ in 0..5 {
                standby.execute(cancel).await;
            }
        };
        let (lists, ()) = tokio::join!(lists, cancels);
        assert!(lists.iter().all(|listed| users(listed) == 1));
        let metrics = app.anonymous().get("/metrics").await.text;
        metrics.lines().any(|line| line.starts_with(failed))
    })
    .await;
    standby.kill();
    let lists = join_all((0..8).map(|_| list(&app, "person", None))).await;
    assert!(lists.iter().all(|listed| users(listed) == 1));
    standby.restart().await;
    wait_for_standbys(&app, &trial).await;
    trial.stop([app]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_left_the_history_of_the_primary_is_not_read() {
    let trial = Trial::start(1).await;
    let app = trial.replica(&[]).await;
    register(&app, "person1").await;
    wait_for_standbys(&app, &trial).await;
    let standby = &trial.standbys[0];
    standby.execute("SELECT pg_promote()").await;
    // Its own log grows beyond that of the primary server.
    standby
        .execute("CREATE TABLE filler AS SELECT generate_series(1, 100000)")
        .await;
    let (_, token) = register(&app, "person2").await;
    for _ in 0..20 {
        assert_eq!(users(&list(&app, "person", Some(&token)).await), 2);
    }
    eventually("a list stays stale", async || {
        users(&list(&app, "person", None).await) == 2
    })
    .await;
    trial.stop([app]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_may_send_and_read_the_token() {
    let trial = Trial::start(1).await;
    let origins = [("CORS_ALLOWED_ORIGINS", "https://app.example")];
    let app = trial.replica(&origins).await;
    let preflight = app
        .anonymous()
        .request(Method::OPTIONS, "/v1/users")
        .header("Origin", "https://app.example")
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", TOKEN);
    assert_eq!(Reply::send(preflight).await.status, 204);
    let read = app
        .service()
        .get_with("/v1/users", &[("Origin", "https://app.example")])
        .await;
    let exposed = read.header("access-control-expose-headers").to_lowercase();
    assert!(exposed.contains(TOKEN), "{exposed}");
    trial.stop([app]).await;
}
