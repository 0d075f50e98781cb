//! `GET /v1/users/{id}/export`.

use serde_json::json;

use crate::common::{Callers, assert_problem, assert_view, id, path, register_everything};

user_tests::on_each_store! {
    async fn a_user_gets_its_own_view_and_those_who_may_get_all(app: &TestApp) {
        let user = register_everything(app, "Alice").await;
        let export = format!("{}/export", path(&user));
        let callers = Callers::towards(app, id(&user)).await;
        assert_problem(&callers.anonymous.get(&export).await, 401, "missing_credentials");
        for (name, caller) in callers.users().into_iter().skip(1) {
            for path in [&*export, "/v1/users/0199b8f2-7c1e-7000-8000-000000000000/export"] {
                let refused = caller.get(path).await;
                assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name}");
            }
        }
        for (caller, view) in [(&callers.own, "own"), (&callers.admin, "full"), (&callers.service, "full")] {
            let exported = caller.get(&export).await;
            assert_eq!(exported.status, 200, "{}", exported.text);
            assert_view(&exported.json["user"], view);
            assert_eq!(exported.json["user"], caller.get(&path(&user)).await.json);
            assert_eq!(exported.header("etag"), "");
            assert_eq!(exported.header("cache-control"), "private, no-cache");
        }
        for key in ["0199b8f2-7c1e-7000-8000-000000000000", "nobody"] {
            assert_problem(&callers.service.get(&format!("/v1/users/{key}/export")).await, 404, "user_not_found");
        }
    }

    async fn every_change_is_in_it_oldest_first_and_holds_no_personal_data(app: &TestApp) {
        let user = register_everything(app, "Alice").await;
        app.register("bob").await;
        let service = app.service();
        service.patch(&path(&user), &json!({"email": "secret@example.org", "metadata": {"private": {"secret": 1}}})).await;
        service.patch(&path(&user), &json!({"email": "secret@example.org"})).await;
        for verb in ["suspend", "activate"] {
            service.verb(&format!("{}/{verb}", path(&user)), &[]).await;
        }
        service.delete(&path(&user)).await;
        service.verb(&format!("{}/restore", path(&user)), &[]).await;
        let exported = service.get(&format!("{}/export", path(&user))).await.json;
        let events = exported["events"].as_array().unwrap();
        let shown: Vec<(&str, i64)> = events.iter().map(|event| (event["type"].as_str().unwrap(), event["version"].as_i64().unwrap())).collect();
        assert_eq!(shown, [
            ("user.created", 1), ("user.updated", 2), ("user.suspended", 3), ("user.activated", 4), ("user.deleted", 5), ("user.restored", 6),
        ]);
        let mut ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 6);
        for event in events {
            assert_eq!(crate::common::members(event), ["actor", "at", "changed", "id", "subject_id", "subject_kind", "type", "version"]);
            assert_eq!((&event["subject_id"], &event["subject_kind"]), (&user["id"], &json!("user")));
            assert!(!event.to_string().contains("secret"));
        }
        assert_eq!(events[1]["changed"], json!(["email", "email_verified", "metadata.private"]));
        assert_eq!(events[0]["at"], user["created_at"]);
        assert_eq!(events[5]["at"], exported["user"]["updated_at"]);
    }
}
