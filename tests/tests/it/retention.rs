//! What is over its time: removed by every replica and by the command, told to all of them, and nothing of it left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use sea_orm::sqlx::{AssertSqlSafe, Row};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use serde_json::json;
use user_domain::caller::Caller;
use user_domain::test_support::fakes::FixedClock;
use user_domain::use_cases::{Pace, Ports, PurgeReport, UseCases};
use user_domain::user::User;
use user_domain::values::Timestamp;
use user_domain::write::NAME_REST;
use user_tests::{Reply, Store, TestApp, configured};

use crate::common::{assert_problem, everything, id, path};

const PATIENCE: Duration = Duration::from_secs(10);

/// A pace without rests, so that a test does not wait.
struct AtOnce;

#[async_trait]
impl Pace for AtOnce {
    async fn rest(&self) {}

    fn is_over(&self) -> bool {
        false
    }
}

/// Purges by a replica whose clock goes ahead by this much.
async fn purge_later(app: &TestApp, later: Duration) -> PurgeReport {
    let ports = app.composition().ports.clone();
    let now: Timestamp = ports.clock.now().plus(later);
    let use_cases = UseCases::new(&Ports {
        clock: Arc::new(FixedClock::from(now)),
        ..ports
    });
    let report = use_cases
        .purge_expired
        .run(&Caller::Operator, &AtOnce)
        .await;
    let report = report.unwrap();
    assert!(report.is_whole(), "{report:?}");
    report
}

fn counts(report: &PurgeReport) -> BTreeMap<&'static str, u64> {
    let count = |done: &user_domain::use_cases::PurgedKind| (done.kind, done.removed);
    report.kinds.iter().map(count).collect()
}

fn database_url(app: &TestApp) -> String {
    // One slash less: SQLAlchemy's way of naming a file is not this one's.
    app.database_uri().replacen("sqlite:////", "sqlite:///", 1)
}

async fn database(app: &TestApp) -> DatabaseConnection {
    Database::connect(database_url(app)).await.unwrap()
}

user_tests::on_each_store! {
    async fn a_user_deleted_for_30_days_cannot_be_restored_and_gives_free_all_but_its_name(app: &TestApp) {
        let service = app.service();
        let reply = service.post("/v1/users", &everything("Alice")).await;
        let user = reply.json;
        let kept = app.register("bob").await;
        for user in [&user, &kept] {
            assert_eq!(service.delete(&path(user)).await.status, 204);
        }
        let almost = User::RESTORABLE.saturating_sub(Duration::from_mins(1));
        assert_eq!(counts(&purge_later(app, almost).await)["users"], 0);
        let restored = service.verb(&format!("{}/restore", path(&kept)), &[]).await;
        assert_eq!(restored.status, 200, "{}", restored.text);

        assert_eq!(counts(&purge_later(app, User::RESTORABLE).await)["users"], 1);
        assert_problem(&service.verb(&format!("{}/restore", path(&user)), &[]).await, 404, "user_not_found");
        assert_eq!(service.get("/v1/users/count?status=deleted").await.json["count"], 0);
        assert_eq!(service.get(&path(&kept)).await.status, 200);
        let body = json!({"username": "somebody", "email": user["email"], "external_id": user["external_id"]});
        assert_eq!(service.post("/v1/users", &body).await.status, 201);
        let body = json!({"username": "ALICE", "email": "other@example.org"});
        assert_problem(&service.post("/v1/users", &body).await, 409, "username_taken");
    }

    async fn a_second_purge_finds_nothing(app: &TestApp) {
        let user = app.register("alice").await;
        app.service().delete(&path(&user)).await;
        purge_later(app, User::RESTORABLE).await;
        let again = purge_later(app, User::RESTORABLE).await;
        assert!(counts(&again).values().all(|removed| *removed == 0), "{again:?}");
    }

    async fn replicas_that_purge_at_once_do_each_thing_once(app: &TestApp) {
        let (other, third) = (app.replica().await, app.replica().await);
        let service = app.service();
        for n in 0..70 {
            let body = json!({"username": format!("leaver{n}"), "email": format!("leaver{n}@example.org")});
            let made = service.post_with("/v1/users", &body, &[("Idempotency-Key", &format!("key{n}"))]).await;
            assert_eq!(service.delete(&path(&made.json)).await.status, 204);
        }
        let reports = join_all([app, &other, &third].map(|replica| purge_later(replica, User::RESTORABLE))).await;
        let left = purge_later(app, User::RESTORABLE).await;
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (kind, removed) in reports.iter().chain([&left]).flat_map(counts) {
            *sums.entry(kind).or_default() += removed;
        }
        assert_eq!(sums, BTreeMap::from([("users", 70), ("events", 140), ("idempotency_keys", 70), ("usernames", 0), ("login_attempts", 0)]));
        // One event of each erasure is younger, and goes later.
        assert_eq!(counts(&purge_later(app, User::RESTORABLE * 3).await)["events"], 70);
        other.stop().await;
        third.stop().await;
    }

    async fn a_restoration_that_races_a_purge_is_either_kept_or_too_late(app: &TestApp) {
        let other = app.replica().await;
        let service = app.service();
        let mut leavers = Vec::new();
        for n in 0..60 {
            let user = app.register(&format!("leaver{n}")).await;
            assert_eq!(service.delete(&path(&user)).await.status, 204);
            leavers.push(path(&user));
        }
        // The longest deleted are erased first; these restorations come from the other end.
        let restoring = async {
            let mut replies: Vec<Reply> = Vec::new();
            for path in leavers.iter().rev() {
                replies.push(service.verb(&format!("{path}/restore"), &[]).await);
            }
            replies
        };
        let (report, replies) = tokio::join!(purge_later(&other, User::RESTORABLE), restoring);
        let mut erased = 0;
        for (path, reply) in leavers.iter().rev().zip(&replies) {
            for replica in [app, &other] {
                let now = replica.service().get(path).await;
                assert_eq!((reply.status, now.status), (now.status, reply.status), "{}", now.text);
            }
            assert!(matches!(reply.status, 200 | 404), "{}", reply.text);
            erased += u64::from(reply.status == 404);
        }
        assert_eq!(counts(&report)["users"], erased);
        other.stop().await;
    }

    async fn replicas_hear_of_changes_though_the_events_before_them_are_purged(app: &TestApp) {
        let other = app.replica().await;
        let user = app.register("alice").await;
        for n in 0..3 {
            assert_eq!(other.service().get(&path(&user)).await.json["version"], n + 1);
            let body = json!({"profile": {"name": format!("number {n}")}});
            assert_eq!(app.service().patch(&path(&user), &body).await.status, 200);
            assert_eq!(counts(&purge_later(&other, User::RESTORABLE).await)["events"], if n == 0 { 2 } else { 1 });
            let begun = Instant::now();
            while other.service().get(&path(&user)).await.json["version"] != n + 2 {
                assert!(begun.elapsed() < PATIENCE, "the change is not heard of");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        other.stop().await;
    }

    async fn the_command_purges_by_the_clock_and_tells_how_much(app: &TestApp) {
        let service = app.service();
        let body = json!({"username": "leaver", "email": "leaver@example.org"});
        let leaver = service.post_with("/v1/users", &body, &[("Idempotency-Key", "key")]).await.json;
        let stayer = app.register("stayer").await;
        assert_eq!(service.patch(&path(&stayer), &json!({"username": "stays"})).await.status, 200);
        assert_eq!(service.delete(&path(&leaver)).await.status, 204);
        let wrong = json!({"identifier": "stays", "password": "wrong"});
        assert_eq!(service.post("/v1/credentials/verify", &wrong).await.status, 401);
        let folder = tempfile::tempdir().unwrap();
        let purge = || {
            let output = configured(folder.path(), &app.database_uri(), &["purge"]).output().unwrap();
            let (told, talk) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
            assert_eq!((output.status.code(), &*talk), (Some(0), ""));
            told
        };
        assert_eq!(purge(), "users 0\nevents 0\nidempotency_keys 0\nusernames 0\nlogin_attempts 0\nrelationships_settled 0\nrelationships_drift 0\n");

        // Everything becomes a year older, but for one event.
        let long_ago = "'2025-01-01T00:00:00+00:00'";
        database(app).await.execute_unprepared(&format!(
            "UPDATE users SET deleted_at = {long_ago} WHERE deleted_at IS NOT NULL;
            UPDATE events SET at = {long_ago} WHERE type <> 'user.updated';
            UPDATE idempotency_keys SET created_at = {long_ago};
            UPDATE released_usernames SET released_at = {long_ago};
            UPDATE login_attempts SET forgotten_at = {long_ago}"
        )).await.unwrap();
        assert_eq!(purge(), "users 1\nevents 3\nidempotency_keys 1\nusernames 1\nlogin_attempts 1\nrelationships_settled 0\nrelationships_drift 0\n");
        assert_eq!(purge(), "users 0\nevents 0\nidempotency_keys 0\nusernames 0\nlogin_attempts 0\nrelationships_settled 0\nrelationships_drift 0\n");
        let events = service.get(&format!("{}/export", path(&stayer))).await.json["events"].clone();
        assert_eq!(events.as_array().map(Vec::len), Some(1), "{events}");
        // The name of the erased user rests from today on.
        let body = json!({"username": "Leaver", "email": "leaver@example.org"});
        assert_problem(&service.post("/v1/users", &body).await, 409, "username_taken");
    }

    async fn the_figures_of_the_retention_are_there_before_the_first_run(app: &TestApp) {
        let metrics = app.anonymous().get("/metrics").await.text;
        for figure in [
            "retention_removed_total{kind=\"users\"} ",
            "retention_removed_total{kind=\"events\"} ",
            "retention_removed_total{kind=\"idempotency_keys\"} ",
            "retention_removed_total{kind=\"usernames\"} ",
            "retention_runs_total{outcome=\"ok\"} ",
            "retention_runs_total{outcome=\"error\"} ",
            "retention_last_success_timestamp_seconds ",
        ] {
            assert!(metrics.contains(figure), "{figure}");
        }
    }
}

/// All that the tables hold, as text.
async fn all_rows(app: &TestApp) -> String {
    let mut connection = app.postgres().connect().await;
    let tables = sea_orm::sqlx::query(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(tables.len() >= 6);
    let mut all = String::new();
    for table in tables {
        let table: String = table.get(0);
        let rows = format!("SELECT coalesce(string_agg(t::text, chr(10)), '') FROM {table} AS t");
        let rows = sea_orm::sqlx::query(AssertSqlSafe(rows))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        all.push_str(&rows.get::<String, _>(0));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_an_expired_user_is_left_in_any_table() {
    let app = TestApp::start(Store::Postgres).await;
    let service = app.service();
    let body = everything("planted");
    let made = service
        .post_with("/v1/users", &body, &[("Idempotency-Key", "planting")])
        .await;
    let user = made.json;
    let renamed = service
        .patch(&path(&user), &json!({"username": "planted.again"}))
        .await;
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    assert_eq!(service.delete(&path(&user)).await.status, 204);
    let traces = [
        "planted",
        "planted@example.org",
        "ext-planted",
        "+4930123456",
        "Annie",
        "ann.example.org",
        "1990-02-28",
        "dark",
        "planting",
    ];
    let before = all_rows(&app).await;
    for trace in traces {
        assert!(before.contains(trace), "{trace} is not there to be found");
    }

    purge_later(&app, User::RESTORABLE).await;
    let rows = all_rows(&app).await;
    let left: Vec<_> = traces
        .iter()
        .filter(|trace| rows.contains(**trace))
        .collect();
    assert_eq!(left, [&"planted"], "only the names rest");
    assert!(rows.contains(id(&user)), "the event of the erasure stays");

    purge_later(&app, User::RESTORABLE + NAME_REST).await;
    let rows = all_rows(&app).await;
    assert!(
        !rows.contains("planted") && !rows.contains(id(&user)),
        "{rows}"
    );
    app.stop().await;
}
