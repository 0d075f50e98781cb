//! `GET /v1/users/{id}/history`.

use serde_json::{Value, json};

use crate::common::{Callers, assert_faults, assert_problem, id, members, path};

user_tests::on_each_store! {
    async fn the_user_itself_and_privileged_callers_read_its_history(app: &TestApp) {
        let user = app.register("alice").await;
        let history = format!("{}/history", path(&user));
        let callers = Callers::for_target(app, id(&user)).await;
        assert_problem(&callers.anonymous.get(&history).await, 401, "missing_credentials");
        for (name, caller) in callers.users().into_iter().skip(1) {
            for path in [&*history, "/v1/users/0199b8f2-7c1e-7000-8000-000000000000/history"] {
                let refused = caller.get(path).await;
                assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name}");
            }
        }
        for caller in [&callers.own, &callers.admin, &callers.service] {
            let reply = caller.get(&history).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            assert_eq!(reply.json["events"][0]["type"], json!("user.created"));
            assert_eq!(reply.json["next_cursor"], json!(null));
        }
        for key in ["0199b8f2-7c1e-7000-8000-000000000000", "nobody"] {
            assert_problem(&callers.service.get(&format!("/v1/users/{key}/history")).await, 404, "user_not_found");
        }
    }

    async fn a_history_has_pages_newest_first_without_values(app: &TestApp) {
        let (user, service) = (app.register("alice").await, app.service());
        for name in ["secret one", "secret two", "secret three"] {
            service.patch(&path(&user), &json!({"profile": {"name": name}})).await;
        }
        let mut versions: Vec<Value> = Vec::new();
        let mut next = format!("{}/history?limit=3", path(&user));
        loop {
            let page = service.get(&next).await;
            assert!(!page.text.contains("secret"));
            for event in page.json["events"].as_array().unwrap() {
                assert_eq!(members(event), ["actor", "at", "changed", "id", "subject_id", "subject_kind", "type", "version"]);
                versions.push(event["version"].clone());
            }
            let Some(cursor) = page.json["next_cursor"].as_str() else {
                assert_eq!(page.header("link"), "");
                break;
            };
            next = format!("{}/history?limit=3&cursor={cursor}", path(&user));
            assert_eq!(page.header("link"), format!("<{next}>; rel=\"next\""));
        }
        assert_eq!(versions, [4, 3, 2, 1].map(Value::from));
        let other = app.register("bob").await;
        let cursor = service.get(&format!("{}/history?limit=1", path(&user))).await.json["next_cursor"].clone();
        let foreign = service.get(&format!("{}/history?cursor={}", path(&other), cursor.as_str().unwrap())).await;
        assert_problem(&foreign, 400, "invalid_cursor");
        let invalid = service.get(&format!("{}/history?limit=201&types=x", path(&user))).await;
        assert_faults(&invalid, &[("limit", "out_of_range"), ("types", "unknown_parameter")]);
    }

    async fn a_history_does_not_reveal_the_block_of_another_user(app: &TestApp) {
        let (alice, bob) = (app.register("alice").await, app.register("bob").await);
        app.user(id(&bob)).put(&format!("{}/following/{}", path(&bob), id(&alice))).await;
        app.user(id(&alice)).put(&format!("{}/blocks/{}", path(&alice), id(&bob))).await;
        let own = app.user(id(&bob)).get(&format!("{}/history", path(&bob))).await;
        let kinds: Vec<&str> = own.json["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["user.created"]);
    }
}
