//! `PUT /v1/users/{id}`.

use serde_json::{Value, json};

use crate::common::{
    Callers, assert_faults, assert_problem, assert_same_faults, assert_view, events,
    full_user_body, id, path, register_full_user,
};

const ANY: [(&str, &str); 1] = [("If-Match", "*")];

user_tests::on_each_store! {
    async fn each_kind_of_caller_replaces_only_permitted_users(app: &TestApp) {
        let user = app.register("alice").await;
        let callers = Callers::for_target(app, id(&user)).await;
        let body = json!({"username": "alice", "email": "alice@example.org"});
        assert_problem(&callers.anonymous.put_with(&path(&user), &body, &ANY).await, 401, "missing_credentials");
        for (name, caller) in callers.users().into_iter().skip(1) {
            let refused = caller.put_with(&path(&user), &body, &ANY).await;
            assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name}");
            let missing = caller.put_with("/v1/users/0199b8f2-7c1e-7000-8000-000000000000", &body, &ANY).await;
            assert_problem(&missing, 403, "forbidden");
        }
        for (caller, view) in [(&callers.own, "own"), (&callers.admin, "full"), (&callers.service, "full")] {
            let replaced = caller.put_with(&path(&user), &body, &ANY).await;
            assert_eq!(replaced.status, 200, "{}", replaced.text);
            assert_view(&replaced.json, view);
            assert_eq!(replaced.version_and_view(), format!("1-{view}"), "nothing was changed");
        }
        let missing = callers.service.put_with("/v1/users/0199b8f2-7c1e-7000-8000-000000000000", &body, &ANY).await;
        assert_problem(&missing, 404, "user_not_found");
        assert_problem(&callers.service.put_with("/v1/users/nobody", &body, &ANY).await, 404, "user_not_found");
    }

    async fn a_services_replacement_keeps_omitted_roles_external_id_and_status(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let body = json!({"username": "Alice", "email": "Alice@example.org"});
        let replaced = app.service().put_with(&path(&user), &body, &[("If-Match", "\"1\"")]).await;
        assert_eq!(replaced.status, 200, "{}", replaced.text);
        let mut expected = user.clone();
        expected["version"] = json!(2);
        expected["updated_at"] = replaced.json["updated_at"].clone();
        for name in ["email_verified", "phone_number_verified"] {
            expected[name] = json!(false);
        }
        expected["phone_number"] = Value::Null;
        for value in expected["profile"].as_object_mut().unwrap().values_mut() {
            *value = Value::Null;
        }
        expected["metadata"] = json!({"public": {}, "user": {}, "private": {}});
        assert_eq!(replaced.json, expected);
        assert_eq!(app.service().get(&path(&user)).await.json, expected);

        // Another PUT restores the whole document. A list of roles replaces the stored one.
        let mut body = full_user_body("Alice");
        body["roles"] = json!([]);
        body["status"] = json!("suspended");
        let replaced = app.admin().await.put_with(&path(&user), &body, &[("If-Match", "\"2\"")]).await;
        assert_eq!(replaced.status, 200, "{}", replaced.text);
        for (name, value) in body.as_object().unwrap() {
            assert_eq!(&replaced.json[name], value, "{name}");
        }
        let body = json!({"username": "Alice", "email": "Alice@example.org", "external_id": "other"});
        let refused = app.service().put_with(&path(&user), &body, &ANY).await;
        assert_faults(&refused, &[("/external_id", "read_only")]);
    }

    async fn a_users_replacement_keeps_fields_it_may_not_write(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let own = app.user(id(&user));
        let body = json!({"username": "Alice", "email": "alice@example.org", "profile": {"name": "A"}});
        let replaced = own.put_with(&path(&user), &body, &[("If-Match", "\"1\"")]).await;
        assert_eq!(replaced.status, 200, "{}", replaced.text);
        let after = app.service().get(&path(&user)).await.json;
        assert_eq!(after["profile"]["name"], "A");
        assert_eq!(after["profile"]["bio"], Value::Null);
        assert_eq!(after["phone_number"], Value::Null);
        assert_eq!(after["phone_number_verified"], false);
        assert_eq!(after["email"], "alice@example.org");
        // The same address in another spelling stays verified. Restricted fields are unchanged.
        for name in ["email_verified", "roles", "external_id", "status", "created_at"] {
            assert_eq!(after[name], user[name], "{name}");
        }
        assert_eq!(after["metadata"], json!({"public": {"badge": "gold"}, "user": {}, "private": {"score": 7}}));

        let body = json!({"username": "Alice", "email": "other@example.org", "metadata": {"user": {"a": {"b": null}}}});
        let replaced = own.put_with(&path(&user), &body, &ANY).await;
        assert_eq!((replaced.status, &replaced.json["email_verified"]), (200, &json!(false)), "{}", replaced.text);
        assert_eq!(replaced.json["metadata"]["user"], json!({"a": {"b": null}}), "a null in a replacement is a value");
        assert_eq!(replaced.json["profile"]["name"], Value::Null);
    }

    async fn a_user_may_not_replace_restricted_fields(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let refused = app.user(id(&user)).put_with(&path(&user), &full_user_body("Alice"), &ANY).await;
        assert_problem(&refused, 403, "forbidden_field");
        assert_same_faults(&refused, &[
            "/email_verified", "/phone_number_verified", "/external_id", "/status", "/roles", "/metadata/public", "/metadata/private",
        ].map(|pointer| (pointer, "forbidden_field")));
        assert_eq!(app.service().get(&path(&user)).await.json, user);
    }

    async fn a_replacement_needs_an_expected_version(app: &TestApp) {
        let user = app.register("alice").await;
        let body = json!({"username": "alice", "email": "alice@example.org", "profile": {"name": "A"}});
        for caller in [app.service(), app.user(id(&user))] {
            let refused = caller.put_with(&path(&user), &body, &[]).await;
            assert_problem(&refused, 428, "precondition_required");
            let refused = caller.put_with(&path(&user), &body, &[("If-Match", "\"2\"")]).await;
            assert_problem(&refused, 412, "precondition_failed");
        }
        assert_eq!(app.service().get(&path(&user)).await.json, user);
        assert_eq!(events(app, id(&user)).await.len(), 1);
        let replaced = app.service().put_with(&path(&user), &body, &[("If-Match", "\"1\"")]).await;
        assert_eq!((replaced.status, replaced.version()), (200, 2), "{}", replaced.text);
    }

    async fn all_faults_of_a_replacement_are_reported_at_once(app: &TestApp) {
        let user = app.register("alice").await;
        for (body, faults) in [
            (json!({}), vec![("/username", "required"), ("/email", "required")]),
            (json!({"username": null, "email": "x", "profile": {"website": "x"}, "version": 1, "y": 1, "status": null}), vec![
                ("/username", "required"), ("/email", "format"), ("/profile/website", "format"), ("/version", "read_only"),
                ("/y", "unknown_field"), ("/status", "required"),
            ]),
        ] {
            assert_faults(&app.service().put_with(&path(&user), &body, &ANY).await, &faults);
        }
        // With If-Match, a new address can be verified in the same request.
        let body = json!({"username": "alice", "email": "new@example.org", "email_verified": true});
        let replaced = app.service().put_with(&path(&user), &body, &[("If-Match", "\"1\"")]).await;
        assert_eq!((replaced.status, &replaced.json["email_verified"]), (200, &json!(true)), "{}", replaced.text);
        app.register("bob").await;
        let body = json!({"username": "bob", "email": "new@example.org"});
        assert_problem(&app.service().put_with(&path(&user), &body, &ANY).await, 409, "username_taken");
        let body = json!({"username": "alice", "email": "bob@example.org"});
        assert_problem(&app.service().put_with(&path(&user), &body, &ANY).await, 409, "email_taken");
    }
}
