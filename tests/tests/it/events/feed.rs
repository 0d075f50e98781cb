//! The content, order and cursors of the feed.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};
use user_domain::caller::Caller;
use user_domain::ports::Records;
use user_domain::test_support::fakes::{FixedClock, with_clock};
use user_domain::use_cases::{BatchThrottle, UseCases};
use user_tests::TestApp;

use super::schema::assert_valid;
use super::{now, read, read_after, types};
use crate::common::{
    assert_faults, assert_problem, eventually, id, members, path, register_full_user,
};

/// A throttle without pauses.
struct NoThrottle;

#[async_trait::async_trait]
impl BatchThrottle for NoThrottle {
    async fn pause(&self) {}

    fn should_stop(&self) -> bool {
        false
    }
}

/// Purges all events that exist now.
pub(crate) async fn purge_events(app: &TestApp) {
    let ports = app.composition().ports.clone();
    let later = ports.clock.now().plus(Records::Events.retention() * 2);
    let use_cases = UseCases::new(&with_clock(&Arc::new(FixedClock::from(later)), ports));
    let purged = use_cases.purge_expired.run(&Caller::Operator, &NoThrottle);
    assert!(purged.await.unwrap().is_whole());
}

async fn execute(app: &TestApp, sql: &str) {
    let uri = app.database_uri().replacen("sqlite:////", "sqlite:///", 1);
    let database = Database::connect(uri).await.unwrap();
    database.execute_unprepared(sql).await.unwrap();
}

user_tests::on_each_store! {
    async fn each_change_is_an_event_in_the_order_of_the_changes(app: &TestApp) {
        let service = app.service();
        let alice = register_full_user(app, "Alice").await;
        let bob = app.register("bob").await;
        service.patch(&path(&alice), &json!({"profile": {"name": "Secret Name"}})).await;
        service.post_empty(&format!("{}/suspend", path(&alice)), &[]).await;
        service.post_empty(&format!("{}/activate", path(&alice)), &[]).await;
        app.user(id(&bob)).put(&format!("{}/following/{}", path(&bob), id(&alice))).await;
        service.delete(&format!("{}?erase=true", path(&alice))).await;

        let events = read(&service, "", 7).await;
        assert_eq!(types(&events), [
            "user.created", "user.created", "user.updated", "user.suspended", "user.activated", "user.followed",
            "user.erased",
        ]);
        assert!(events.is_sorted_by_key(|event| event["sequence"].as_str().unwrap().to_owned()));
        for event in &events {
            assert_eq!(members(event), [
                "data", "datacontenttype", "id", "partitionkey", "sequence", "source", "specversion", "subject", "time", "type",
            ]);
            assert_eq!(members(&event["data"]), ["actor", "changed", "object", "revision", "user", "version"]);
            assert_eq!((&event["specversion"], &event["datacontenttype"]), (&json!("1.0"), &json!("application/json")));
            assert_eq!(event["partitionkey"], event["subject"]);
            assert_eq!(event["sequence"].as_str().unwrap().len(), 20);
            assert!(event["source"].as_str().unwrap().starts_with("urn:user-service:"));
            assert_eq!(event["data"]["user"], json!(null));
            assert!(!event.to_string().contains("Secret"));
        }
        let (updated, followed) = (&events[2], &events[5]);
        assert_eq!(updated["subject"], alice["id"]);
        assert_eq!(
            (&updated["data"]["revision"], &updated["data"]["version"], &updated["data"]["changed"]),
            (&json!(2), &json!(2), &json!(["profile.name"]))
        );
        assert!(updated["data"]["actor"].as_str().unwrap().starts_with("service:"));
        assert_eq!((&followed["subject"], &followed["data"]["object"]), (&bob["id"], &alice["id"]));
        assert_eq!((&followed["data"]["revision"], &followed["data"]["version"]), (&json!(null), &json!(null)));
    }

    async fn an_internal_change_raises_the_revision_but_not_the_version(app: &TestApp) {
        let alice = app.register("alice").await;
        app.service().post_empty(&format!("{}/sign-out", path(&alice)), &[]).await;
        let events = read(&app.service(), "", 2).await;
        assert_eq!((&events[1]["data"]["revision"], &events[1]["data"]["version"]), (&json!(2), &json!(1)));
    }

    async fn pages_continue_after_a_cursor_and_from_now(app: &TestApp) {
        let service = app.service();
        let start = now(&service).await;
        for name in ["alice", "bob", "carol"] {
            app.register(name).await;
        }
        let (events, end) = read_after(&service, Some(&start), "&limit=2", 3).await;
        assert_eq!(types(&events), ["user.created"; 3]);
        let rest = service.get(&format!("/v1/events?cursor={end}")).await;
        assert_eq!((&rest.json["events"], &rest.json["has_more"]), (&json!([]), &json!(false)));
        assert_eq!(rest.json["cursor"].as_str(), Some(&*end));
        assert_eq!(rest.header("cache-control"), "private, no-cache, no-transform");
        assert_eq!(now(&service).await, end);
        let page = service.get("/v1/events?limit=2").await;
        assert_eq!((page.json["events"].as_array().unwrap().len(), &page.json["has_more"]), (2, &json!(true)));
    }

    async fn filters_select_types_and_a_subject(app: &TestApp) {
        let service = app.service();
        let alice = app.register("alice").await;
        let bob = app.register("bob").await;
        service.patch(&path(&bob), &json!({"profile": {"name": "Bob"}})).await;
        service.delete(&path(&alice)).await;
        read(&service, "", 4).await;
        let of = |parameters: String| {
            let service = app.service();
            async move {
                let page = service.get(&format!("/v1/events?{parameters}")).await.json;
                assert_valid(&page);
                page
            }
        };
        let found = of("types=user.deleted,user.updated".to_owned()).await;
        assert_eq!(types(found["events"].as_array().unwrap()), ["user.updated", "user.deleted"]);
        let found = of(format!("types=user.*&subject={}", id(&bob))).await;
        assert_eq!(types(found["events"].as_array().unwrap()), ["user.created", "user.updated"]);
        // The cursor of one filter continues another one.
        let cursor = found["cursor"].as_str().unwrap();
        let found = of(format!("types=user.created&cursor={cursor}")).await;
        assert_eq!(found["events"], json!([]));
    }

    async fn invalid_parameters_are_refused(app: &TestApp) {
        let reply = app.service().get("/v1/events?limit=1001&wait=26&types=user.made&subject=x&include=all&other=1").await;
        assert_faults(&reply, &[
            ("limit", "out_of_range"), ("wait", "out_of_range"), ("types", "unknown"), ("subject", "format"),
            ("include", "unknown"), ("other", "unknown_parameter"),
        ]);
        for cursor in ["", "x", "AWYB", "NOW"] {
            let reply = app.service().get(&format!("/v1/events?cursor={cursor}")).await;
            assert_problem(&reply, 400, "invalid_cursor");
        }
    }

    async fn a_cursor_before_purged_events_is_expired(app: &TestApp) {
        let service = app.service();
        let before = now(&service).await;
        app.register("alice").await;
        let (_, last) = read_after(&service, Some(&before), "", 1).await;
        purge_events(app).await;
        assert_problem(&service.get(&format!("/v1/events?cursor={before}")).await, 410, "cursor_expired");
        let bob = app.register("bob").await;
        let (events, _) = read_after(&service, Some(&last), "", 1).await;
        assert_eq!(events[0]["subject"], bob["id"]);
        let events = read(&service, "", 1).await;
        assert_eq!(events[0]["subject"], bob["id"]);
    }

    async fn a_cursor_of_a_database_that_went_back_is_lost(app: &TestApp) {
        let service = app.service();
        app.register("alice").await;
        let (_, cursor) = read_after(&service, None, "", 1).await;
        // The commit of the event is lost, and another event gets its number or a greater one.
        execute(app, "DELETE FROM events").await;
        assert_problem(&service.get(&format!("/v1/events?cursor={cursor}")).await, 410, "cursor_lost");
        app.register("bob").await;
        assert_problem(&service.get(&format!("/v1/events?cursor={cursor}")).await, 410, "cursor_lost");
        // Until the next look, the frontier is that of the database before.
        eventually("the feed is readable", async || service.get("/v1/events").await.status == 200).await;
        let events = read(&service, "", 1).await;
        assert_eq!(types(&events), ["user.created"]);
    }

    async fn a_cursor_of_another_store_is_lost(app: &TestApp) {
        let cursor = now(&app.service()).await;
        execute(app, "UPDATE store SET id = '0199b8f27c1e70008000000000000000'").await;
        assert_problem(&app.service().get(&format!("/v1/events?cursor={cursor}")).await, 410, "cursor_lost");
    }

    async fn a_replica_continues_the_cursor_of_another_one(app: &TestApp) {
        let replica = app.replica().await;
        let start = now(&app.service()).await;
        app.register("alice").await;
        replica.register("bob").await;
        let mut readers = Vec::new();
        for reader in [app, &replica] {
            let (events, end) = read_after(&reader.service(), Some(&start), "", 2).await;
            let ids: Vec<Value> = events.iter().map(|event| event["id"].clone()).collect();
            readers.push((ids, end));
        }
        assert_eq!(readers[0], readers[1]);
        replica.stop().await;
    }
}
