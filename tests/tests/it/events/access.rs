//! Who may read the feed, and what each caller sees of it.

use serde_json::{Value, json};

use super::{read, read_until, types, with_scopes};
use crate::common::{Callers, assert_problem, assert_view, id, members, path, register_full_user};

user_tests::on_each_store! {
    async fn only_services_read_the_feed(app: &TestApp) {
        let user = app.register("alice").await;
        let callers = Callers::for_target(app, id(&user)).await;
        for (name, caller) in callers.all() {
            let reply = caller.get("/v1/events").await;
            let expected = match name {
                "anonymous" => 401,
                "service" => 200,
                _ => 403,
            };
            assert_eq!(reply.status, expected, "{name}: {}", reply.text);
        }
        let reader = with_scopes(app, &["users:read", "users:read_private"]).await;
        let refused = reader.get("/v1/events").await;
        assert_problem(&refused, 403, "insufficient_scope");
        assert_eq!(refused.json["required_scope"], json!("events:read"));
    }

    async fn blocks_are_shown_only_to_readers_of_private_data(app: &TestApp) {
        let (alice, bob) = (app.register("alice").await, app.register("bob").await);
        let follow = format!("{}/following/{}", path(&bob), id(&alice));
        app.user(id(&bob)).put(&follow).await;
        let block = format!("{}/blocks/{}", path(&alice), id(&bob));
        app.user(id(&alice)).put(&block).await;
        app.user(id(&alice)).delete(&block).await;
        let carol = app.register("carol").await;

        let all = read_until(&app.service(), "", &carol).await;
        let is_private = |event: &&Value| {
            ["user.blocked", "user.unblocked"].contains(&event["type"].as_str().unwrap())
                || event["data"]["changed"] == json!(["has_blocks"])
        };
        assert_eq!(types(&all).iter().filter(|kind| ["user.blocked", "user.unblocked"].contains(kind)).count(), 2);
        assert!(all.iter().filter(is_private).count() > 2);
        let reader = with_scopes(app, &["events:read"]).await;
        let ids = |events: &[Value]| -> Vec<Value> { events.iter().map(|event| event["id"].clone()).collect() };
        let visible: Vec<Value> = all.iter().filter(|event| !is_private(event)).cloned().collect();
        for parameters in ["", "&types=user.*"] {
            let events = read_until(&reader, parameters, &carol).await;
            assert_eq!(ids(&events), ids(&visible));
            // The end of a follow has no actor, so that it does not reveal the user that ended it by a block.
            let unfollowed = events.iter().find(|event| event["type"] == json!("user.unfollowed")).unwrap();
            assert_eq!(unfollowed["data"]["actor"], json!(null));
        }
        let refused = reader.get("/v1/events?types=user.created,user.blocked").await;
        assert_problem(&refused, 403, "insufficient_scope");
        assert_eq!(refused.json["required_scope"], json!("users:read_private"));
        let unfollowed = all.iter().find(|event| event["type"] == json!("user.unfollowed")).unwrap();
        assert_eq!(unfollowed["data"]["actor"], json!(format!("user:{}", id(&alice))));
    }

    async fn an_included_user_is_shown_in_the_view_of_the_reader(app: &TestApp) {
        let service = app.service();
        let alice = register_full_user(app, "Alice").await;
        service.patch(&path(&alice), &json!({"profile": {"name": "Second"}})).await;
        let gone = register_full_user(app, "Gone").await;
        service.patch(&path(&gone), &json!({"profile": {"name": "Second"}})).await;
        service.get(&path(&gone)).await;
        service.delete(&format!("{}?erase=true", path(&gone))).await;
        let left = app.register("left").await;
        service.delete(&path(&left)).await;
        let none = with_scopes(app, &["events:read"]).await;
        let refused = none.get("/v1/events?include=user").await;
        assert_problem(&refused, 403, "insufficient_scope");
        assert_eq!(refused.json["required_scope"], json!("users:read"));
        let views: [(&[&str], &str); 2] = [
            (&["events:read", "users:read"], "public"),
            (&["events:read", "users:read", "users:read_private"], "full"),
        ];
        for (scopes, view) in views {
            let reader = with_scopes(app, scopes).await;
            let events = read(&reader, "&include=user", 7).await;
            let of = |user: &Value| -> Vec<Value> {
                let about = events.iter().filter(|event| event["subject"] == user["id"]);
                about.map(|event| event["data"]["user"].clone()).collect()
            };
            for shown in of(&alice) {
                assert_view(&shown, view);
                assert_eq!(shown["profile"]["name"], json!("Second"));
            }
            assert_eq!(of(&gone), [json!(null), json!(null), json!(null)]);
            assert_eq!(of(&left)[0]["status"], json!("deleted"));
            assert!(!members(&events[0]).contains(&"user"));
        }
    }
}
