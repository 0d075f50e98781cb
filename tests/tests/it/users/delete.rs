//! `DELETE /v1/users/{id}`, restorable or permanently.

use serde_json::{Value, json};

use crate::common::{
    Callers, assert_faults, assert_problem, encode, events, id, path, register_full_user,
};

const UNKNOWN_USER: &str = "/v1/users/0199b8f2-7c1e-7000-8000-000000000000";

user_tests::on_each_store! {
    async fn each_kind_of_caller_deletes_only_permitted_users(app: &TestApp) {
        let user = app.register("alice").await;
        let callers = Callers::for_target(app, id(&user)).await;
        assert_problem(&callers.anonymous.delete(&path(&user)).await, 401, "missing_credentials");
        for (name, caller) in callers.users().into_iter().skip(1) {
            for path in [&*path(&user), UNKNOWN_USER] {
                let refused = caller.delete(path).await;
                assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name}");
            }
        }
        for (name, caller) in callers.users() {
            let refused = caller.delete(&format!("{}?erase=true", path(&user))).await;
            assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name}");
        }
        assert_eq!(app.service().get(&path(&user)).await.json, user);
        let deleted = callers.own.delete(&path(&user)).await;
        assert_eq!((deleted.status, &*deleted.text), (204, ""));
        assert_problem(&callers.own.delete(&path(&user)).await, 401, "invalid_token");
        // For callers that may restore the user, a repetition succeeds and changes neither version nor events.
        for caller in [&callers.admin, &callers.service] {
            assert_eq!(caller.delete(&path(&user)).await.status, 204);
            assert_problem(&caller.delete(UNKNOWN_USER).await, 404, "user_not_found");
            assert_problem(&caller.delete("/v1/users/nobody").await, 404, "user_not_found");
        }
        assert_problem(&callers.other.delete(&path(&user)).await, 403, "forbidden");
        let restored = callers.service.post_empty(&format!("{}/restore", path(&user)), &[]).await;
        assert_eq!(restored.version(), 3, "{}", restored.text);
        let kinds: Vec<String> = events(app, id(&user)).await.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["user.created", "user.deleted", "user.restored"]);
    }

    async fn a_deleted_user_appears_only_in_the_list_of_deleted_users(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let other = app.register("bob").await;
        let (service, admin) = (app.service(), app.admin().await);
        assert_eq!(service.delete(&path(&user)).await.status, 204);
        for caller in [&service, &admin] {
            for found in [path(&user), "/v1/users/by-username/Alice".to_owned(), "/v1/users/by-external-id/ext-Alice".to_owned(), format!("{}/export", path(&user))] {
                assert_problem(&caller.get(&found).await, 404, "user_not_found");
            }
            let missing = [
                caller.patch(&path(&user), &json!({"profile": {"name": "x"}})).await,
                caller.patch(&path(&user), &json!({})).await,
                caller.put_with(&path(&user), &json!({"username": "Alice", "email": "Alice@example.org"}), &[("If-Match", "*")]).await,
                caller.post_empty(&format!("{}/suspend", path(&user)), &[]).await,
                caller.post_empty(&format!("{}/activate", path(&user)), &[]).await,
            ];
            for reply in missing {
                assert_problem(&reply, 404, "user_not_found");
            }
            for (kind, key) in [("ids", id(&user)), ("usernames", "alice"), ("emails", "Alice@example.org"), ("external_ids", "ext-Alice")] {
                let batch = caller.post("/v1/users/batch", &json!({ kind: [key] })).await;
                assert_eq!((batch.status, &batch.json), (200, &json!({"users": [null]})));
            }
            let listed = caller.get("/v1/users?limit=200").await;
            assert!(!listed.text.contains(id(&user)));
            assert_eq!(caller.get("/v1/users?email=alice@example.org").await.json["users"], json!([]));
            let listed = caller.get("/v1/users?status=deleted").await;
            let deleted = &listed.json["users"][0];
            assert_eq!((listed.json["users"].as_array().unwrap().len(), &deleted["id"]), (1, &user["id"]));
            assert_eq!((&deleted["status"], &deleted["version"]), (&json!("deleted"), &json!(2)));
            assert!(deleted["deleted_at"].as_str() > user["updated_at"].as_str());
            assert_eq!(deleted["profile"], user["profile"]);
            assert_eq!(caller.get("/v1/users/count?status=deleted").await.json, json!({"count": 1}));
        }
        for path in [path(&user), "/v1/users/by-username/Alice".to_owned()] {
            assert_problem(&app.user(id(&other)).get(&path).await, 404, "user_not_found");
        }
        assert_problem(&app.user(id(&user)).get("/v1/users/me").await, 401, "invalid_token");
    }

    async fn a_deleted_user_keeps_its_unique_values(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let service = app.service();
        assert_eq!(service.delete(&path(&user)).await.status, 204);
        for (username, email, external_id, code) in [
            ("alice", "new@example.org", "new", "username_taken"),
            ("ɑlice", "new@example.org", "new", "username_taken"),
            ("newcomer", "alice@EXAMPLE.org", "new", "email_taken"),
            ("newcomer", "new@example.org", "ext-Alice", "external_id_taken"),
        ] {
            let body = json!({"username": username, "email": email, "external_id": external_id});
            assert_problem(&service.post("/v1/users", &body).await, 409, code);
        }
        let other = app.register("bob").await;
        assert_problem(&service.patch(&path(&other), &json!({"username": "ALICE"})).await, 409, "username_taken");
        assert_problem(&service.patch(&path(&other), &json!({"email": "alice@example.org"})).await, 409, "email_taken");
        let restored = service.post_empty(&format!("{}/restore", path(&user)), &[]).await;
        assert_eq!(restored.status, 200, "{}", restored.text);
        let mut expected = user.clone();
        expected["version"] = json!(3);
        expected["updated_at"] = restored.json["updated_at"].clone();
        assert_eq!(restored.json, expected);
    }

    async fn an_erasure_releases_every_unique_value_but_the_username(app: &TestApp) {
        let service = app.service();
        // Both a deleted user and one that is not deleted.
        for (n, username) in ["Alice", "Bertha"].into_iter().enumerate() {
            let user = register_full_user(app, username).await;
            if n == 0 {
                assert_eq!(service.delete(&path(&user)).await.status, 204);
            }
            let erased = service.delete(&format!("{}?erase=true", path(&user))).await;
            assert_eq!((erased.status, &*erased.text), (204, ""));
            assert_problem(&service.get(&path(&user)).await, 404, "user_not_found");
            assert_problem(&service.delete(&path(&user)).await, 404, "user_not_found");
            assert_problem(&service.delete(&format!("{}?erase=true", path(&user))).await, 404, "user_not_found");
            assert_problem(&service.post_empty(&format!("{}/restore", path(&user)), &[]).await, 404, "user_not_found");
            assert_problem(&app.user(id(&user)).get("/v1/users/me").await, 401, "invalid_token");
            for status in ["active", "suspended", "deleted"] {
                assert_eq!(service.get(&format!("/v1/users/count?status={status}&q={}", encode(username))).await.json["count"], 0);
            }
            let body = json!({"username": format!("newcomer{n}"), "email": user["email"], "external_id": user["external_id"]});
            let made = service.post("/v1/users", &body).await;
            assert_eq!(made.status, 201, "{}", made.text);
            let body = json!({"username": username, "email": format!("name{n}@example.org")});
            assert_problem(&service.post("/v1/users", &body).await, 409, "username_taken");
        }
    }

    async fn only_erase_true_erases(app: &TestApp) {
        let user = app.register("alice").await;
        for value in ["yes", "1", "TRUE", ""] {
            let refused = app.service().delete(&format!("{}?erase={value}", path(&user))).await;
            assert_problem(&refused, 422, "invalid");
            assert_eq!(refused.json["errors"][0]["parameter"], "erase");
            assert_eq!(refused.json["errors"][0].get("pointer"), None);
        }
        let refused = app.service().delete(&format!("{}?erase=true&erase=true", path(&user))).await;
        assert_faults(&refused, &[("erase", "repeated")]);
        assert_eq!(app.service().get(&path(&user)).await.json, user);
        assert_eq!(app.service().delete(&format!("{}?erase=false", path(&user))).await.status, 204);
        let listed = app.service().get("/v1/users?status=deleted").await;
        assert_eq!(listed.json["users"][0]["id"], user["id"]);
        assert_ne!(listed.json["users"][0]["deleted_at"], Value::Null);
    }
}
