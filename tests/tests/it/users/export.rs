//! `GET /v1/users/{id}/export`.

use reqwest::Method;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use user_tests::Reply;

use crate::common::{Callers, assert_problem, assert_view, id, path, register_full_user};

user_tests::on_each_store! {
    async fn a_user_exports_its_own_view_and_privileged_callers_the_full_one(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let export = format!("{}/export", path(&user));
        let callers = Callers::for_target(app, id(&user)).await;
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
            assert_eq!(exported.header("cache-control"), "private, no-cache, no-transform");
        }
        for key in ["0199b8f2-7c1e-7000-8000-000000000000", "nobody"] {
            assert_problem(&callers.service.get(&format!("/v1/users/{key}/export")).await, 404, "user_not_found");
        }
    }

    async fn an_export_lists_every_change_without_personal_data(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        app.register("bob").await;
        let service = app.service();
        service.patch(&path(&user), &json!({"email": "secret@example.org", "metadata": {"private": {"secret": 1}}})).await;
        service.patch(&path(&user), &json!({"email": "secret@example.org"})).await;
        for verb in ["suspend", "activate"] {
            service.post_empty(&format!("{}/{verb}", path(&user)), &[]).await;
        }
        service.delete(&path(&user)).await;
        service.post_empty(&format!("{}/restore", path(&user)), &[]).await;
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

    async fn an_export_contains_everything_stored_about_a_user(app: &TestApp) {
        let service = app.service();
        let user = app.register("alice").await;
        let (bob, carol, dave) = (app.register("bob").await, app.register("carol").await, app.register("dave").await);
        let own = app.user(id(&user));
        let key = [("Idempotency-Key", "planted")];
        let renamed = own.patch_with("/v1/users/me", &json!({"username": "alicia"}), &key).await;
        assert_eq!(renamed.status, 200, "{}", renamed.text);
        for (list, other) in [("following", &bob), ("following", &carol), ("blocks", &dave)] {
            let put = own.request(Method::PUT, &format!("{}/{list}/{}", path(&user), id(other)));
            assert_eq!(Reply::send(put).await.status, 204);
        }
        service.post_empty(&format!("{}/suspend", path(&bob)), &[]).await;
        // Removes a follow. Only callers with the full view see this event.
        let block = app.user(id(&carol)).request(Method::PUT, &format!("{}/blocks/{}", path(&carol), id(&user)));
        assert_eq!(Reply::send(block).await.status, 204);
        for source in ["here", "there"] {
            let login = json!({"identifier": "alicia", "password": "wrong", "source": source});
            assert_eq!(service.post("/v1/credentials/verify", &login).await.status, 401);
        }
        let signed_out = service.post_empty(&format!("{}/sign-out", path(&user)), &[]).await;
        assert_eq!(signed_out.status, 200, "{}", signed_out.text);

        let export = format!("{}/export", path(&user));
        let full = service.get(&export).await;
        // Tokens issued in the second of the sign-out are rejected.
        let own = loop {
            let own = app.user(id(&user)).get(&export).await;
            if own.status != 401 {
                break own;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        };
        for exported in [&own, &full] {
            assert_eq!(exported.status, 200, "{}", exported.text);
            let exported = &exported.json;
            assert_eq!(crate::common::members(exported), [
                "credentials", "events", "events_cursor", "idempotency_keys", "login_attempts", "relationships",
                "released_usernames", "signed_out_at", "user",
            ]);
            assert!(exported["signed_out_at"].as_str().is_some_and(|at| at.ends_with('Z')));
            assert_eq!(exported["idempotency_keys"], 1);
            assert_eq!(exported["released_usernames"][0]["username"], "alice");
            assert_eq!(exported["released_usernames"].as_array().unwrap().len(), 1);
            let attempts = &exported["login_attempts"];
            assert_eq!((&attempts["failures"], &attempts["sources"]), (&json!(2), &json!(2)), "{attempts}");
            let following = exported["relationships"]["following"]["users"].as_array().unwrap();
            let ids: Vec<&str> = following.iter().map(id).collect();
            assert_eq!(ids, [id(&bob)], "the suspended user is still followed");
            assert!(!exported.to_string().contains("revision"));
            assert!(!exported.to_string().contains("planted"));
        }
        let kinds = |exported: &Reply| -> Vec<(String, String)> {
            let events = exported.json["events"].as_array().unwrap().iter();
            let of_relationships = events.filter(|event| event["subject_kind"] == "relationship");
            of_relationships
                .map(|event| (event["type"].as_str().unwrap().to_owned(), event["object_id"].as_str().unwrap().to_owned()))
                .collect()
        };
        let expected = |kind: &str, other: &Value| (kind.to_owned(), id(other).to_owned());
        assert_eq!(kinds(&full), [
            expected("user.followed", &bob), expected("user.followed", &carol), expected("user.blocked", &dave), expected("user.unfollowed", &carol),
        ]);
        assert_eq!(kinds(&own), [expected("user.followed", &bob), expected("user.blocked", &dave)]);
        assert!(!own.text.contains(id(&carol)), "the export reveals which user blocks this one");
    }

    async fn a_long_list_of_events_is_paged_by_cursor(app: &TestApp) {
        let user = app.register("alice").await;
        let database = crate::retention::database(app).await;
        for _ in 0..11 {
            database.execute_unprepared(
                "INSERT INTO events (id, type, subject_kind, subject_id, version, changed, actor, at)
                SELECT id, type, subject_kind, subject_id, version, changed, actor, at FROM events"
            ).await.unwrap();
        }
        let export = format!("{}/export", path(&user));
        let own = app.user(id(&user));
        let (mut seen, mut uri) = (Vec::new(), export.clone());
        loop {
            let page = own.get(&uri).await;
            assert_eq!(page.status, 200, "{}", page.text);
            let events = page.json["events"].as_array().unwrap();
            seen.push(events.len());
            let expected = if uri == export { 9 } else { 4 };
            assert_eq!(crate::common::members(&page.json).len(), expected, "{:?}", crate::common::members(&page.json));
            match page.json["events_cursor"].as_str() {
                Some(cursor) => uri = format!("{export}?events_cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(seen, [1000, 1000, 48]);
        let cursor = own.get(&export).await.json["events_cursor"].as_str().unwrap().to_owned();
        let bob = app.register("bob").await;
        let foreign = app.user(id(&bob)).get(&format!("{}/export?events_cursor={cursor}", path(&bob))).await;
        assert_problem(&foreign, 400, "invalid_cursor");
        for query in ["events_cursor=x", "followers_cursor=x", "blocks_cursor="] {
            assert_problem(&own.get(&format!("{export}?{query}")).await, 400, "invalid_cursor");
        }
        let unknown = own.get(&format!("{export}?cursor={cursor}")).await;
        assert_problem(&unknown, 422, "invalid");
    }
}
