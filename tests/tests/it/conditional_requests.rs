//! `ETag`, `If-Match`, `If-None-Match`.

use serde_json::json;

use crate::common::{assert_problem, events, id, path, register_full_user};

user_tests::on_each_store! {
    async fn an_unchanged_user_is_a_304(app: &TestApp) {
        let user = register_full_user(app, "alice").await;
        let (own, service) = (app.user(id(&user)), app.service());
        for address in [path(&user), "/v1/users/by-username/alice".to_owned(), "/v1/users/by-external-id/ext-alice".to_owned()] {
            let tag = service.get(&address).await.header("etag").to_owned();
            let own_tag = own.get("/v1/users/me").await.header("etag").to_owned();
            let conditions = [
                tag.clone(), format!("W/{tag}"), "*".to_owned(), format!("\"0-x\", {tag}"), format!("\"a\",,W/{tag} ,"), format!("{own_tag},{tag}"),
            ];
            for condition in &conditions {
                let fresh = service.get_with(&address, &[("If-None-Match", condition)]).await;
                assert_eq!((fresh.status, &*fresh.text), (304, ""), "{address} {condition}");
                assert_eq!(fresh.header("etag"), tag);
                assert_eq!(fresh.header("cache-control"), "private, no-cache, no-transform");
                assert_eq!(fresh.header("vary"), "Authorization, X-API-Token, Origin");
            }
            let next_version = tag.replacen("\"1-", "\"2-", 1);
            for condition in [&*next_version, &*own_tag, "\"1-full\"", "\"1-public\"", "\"1\"", "\"\"", "\"01-full\""] {
                let stale = service.get_with(&address, &[("If-None-Match", condition)]).await;
                assert_eq!((stale.status, stale.id()), (200, id(&user)), "{address} {condition}");
            }
            for condition in ["1-full", "\"1-full", "", "\"a\" \"b\"", "*, \"a\"", "w/\"1-full\"", "\"a b\""] {
                let refused = service.get_with(&address, &[("If-None-Match", condition)]).await;
                assert_problem(&refused, 400, "invalid_header");
            }
        }
        let tag = own.get("/v1/users/me").await.header("etag").to_owned();
        assert_eq!(own.get_with("/v1/users/me", &[("If-None-Match", &tag)]).await.status, 304);
        own.patch("/v1/users/me", &json!({"profile": {"name": "x"}})).await;
        let stale = own.get_with("/v1/users/me", &[("If-None-Match", &tag)]).await;
        assert_eq!((stale.status, stale.version_and_view()), (200, "2-own"));
        // A missing user is a 404 with or without a condition.
        let missing = service.get_with("/v1/users/by-username/nobody", &[("If-None-Match", "*")]).await;
        assert_problem(&missing, 404, "user_not_found");
    }

    async fn a_stale_if_match_is_a_412_and_changes_nothing(app: &TestApp) {
        let user = register_full_user(app, "alice").await;
        let service = app.service();
        let body = json!({"profile": {"name": "x"}});
        let whole = json!({"username": "alice", "email": "alice@example.org"});
        let tag = service.get(&path(&user)).await.header("etag").to_owned();
        let other = register_full_user(app, "bob").await;
        let of_another = service.get(&path(&other)).await.header("etag").to_owned();
        let weak = format!("W/{tag}");
        let next_version = tag.replacen("\"1-", "\"2-", 1);
        for condition in [
            // Tags of this release: of another user, weak, of another version, and truncated.
            &*of_another, &*weak, &*next_version, &format!("{}\"", &tag[..tag.len() - 2]),
            // Tags of the previous release, which contain no user, and invalid tags.
            "\"1-full\"", "\"2-full\"", "W/\"1\"", "\"2\"", "\"1-all\"", "\"01-full\"", "\"+1-full\"", "\"\"", "\"2-full\", \"3-full\"", "W/\"1-full\", \"9-own\"",
            "\"99999999999999999999-full\"", "\"-1-full\"",
        ] {
            let header = [("If-Match", condition)];
            let refused = [
                service.patch_with(&path(&user), &body, &header).await,
                service.patch_with(&path(&user), &json!({}), &header).await,
                service.put_with(&path(&user), &whole, &header).await,
                service.delete_with(&path(&user), &header).await,
                service.delete_with(&format!("{}?erase=true", path(&user)), &header).await,
                service.post_empty(&format!("{}/suspend", path(&user)), &header).await,
                service.post_empty(&format!("{}/activate", path(&user)), &header).await,
                service.post_empty(&format!("{}/restore", path(&user)), &header).await,
            ];
            for reply in refused {
                assert_eq!((reply.status, reply.code()), (412, "precondition_failed"), "{condition}: {}", reply.text);
                assert_problem(&reply, 412, "precondition_failed");
            }
        }
        assert_eq!(service.get(&path(&user)).await.json, user);
        assert_eq!(events(app, id(&user)).await.len(), 1);
    }

    async fn a_malformed_condition_is_a_400(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        for condition in ["1", "1-full", "\"1-full", "", " ", ",", "\"1-full\" \"2-full\"", "*,\"1-full\"", "\"1 full\"", "w/\"1-full\""] {
            let header = [("If-Match", condition)];
            let refused = [
                service.patch_with(&path(&user), &json!({}), &header).await,
                service.put_with(&path(&user), &json!({}), &header).await,
                service.delete_with(&path(&user), &header).await,
                service.post_empty(&format!("{}/suspend", path(&user)), &header).await,
            ];
            for reply in refused {
                assert_problem(&reply, 400, "invalid_header");
            }
        }
        assert_eq!(service.get(&path(&user)).await.json, user);
    }

    async fn a_write_accepts_the_etag_of_any_view(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        let patch = |n: i64| json!({"profile": {"name": n.to_string()}});
        let conditions = [
            "\"1\"", "TAG full", "TAG own", "TAG public", "*", " * ", "\"1\", W/\"2\", TAG full", "\"x\",,TAG own,",
        ];
        let (own, other) = (app.user(id(&user)), app.register("other").await);
        let other = app.user(id(&other));
        for (n, condition) in (1..).zip(conditions) {
            let mut condition = condition.to_owned();
            for (view, caller) in [("full", &service), ("own", &own), ("public", &other)] {
                let read = caller.get(&path(&user)).await;
                condition = condition.replace(&format!("TAG {view}"), read.header("etag"));
            }
            let condition = &condition;
            let patched = service.patch_with(&path(&user), &patch(n), &[("If-Match", condition)]).await;
            assert_eq!((patched.status, patched.version()), (200, n + 1), "{condition}: {}", patched.text);
        }
        // The ETag of a response is a valid condition for the next write.
        let tag = own.get("/v1/users/me").await.header("etag").to_owned();
        let whole = json!({"username": "alice", "email": "alice@example.org"});
        let replaced = own.put_with(&path(&user), &whole, &[("If-Match", &tag)]).await;
        assert_eq!((replaced.status, replaced.version()), (200, 10), "{}", replaced.text);
        let mut tag = replaced.header("etag").to_owned();
        for verb in ["suspend", "activate"] {
            let changed = service.post_empty(&format!("{}/{verb}", path(&user)), &[("If-Match", &tag)]).await;
            assert_eq!(changed.status, 200, "{}", changed.text);
            changed.header("etag").clone_into(&mut tag);
        }
        assert_eq!(service.delete_with(&path(&user), &[("If-Match", &tag)]).await.status, 204);
        let restored = service.post_empty(&format!("{}/restore", path(&user)), &[("If-Match", "\"13\"")]).await;
        assert_eq!((restored.status, restored.version()), (200, 14), "{}", restored.text);
        let erased = service.delete_with(&format!("{}?erase=true", path(&user)), &[("If-Match", restored.header("etag"))]).await;
        assert_eq!(erased.status, 204, "{}", erased.text);
    }

    async fn a_condition_on_a_missing_user_is_a_404(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        let missing = "/v1/users/0199b8f2-7c1e-7000-8000-000000000000";
        for condition in ["*", "\"1\""] {
            let reply = service.patch_with(missing, &json!({}), &[("If-Match", condition)]).await;
            assert_problem(&reply, 404, "user_not_found");
        }
        let lines = [("If-Match", "\"5\""), ("If-Match", "\"1\"")];
        let patched = service.patch_with(&path(&user), &json!({"profile": {"name": "x"}}), &lines).await;
        assert_eq!((patched.status, patched.version()), (200, 2), "{}", patched.text);
        let lines = [("If-Match", "*"), ("If-Match", "\"1-full\"")];
        let refused = service.patch_with(&path(&user), &json!({}), &lines).await;
        assert_problem(&refused, 400, "invalid_header");
    }

    async fn no_two_users_share_an_etag(app: &TestApp) {
        let users = [app.register("alice").await, app.register("bob").await];
        let mut tags = Vec::new();
        for user in &users {
            let me = app.user(id(user)).get("/v1/users/me").await;
            assert_eq!(me.version_and_view(), "1-own");
            tags.push(me.header("etag").to_owned());
        }
        for (reader, tag) in [(0, 1), (1, 0)] {
            let caller = app.user(id(&users[reader]));
            let read = caller.get_with("/v1/users/me", &[("If-None-Match", &tags[tag])]).await;
            assert_eq!((read.status, read.id()), (200, id(&users[reader])));
            let body = json!({"profile": {"name": "x"}});
            let written = caller.patch_with("/v1/users/me", &body, &[("If-Match", &tags[tag])]).await;
            assert_problem(&written, 412, "precondition_failed");
            let own = caller.patch_with("/v1/users/me", &json!({}), &[("If-Match", &tags[reader])]).await;
            assert_eq!(own.status, 200, "{}", own.text);
        }
    }

    async fn a_reused_external_id_has_another_etag(app: &TestApp) {
        let service = app.service();
        let mut tags: Vec<String> = Vec::new();
        // The username of an erased user stays reserved. Its external id is free again.
        for name in ["alice", "bobby"] {
            let body = json!({"username": name, "email": "alice@example.org", "external_id": "17"});
            let made = service.post("/v1/users", &body).await;
            assert_eq!(made.status, 201, "{}", made.text);
            let listed = tags.join(", ");
            let conditions = [("If-None-Match", &*listed)];
            let conditions = if tags.is_empty() { &[] } else { &conditions[..] };
            let read = service.get_with("/v1/users/by-external-id/17", conditions).await;
            assert_eq!((read.status, read.id()), (200, made.id()), "{}", read.text);
            for tag in &tags {
                let erased = service.delete_with(&format!("/v1/users/{}?erase=true", made.id()), &[("If-Match", tag)]).await;
                assert_problem(&erased, 412, "precondition_failed");
            }
            tags.push(made.header("etag").to_owned());
            let erased = service.delete(&format!("/v1/users/{}?erase=true", made.id())).await;
            assert_eq!(erased.status, 204, "{}", erased.text);
        }
    }

    async fn replicas_return_the_same_etag(app: &TestApp) {
        let user = app.register("alice").await;
        let replica = app.replica().await;
        let tags = [app, &replica].map(|app| app.service());
        let [one, other] = &tags;
        let tag = one.get(&path(&user)).await.header("etag").to_owned();
        let read = other.get_with(&path(&user), &[("If-None-Match", &tag)]).await;
        assert_eq!((read.status, read.header("etag")), (304, &*tag));
        replica.stop().await;
    }
}
