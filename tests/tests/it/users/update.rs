//! `PATCH /v1/users/{id}` and `/me`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{
    Callers, assert_faults, assert_problem, assert_same_faults, assert_view, encode, events, id,
    path, register_full_user, send,
};

user_tests::on_each_store! {
    async fn a_patch_changes_only_the_given_fields(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let patch = json!({"profile": {"nickname": "Al", "bio": null}, "status": "suspended"});
        let patched = app.service().patch(&path(&user), &patch).await;
        assert_eq!(patched.status, 200, "{}", patched.text);
        let mut expected = user.clone();
        expected["profile"]["nickname"] = json!("Al");
        expected["profile"]["bio"] = Value::Null;
        expected["status"] = json!("suspended");
        expected["suspension"] = json!({"reason": null, "until": null});
        expected["version"] = json!(2);
        expected["updated_at"] = patched.json["updated_at"].clone();
        assert_eq!(patched.json, expected);
        assert!(patched.json["updated_at"].as_str() > user["updated_at"].as_str());
        assert_eq!(patched.version_and_view(), "2-full");
        assert_eq!(app.service().get(&path(&user)).await.json, expected);
        let export = app.service().get(&format!("{}/export", path(&user))).await;
        let event = &export.json["events"][1];
        assert_eq!(event["type"], "user.suspended");
        assert_eq!(event["version"], 2);
        assert_eq!(event["changed"], json!(["status", "profile.nickname", "profile.bio"]));
    }

    async fn each_kind_of_caller_patches_only_permitted_users(app: &TestApp) {
        let user = app.register("alice").await;
        let callers = Callers::for_target(app, id(&user)).await;
        let patch = |name: &str| json!({"profile": {"name": name}});
        assert_problem(&callers.anonymous.patch(&path(&user), &patch("x")).await, 401, "missing_credentials");
        for (name, caller) in callers.users().into_iter().skip(1) {
            let refused = caller.patch(&path(&user), &patch("x")).await;
            assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name}");
            // The response does not reveal whether the user exists.
            let missing = caller.patch("/v1/users/0199b8f2-7c1e-7000-8000-000000000000", &patch("x")).await;
            assert_problem(&missing, 403, "forbidden");
            let faulty = caller.patch(&path(&user), &json!({"nonsense": 1})).await;
            assert_problem(&faulty, 403, "forbidden");
        }
        for (name, caller, view) in [("own", &callers.own, "own"), ("admin", &callers.admin, "full"), ("service", &callers.service, "full")] {
            let patched = caller.patch(&path(&user), &patch(name)).await;
            assert_eq!((patched.status, &patched.json["profile"]["name"]), (200, &json!(name)), "{}", patched.text);
            assert_view(&patched.json, view);
            assert_eq!(patched.version_and_view(), format!("{}-{view}", patched.version()));
            assert_eq!(patched.header("cache-control"), "private, no-cache, no-transform");
        }
        for caller in [&callers.own, &callers.other, &callers.admin] {
            let patched = caller.patch("/v1/users/me", &patch("me")).await;
            assert_eq!((patched.status, &patched.json["profile"]["name"]), (200, &json!("me")), "{}", patched.text);
        }
        assert_problem(&callers.service.patch("/v1/users/me", &patch("me")).await, 403, "forbidden");
        assert_problem(&callers.anonymous.patch("/v1/users/me", &patch("me")).await, 401, "missing_credentials");
        for caller in [&callers.admin, &callers.service] {
            let missing = caller.patch("/v1/users/0199b8f2-7c1e-7000-8000-000000000000", &patch("x")).await;
            assert_problem(&missing, 404, "user_not_found");
            assert_problem(&caller.patch("/v1/users/nobody", &patch("x")).await, 404, "user_not_found");
        }
    }

    async fn the_actor_of_each_change_is_stored(app: &TestApp) {
        let user = app.register("alice").await;
        let admin = app.admin().await;
        app.user(id(&user)).patch("/v1/users/me", &json!({"profile": {"name": "a"}})).await;
        admin.patch(&path(&user), &json!({"profile": {"name": "b"}})).await;
        let export = admin.get(&format!("{}/export", path(&user))).await;
        let actors: Vec<&str> = export.json["events"].as_array().unwrap().iter().map(|event| event["actor"].as_str().unwrap()).collect();
        assert!(actors[0].starts_with("service:"), "{actors:?}");
        assert!(!actors[0].contains(user_tests::API_TOKEN));
        let stored_admin = admin.get("/v1/users/me").await;
        assert_eq!(actors[1..], [format!("user:{}", id(&user)), format!("user:{}", stored_admin.id())]);
    }

    async fn a_user_writes_only_its_own_fields(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let own = app.user(id(&user));
        let allowed = json!({
            "username": "Alice2", "email": "alice2@example.org", "phone_number": "+4930999999",
            "profile": {
                "name": "n", "given_name": "g", "family_name": "f", "nickname": "k", "picture": "https://example.org/p",
                "website": "https://example.org/w", "bio": "b", "location": "l", "locale": "en", "zoneinfo": "UTC",
                "birthdate": "2000-01-01",
            },
            "metadata": {"user": {"theme": "light"}},
        });
        let patched = own.patch("/v1/users/me", &allowed).await;
        assert_eq!(patched.status, 200, "{}", patched.text);
        assert_eq!(patched.json["profile"], allowed["profile"]);
        assert_eq!(patched.json["username"], "Alice2");
        assert_eq!(patched.json["phone_number"], "+4930999999");
        assert_eq!(patched.json["metadata"]["user"]["theme"], "light");
        let forbidden = [
            (json!({"email_verified": false}), "/email_verified"),
            (json!({"phone_number_verified": true}), "/phone_number_verified"),
            (json!({"external_id": "mine"}), "/external_id"),
            (json!({"external_id": "ext-Alice"}), "/external_id"),
            (json!({"status": "active"}), "/status"),
            (json!({"roles": ["admin"]}), "/roles"),
            (json!({"roles": null}), "/roles"),
            (json!({"metadata": {"public": {}}}), "/metadata/public"),
            (json!({"metadata": {"private": {}}}), "/metadata/private"),
        ];
        for (body, pointer) in &forbidden {
            let refused = own.patch("/v1/users/me", body).await;
            assert_problem(&refused, 403, "forbidden_field");
            assert_same_faults(&refused, &[(pointer, "forbidden_field")]);
        }
        // All restricted fields are reported at once, before any other fault of the body.
        let all = json!({
            "email_verified": "yes", "phone_number_verified": 1, "external_id": " ", "status": "x", "roles": "admin",
            "metadata": {"public": [], "private": 1, "user": {"a": 1}}, "profile": {"name": "", "website": "x"}, "nonsense": 1, "id": 1,
        });
        let refused = own.patch("/v1/users/me", &all).await;
        assert_problem(&refused, 403, "forbidden_field");
        let pointers = ["/email_verified", "/phone_number_verified", "/external_id", "/status", "/roles", "/metadata/public", "/metadata/private"];
        assert_same_faults(&refused, &pointers.map(|pointer| (pointer, "forbidden_field")));
        let refused = own.patch("/v1/users/me", &json!({"metadata": null})).await;
        assert_problem(&refused, 403, "forbidden_field");
        let after = app.service().get(&path(&user)).await;
        assert_eq!(after.json["version"], patched.json["version"]);
        assert_eq!(after.json["profile"], patched.json["profile"]);
    }

    async fn services_and_administrators_write_every_field(app: &TestApp) {
        let user = app.register("alice").await;
        let admin = app.admin().await;
        let service = app.service();
        for (n, caller) in [&service, &admin].into_iter().enumerate() {
            let mut body = crate::common::full_user_body(&format!("alice{n}"));
            // An external id cannot be written twice.
            body["external_id"] = json!("ext-alice");
            body["roles"] = json!([format!("role{n}")]);
            body["email_verified"] = json!(false);
            body["phone_number"] = json!(format!("+49301234{n}"));
            body["phone_number_verified"] = json!(false);
            let patched = caller.patch(&path(&user), &body).await;
            assert_eq!(patched.status, 200, "{}", patched.text);
            for (name, value) in body.as_object().unwrap() {
                if name != "metadata" {
                    assert_eq!(&patched.json[name], value, "{name}");
                }
            }
        }
    }

    async fn unknown_and_read_only_members_and_nulls_are_faults(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let own = app.user(id(&user));
        let body = json!({
            "id": id(&user), "version": 1, "created_at": user["created_at"], "updated_at": null, "deleted_at": null,
            "password": "x", "profile": {"age": 5}, "metadata": {"x": {}}, "username": null, "email": null,
        });
        let refused = own.patch("/v1/users/me", &body).await;
        assert_faults(&refused, &[
            ("/id", "read_only"), ("/version", "read_only"), ("/created_at", "read_only"), ("/updated_at", "read_only"),
            ("/deleted_at", "read_only"), ("/password", "unknown_field"), ("/profile/age", "unknown_field"),
            ("/metadata/x", "unknown_field"), ("/username", "required"), ("/email", "required"),
        ]);
        let refused = app.service().patch(&path(&user), &json!({"status": null, "external_id": "other", "roles": [1]})).await;
        assert_faults(&refused, &[("/status", "required"), ("/roles/0", "type")]);
        let refused = app.service().patch(&path(&user), &json!({"status": "deleted"})).await;
        assert_faults(&refused, &[("/status", "unknown")]);
        assert_eq!(app.service().get(&path(&user)).await.json, user);
    }

    async fn a_patch_without_changes_keeps_the_version_and_adds_no_event(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let same = [
            json!({}),
            json!({"username": "Alice", "email": "Alice@example.org", "status": "active", "roles": ["support:level_2", "editor"]}),
            json!({"profile": user["profile"], "metadata": user["metadata"], "external_id": "ext-Alice"}),
            json!({"profile": {}, "metadata": {"user": {}, "public": {"nothing": null}}}),
            json!({"profile": {"name": "  Ann Lee "}, "email": "Alice@example.org", "email_verified": true}),
        ];
        for body in same {
            let patched = app.service().patch(&path(&user), &body).await;
            assert_eq!(patched.status, 200, "{body}: {}", patched.text);
            assert_eq!(patched.json, user, "{body}");
            assert_eq!(patched.version_and_view(), "1-full");
        }
        assert_eq!(events(app, id(&user)).await, [("user.created".to_owned(), 1)]);
    }

    async fn a_new_email_is_unverified_but_a_new_spelling_stays_verified(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let (own, service) = (app.user(id(&user)), app.service());
        let patched = own.patch("/v1/users/me", &json!({"email": "ALICE@Example.org"})).await;
        assert_eq!((&patched.json["email"], &patched.json["email_verified"]), (&json!("ALICE@Example.org"), &json!(true)));
        let patched = own.patch("/v1/users/me", &json!({"email": "new@example.org"})).await;
        assert_eq!((&patched.json["email"], &patched.json["email_verified"]), (&json!("new@example.org"), &json!(false)));
        // The old address is available again.
        let body = json!({"username": "bob", "email": "alice@example.org"});
        assert_eq!(service.post("/v1/users", &body).await.status, 201);
        let patched = own.patch("/v1/users/me", &json!({"phone_number": "+4930123456"})).await;
        assert_eq!(patched.json["phone_number_verified"], true);
        let patched = own.patch("/v1/users/me", &json!({"phone_number": "+4930123457"})).await;
        assert_eq!(patched.json["phone_number_verified"], false);
    }

    async fn an_email_is_verified_only_with_its_address(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        let refused = service.patch(&path(&user), &json!({"email_verified": true})).await;
        assert_problem(&refused, 428, "precondition_required");
        assert_same_faults(&refused, &[("/email_verified", "precondition_required")]);
        let refused = service.patch(&path(&user), &json!({"email_verified": true, "email": "new@example.org"})).await;
        assert_problem(&refused, 428, "precondition_required");
        let verified = service.patch(&path(&user), &json!({"email_verified": true, "email": "ALICE@example.org"})).await;
        assert_eq!((verified.status, &verified.json["email_verified"]), (200, &json!(true)), "{}", verified.text);
        // Setting it to unverified needs no condition. Neither does an unchanged value beside its address.
        let withdrawn = service.patch(&path(&user), &json!({"email_verified": false})).await;
        assert_eq!((withdrawn.status, &withdrawn.json["email_verified"]), (200, &json!(false)));
        let tag = withdrawn.header("etag").to_owned();
        let body = json!({"email_verified": true, "email": "new@example.org"});
        let verified = service.patch_with(&path(&user), &body, &[("If-Match", &tag)]).await;
        assert_eq!((verified.status, &verified.json["email_verified"]), (200, &json!(true)), "{}", verified.text);
        let stale = service.patch_with(&path(&user), &json!({"email_verified": true}), &[("If-Match", &tag)]).await;
        assert_problem(&stale, 412, "precondition_failed");
    }

    async fn a_phone_is_verified_only_with_its_number(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        let refused = service.patch(&path(&user), &json!({"phone_number_verified": true})).await;
        assert_problem(&refused, 428, "precondition_required");
        assert_same_faults(&refused, &[("/phone_number_verified", "precondition_required")]);
        let set = service.patch(&path(&user), &json!({"phone_number": "+4930123456"})).await;
        assert_eq!((set.status, &set.json["phone_number_verified"]), (200, &json!(false)));
        let refused = service.patch(&path(&user), &json!({"phone_number_verified": true, "phone_number": "+4930123457"})).await;
        assert_problem(&refused, 428, "precondition_required");
        let verified = service.patch(&path(&user), &json!({"phone_number_verified": true, "phone_number": "+4930123456"})).await;
        assert_eq!((verified.status, &verified.json["phone_number_verified"]), (200, &json!(true)), "{}", verified.text);
        let both = json!({"email_verified": true, "phone_number_verified": true});
        let refused = service.patch(&path(&user), &both).await;
        assert_same_faults(&refused, &[("/email_verified", "precondition_required"), ("/phone_number_verified", "precondition_required")]);
        let tag = verified.header("etag").to_owned();
        let both = service.patch_with(&path(&user), &both, &[("If-Match", &tag)]).await;
        assert_eq!((both.status, &both.json["email_verified"]), (200, &json!(true)), "{}", both.text);
        let removed = service.patch(&path(&user), &json!({"phone_number": null})).await;
        assert_eq!((&removed.json["phone_number"], &removed.json["phone_number_verified"]), (&Value::Null, &json!(false)));
    }

    async fn an_external_id_is_written_once(app: &TestApp) {
        let user = app.register("alice").await;
        let (service, admin) = (app.service(), app.admin().await);
        assert_eq!(service.patch(&path(&user), &json!({"external_id": null})).await.version(), 1);
        let set = service.patch(&path(&user), &json!({"external_id": "17"})).await;
        assert_eq!((set.status, &set.json["external_id"]), (200, &json!("17")));
        for caller in [&service, &admin] {
            for value in [json!("18"), Value::Null] {
                let refused = caller.patch(&path(&user), &json!({"external_id": value})).await;
                assert_faults(&refused, &[("/external_id", "read_only")]);
            }
            assert_eq!(caller.patch(&path(&user), &json!({"external_id": "17"})).await.version(), 2);
        }
        let other = app.register("bob").await;
        let refused = service.patch(&path(&other), &json!({"external_id": "17"})).await;
        assert_problem(&refused, 409, "external_id_taken");
    }

    async fn a_released_username_is_reserved_for_its_former_owner(app: &TestApp) {
        let user = app.register("alice").await;
        let other = app.register("bob").await;
        let (own, service) = (app.user(id(&user)), app.service());
        let cased = own.patch("/v1/users/me", &json!({"username": "ALICE"})).await;
        assert_eq!((cased.status, &cased.json["username"]), (200, &json!("ALICE")));
        let renamed = own.patch("/v1/users/me", &json!({"username": "alison"})).await;
        assert_eq!((renamed.status, renamed.version()), (200, 3));
        assert_problem(&service.get("/v1/users/by-username/alice").await, 404, "user_not_found");
        assert_eq!(service.get("/v1/users/by-username/Alison").await.id(), id(&user));
        for name in ["alice", "Alice", "ɑlice"] {
            let refused = app.user(id(&other)).patch("/v1/users/me", &json!({"username": name})).await;
            assert_problem(&refused, 409, "username_taken");
            let refused = service.post("/v1/users", &json!({"username": name, "email": "new@example.org"})).await;
            assert_problem(&refused, 409, "username_taken");
        }
        let back = own.patch("/v1/users/me", &json!({"username": "alice"})).await;
        assert_eq!((back.status, &back.json["username"]), (200, &json!("alice")), "{}", back.text);
        // The username in between is reserved as well.
        let refused = app.user(id(&other)).patch("/v1/users/me", &json!({"username": "alison"})).await;
        assert_problem(&refused, 409, "username_taken");
    }

    async fn a_value_taken_by_another_user_is_a_409(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let other = app.register("bob").await;
        let own = app.user(id(&other));
        for (body, code) in [
            (json!({"username": "aLICE", "profile": {"name": "x"}}), "username_taken"),
            (json!({"username": "ɑlice", "profile": {"name": "x"}}), "username_taken"),
            (json!({"email": "aLICE@example.org", "profile": {"name": "x"}}), "email_taken"),
        ] {
            assert_problem(&own.patch("/v1/users/me", &body).await, 409, code);
        }
        assert_eq!(app.service().get(&path(&other)).await.json, other);
        assert_eq!(app.service().get(&path(&user)).await.json, user);
        for name in ["admin", "аdmin", "a", "0199b8f2-7c1e-7000-8000-000000000000"] {
            let refused = own.patch("/v1/users/me", &json!({"username": name})).await;
            assert_problem(&refused, 422, "invalid");
            assert_eq!(refused.json["errors"][0]["pointer"], "/username", "{}", encode(name));
        }
    }

    async fn a_patch_is_a_merge_patch_or_json(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        for (n, content_type) in [
            "application/merge-patch+json", "application/json", "application/merge-patch+json; charset=UTF-8", "Application/JSON",
        ].into_iter().enumerate() {
            let body = format!(r#"{{"profile":{{"name":"{n}"}}}}"#);
            let patched = send(&service, Method::PATCH, &path(&user), content_type, body).await;
            assert_eq!((patched.status, &patched.json["profile"]["name"]), (200, &json!(n.to_string())), "{content_type}");
        }
        for content_type in ["application/json-patch+json", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "json", "*/*"] {
            let refused = send(&service, Method::PATCH, &path(&user), content_type, "{}").await;
            assert_problem(&refused, 415, "unsupported_media_type");
            assert_eq!(refused.header("accept-patch"), "application/merge-patch+json, application/json", "{content_type}");
        }
        for body in ["[]", "null", "1", "\"x\""] {
            let refused = send(&service, Method::PATCH, &path(&user), "application/merge-patch+json", body).await;
            assert_faults(&refused, &[("", "type")]);
        }
        for body in ["", "{", "{}{}", r#"{"email":"a@example.org","email":"b@example.org"}"#] {
            let refused = send(&service, Method::PATCH, &path(&user), "application/merge-patch+json", body).await;
            assert_problem(&refused, 400, "malformed_json");
        }
    }

    async fn a_null_list_of_roles_clears_it(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let patched = app.service().patch(&path(&user), &json!({"roles": null, "email_verified": null})).await;
        assert_eq!((patched.status, &patched.json["roles"]), (200, &json!([])), "{}", patched.text);
        assert_eq!((patched.version(), &patched.json["email_verified"]), (2, &json!(false)));
    }

    async fn a_null_profile_clears_it(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let patched = app.user(id(&user)).patch("/v1/users/me", &json!({"profile": null})).await;
        assert_eq!(patched.status, 200, "{}", patched.text);
        assert_eq!(patched.json["profile"].as_object().unwrap().len(), 11);
        assert!(patched.json["profile"].as_object().unwrap().values().all(Value::is_null));
    }
}
