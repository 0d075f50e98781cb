//! Deletion of expired records by replicas and by the command, and the invalidation of caches after it.

mod clocks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use sea_orm::sqlx::{AssertSqlSafe, Row};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use serde_json::json;
use user_domain::caller::Caller;
use user_domain::test_support::fakes::{FixedClock, with_clock};
use user_domain::use_cases::{BatchThrottle, PurgeReport, UseCases};
use user_domain::user::User;
use user_domain::values::Timestamp;
use user_domain::write::USERNAME_RESERVATION;
use user_tests::{Reply, Store, TestApp, configured};

use crate::common::{assert_problem, full_user_body, id, path};

const TIMEOUT: Duration = Duration::from_secs(10);

/// After this time, any replica can erase what is deleted now. Their clocks follow the database's but still differ by
/// milliseconds.
pub(crate) const OVERDUE: Duration = User::RESTORE_PERIOD.saturating_add(Duration::from_mins(1));

/// A throttle without pauses.
struct NoThrottle;

#[async_trait]
impl BatchThrottle for NoThrottle {
    async fn pause(&self) {}

    fn should_stop(&self) -> bool {
        false
    }
}

/// Purges as if this much time had passed.
pub(crate) async fn purge_later(app: &TestApp, later: Duration) -> PurgeReport {
    let ports = app.composition().ports.clone();
    let now: Timestamp = ports.clock.now().plus(later);
    let use_cases = UseCases::new(&with_clock(&Arc::new(FixedClock::from(now)), ports));
    let report = use_cases
        .purge_expired
        .run(&Caller::Operator, &NoThrottle)
        .await;
    let report = report.unwrap();
    assert!(report.is_whole(), "{report:?}");
    report
}

pub(crate) fn counts(report: &PurgeReport) -> BTreeMap<&'static str, u64> {
    let count = |done: &user_domain::use_cases::PurgedKind| (done.kind, done.removed);
    report.kinds.iter().map(count).collect()
}

fn database_url(app: &TestApp) -> String {
    // SQLAlchemy's URL of an absolute path has one slash more than that of sqlx.
    app.database_uri().replacen("sqlite:////", "sqlite:///", 1)
}

pub(crate) async fn database(app: &TestApp) -> DatabaseConnection {
    Database::connect(database_url(app)).await.unwrap()
}

user_tests::on_each_store! {
    async fn a_purge_erases_deleted_users_after_30_days_and_reserves_their_names(app: &TestApp) {
        let service = app.service();
        let reply = service.post("/v1/users", &full_user_body("Alice")).await;
        let user = reply.json;
        let kept = app.register("bob").await;
        for user in [&user, &kept] {
            assert_eq!(service.delete(&path(user)).await.status, 204);
        }
        let almost = User::RESTORE_PERIOD.saturating_sub(Duration::from_mins(1));
        assert_eq!(counts(&purge_later(app, almost).await)["users"], 0);
        let restored = service.post_empty(&format!("{}/restore", path(&kept)), &[]).await;
        assert_eq!(restored.status, 200, "{}", restored.text);

        assert_eq!(counts(&purge_later(app, OVERDUE).await)["users"], 1);
        assert_problem(&service.post_empty(&format!("{}/restore", path(&user)), &[]).await, 404, "user_not_found");
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
        purge_later(app, OVERDUE).await;
        let again = purge_later(app, OVERDUE).await;
        assert!(counts(&again).values().all(|removed| *removed == 0), "{again:?}");
    }

    async fn concurrent_purges_remove_each_record_once(app: &TestApp) {
        let (other, third) = (app.replica().await, app.replica().await);
        let service = app.service();
        for n in 0..70 {
            let body = json!({"username": format!("leaver{n}"), "email": format!("leaver{n}@example.org")});
            let created = service.post_with("/v1/users", &body, &[("Idempotency-Key", &format!("key{n}"))]).await;
            assert_eq!(service.delete(&path(&created.json)).await.status, 204);
        }
        let reports = join_all([app, &other, &third].map(|replica| purge_later(replica, OVERDUE))).await;
        let rest = purge_later(app, OVERDUE).await;
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for (kind, removed) in reports.iter().chain([&rest]).flat_map(counts) {
            *sums.entry(kind).or_default() += removed;
        }
        assert_eq!(sums, BTreeMap::from([("users", 70), ("events", 140), ("idempotency_keys", 70), ("usernames", 0), ("login_attempts", 0), ("erasures", 0)]));
        // The event of each erasure is newer and is removed by a later purge.
        assert_eq!(counts(&purge_later(app, User::RESTORE_PERIOD * 3).await)["events"], 70);
        other.stop().await;
        third.stop().await;
    }

    async fn a_restoration_during_a_purge_either_succeeds_or_is_a_404(app: &TestApp) {
        let other = app.replica().await;
        let service = app.service();
        let mut leavers = Vec::new();
        for n in 0..60 {
            let user = app.register(&format!("leaver{n}")).await;
            assert_eq!(service.delete(&path(&user)).await.status, 204);
            leavers.push(path(&user));
        }
        // The purge erases in order of deletion. The restorations run in the reverse order.
        let restoring = async {
            let mut replies: Vec<Reply> = Vec::new();
            for path in leavers.iter().rev() {
                replies.push(service.post_empty(&format!("{path}/restore"), &[]).await);
            }
            replies
        };
        let (report, replies) = tokio::join!(purge_later(&other, OVERDUE), restoring);
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

    async fn replicas_see_changes_although_earlier_events_are_purged(app: &TestApp) {
        let other = app.replica().await;
        let user = app.register("alice").await;
        for n in 0..3 {
            assert_eq!(other.service().get(&path(&user)).await.json["version"], n + 1);
            let body = json!({"profile": {"name": format!("number {n}")}});
            assert_eq!(app.service().patch(&path(&user), &body).await.status, 200);
            assert_eq!(counts(&purge_later(&other, OVERDUE).await)["events"], if n == 0 { 2 } else { 1 });
            let started = Instant::now();
            while other.service().get(&path(&user)).await.json["version"] != n + 2 {
                assert!(started.elapsed() < TIMEOUT, "the change is not visible");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        other.stop().await;
    }

    async fn the_purge_command_prints_the_numbers_of_removed_records(app: &TestApp) {
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
            let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
            assert_eq!((output.status.code(), &*stderr), (Some(0), ""));
            stdout
        };
        assert_eq!(purge(), "users 0\nevents 0\nidempotency_keys 0\nusernames 0\nlogin_attempts 0\nerasures 0\nrelationships_settled 0\nrelationships_drift 0\n");

        // Makes everything a year older, except one event.
        let long_ago = "'2025-01-01T00:00:00+00:00'";
        database(app).await.execute_unprepared(&format!(
            "UPDATE users SET deleted_at = {long_ago} WHERE deleted_at IS NOT NULL;
            UPDATE events SET at = {long_ago} WHERE type <> 'user.updated';
            UPDATE idempotency_keys SET created_at = {long_ago};
            UPDATE released_usernames SET released_at = {long_ago};
            UPDATE login_attempts SET forgotten_at = {long_ago}"
        )).await.unwrap();
        assert_eq!(purge(), "users 1\nevents 3\nidempotency_keys 1\nusernames 1\nlogin_attempts 1\nerasures 0\nrelationships_settled 0\nrelationships_drift 0\n");
        assert_eq!(purge(), "users 0\nevents 0\nidempotency_keys 0\nusernames 0\nlogin_attempts 0\nerasures 0\nrelationships_settled 0\nrelationships_drift 0\n");
        let events = service.get(&format!("{}/export", path(&stayer))).await.json["events"].clone();
        assert_eq!(events.as_array().map(Vec::len), Some(1), "{events}");
        // The username of the erased user is reserved from now on.
        let body = json!({"username": "Leaver", "email": "leaver@example.org"});
        assert_problem(&service.post("/v1/users", &body).await, 409, "username_taken");
    }

    async fn retention_metrics_exist_before_the_first_run(app: &TestApp) {
        let metrics = app.anonymous().get("/metrics").await.text;
        for figure in [
            "retention_removed_total{kind=\"users\"} ",
            "retention_removed_total{kind=\"events\"} ",
            "retention_removed_total{kind=\"idempotency_keys\"} ",
            "retention_removed_total{kind=\"usernames\"} ",
            "retention_runs_total{outcome=\"ok\"} ",
            "retention_runs_total{outcome=\"error\"} ",
            "retention_runs_total{outcome=\"clocks_differ\"} ",
            "retention_last_success_timestamp_seconds ",
        ] {
            assert!(metrics.contains(figure), "{figure}");
        }
    }
}

/// The contents of all tables, as text.
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
async fn no_table_contains_data_of_an_expired_user() {
    let app = TestApp::start(Store::Postgres).await;
    let service = app.service();
    let body = full_user_body("planted");
    let created = service
        .post_with("/v1/users", &body, &[("Idempotency-Key", "planting")])
        .await;
    let user = created.json;
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
    ];
    let before = all_rows(&app).await;
    for trace in traces {
        assert!(before.contains(trace), "{trace} was never stored");
    }

    purge_later(&app, OVERDUE).await;
    let rows = all_rows(&app).await;
    let remaining: Vec<_> = traces
        .iter()
        .filter(|trace| rows.contains(**trace))
        .collect();
    assert!(
        remaining.is_empty(),
        "{remaining:?} must only remain as digests"
    );
    assert!(rows.contains(id(&user)), "the event of the erasure remains");

    purge_later(&app, OVERDUE + USERNAME_RESERVATION).await;
    let rows = all_rows(&app).await;
    assert!(
        !rows.contains("planted") && !rows.contains(id(&user)),
        "{rows}"
    );
    app.stop().await;
}
