//! `POST /v1/users/{id}/suspend` and `/activate`.

use reqwest::Method;
use serde_json::json;

use crate::common::{
    Callers, assert_problem, assert_view, events, id, path, send, signed_in, wait_for_next_second,
};

user_tests::on_each_store! {
    async fn only_services_and_administrators_suspend_and_activate(app: &TestApp) {
        let user = app.register("alice").await;
        let mut callers = Callers::for_target(app, id(&user)).await;
        let (suspend, activate) = (format!("{}/suspend", path(&user)), format!("{}/activate", path(&user)));
        let mut version = 1;
        for caller in [&callers.admin, &callers.service] {
            for (verb, status) in [(&suspend, "suspended"), (&activate, "active")] {
                version += 1;
                for _ in 0..2 {
                    let changed = caller.post_empty(verb, &[]).await;
                    assert_eq!((changed.status, &changed.json["status"]), (200, &json!(status)), "{}", changed.text);
                    assert_eq!(changed.version(), version, "repeating is 200 unchanged");
                    assert_view(&changed.json, "full");
                    assert_eq!(changed.version_and_view(), format!("{version}-full"));
                }
            }
        }
        let events = events(app, id(&user)).await;
        let kinds: Vec<&str> = events.iter().map(|(kind, _)| &**kind).collect();
        assert_eq!(kinds, ["user.created", "user.suspended", "user.activated", "user.suspended", "user.activated"]);
        wait_for_next_second(app).await;
        callers.own = signed_in(app, id(&user));
        for verb in [&suspend, &activate] {
            assert_problem(&callers.anonymous.post_empty(verb, &[]).await, 401, "missing_credentials");
            for (name, caller) in callers.users() {
                let refused = caller.post_empty(verb, &[]).await;
                assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name}");
            }
        }
        for key in ["0199b8f2-7c1e-7000-8000-000000000000", "nobody"] {
            for verb in ["suspend", "activate"] {
                let missing = callers.service.post_empty(&format!("/v1/users/{key}/{verb}"), &[]).await;
                assert_problem(&missing, 404, "user_not_found");
            }
        }
    }

    async fn a_suspended_user_is_locked_out_at_once_and_still_visible(app: &TestApp) {
        let user = app.register("alice").await;
        let other = app.register("bob").await;
        let (own, service) = (app.user(id(&user)), app.service());
        assert_eq!(own.get("/v1/users/me").await.status, 200);
        assert_eq!(service.post_empty(&format!("{}/suspend", path(&user)), &[]).await.status, 200);
        for refused in [
            own.get("/v1/users/me").await,
            own.get(&path(&other)).await,
            own.patch("/v1/users/me", &json!({"profile": {"name": "x"}})).await,
            own.delete(&path(&user)).await,
        ] {
            assert_problem(&refused, 401, "invalid_token");
        }
        let seen = service.get(&path(&user)).await;
        assert_eq!((seen.status, &seen.json["status"]), (200, &json!("suspended")));
        let seen = app.user(id(&other)).get(&path(&user)).await;
        assert_eq!((seen.status, &seen.json["status"]), (200, &json!("suspended")));
        let batch = service.post("/v1/users/batch", &json!({"ids": [id(&user)]})).await;
        assert_eq!(batch.json["users"][0]["status"], "suspended");
        assert!(service.get("/v1/users").await.text.contains(id(&user)));
        // A token issued in the same second as the suspension and its end is rejected.
        wait_for_next_second(app).await;
        assert_eq!(service.post_empty(&format!("{}/activate", path(&user)), &[]).await.status, 200);
        // A new sign-in works.
        assert_problem(&own.get("/v1/users/me").await, 401, "invalid_token");
        assert_eq!(signed_in(app, id(&user)).get("/v1/users/me").await.status, 200);
    }

    async fn a_suspended_administrator_loses_its_rights(app: &TestApp) {
        let admin = app.admin().await;
        let boss = admin.get("/v1/users/me").await;
        let user = app.register("alice").await;
        assert_eq!(admin.get("/v1/users/count").await.status, 200);
        app.service().post_empty(&format!("/v1/users/{}/suspend", boss.id()), &[]).await;
        assert_problem(&admin.get("/v1/users/count").await, 401, "invalid_token");
        assert_problem(&admin.delete(&path(&user)).await, 401, "invalid_token");
        wait_for_next_second(app).await;
        app.service().post_empty(&format!("/v1/users/{}/activate", boss.id()), &[]).await;
        let mut claims = user_tests::claims(boss.id());
        claims["iat"] = json!(claims["iat"].as_i64().unwrap() + 1);
        claims["roles"] = json!(["admin"]);
        let admin = app.authorized(format!("Bearer {}", user_tests::sign(&claims)));
        assert_eq!(admin.get("/v1/users/count").await.status, 200);
        // A withdrawn role also ends at once.
        app.service().patch(&format!("/v1/users/{}", boss.id()), &json!({"roles": []})).await;
        assert_problem(&admin.get("/v1/users/count").await, 403, "forbidden");
    }

    async fn an_unexpected_body_is_rejected(app: &TestApp) {
        let user = app.register("alice").await;
        for (content_type, body) in [("application/json", "{"), ("text/plain", "x"), ("application/json", "{}")] {
            for verb in ["activate", "restore", "sign-out"] {
                let reply = send(&app.service(), Method::POST, &format!("{}/{verb}", path(&user)), content_type, body).await;
                assert_problem(&reply, 422, "invalid");
            }
        }
        assert_eq!(app.service().get(&path(&user)).await.version(), 1);
    }
}
