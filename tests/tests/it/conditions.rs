//! `ETag`, `If-Match`, `If-None-Match`.

use serde_json::json;

use crate::common::{assert_problem, events, id, path, register_everything};

user_tests::on_each_store! {
    async fn a_read_that_has_not_changed_is_a_304(app: &TestApp) {
        let user = register_everything(app, "alice").await;
        let (own, service) = (app.user(id(&user)), app.service());
        for address in [path(&user), "/v1/users/by-username/alice".to_owned(), "/v1/users/by-external-id/ext-alice".to_owned()] {
            for condition in ["\"1-full\"", "W/\"1-full\"", "*", "\"0-x\", \"1-full\"", "\"a\",,W/\"1-full\" ,", "\"1-own\",\"1-full\""] {
                let fresh = service.get_with(&address, &[("If-None-Match", condition)]).await;
                assert_eq!((fresh.status, &*fresh.text), (304, ""), "{address} {condition}");
                assert_eq!(fresh.header("etag"), "\"1-full\"");
                assert_eq!(fresh.header("cache-control"), "private, no-cache");
                assert_eq!(fresh.header("vary"), "Authorization, X-API-Token, Origin");
            }
            for condition in ["\"2-full\"", "\"1-own\"", "\"1-public\"", "\"1\"", "\"\"", "\"01-full\""] {
                let stale = service.get_with(&address, &[("If-None-Match", condition)]).await;
                assert_eq!((stale.status, stale.id()), (200, id(&user)), "{address} {condition}");
            }
            for condition in ["1-full", "\"1-full", "", "\"a\" \"b\"", "*, \"a\"", "w/\"1-full\"", "\"a b\""] {
                let refused = service.get_with(&address, &[("If-None-Match", condition)]).await;
                assert_problem(&refused, 400, "invalid_header");
            }
        }
        assert_eq!(own.get_with("/v1/users/me", &[("If-None-Match", "\"1-own\"")]).await.status, 304);
        own.patch("/v1/users/me", &json!({"profile": {"name": "x"}})).await;
        let stale = own.get_with("/v1/users/me", &[("If-None-Match", "\"1-own\"")]).await;
        assert_eq!((stale.status, stale.header("etag")), (200, "\"2-own\""));
        // Nobody is nobody, condition or not.
        let nobody = service.get_with("/v1/users/by-username/nobody", &[("If-None-Match", "*")]).await;
        assert_problem(&nobody, 404, "user_not_found");
    }

    async fn a_write_under_an_old_version_is_a_412_that_changes_nothing(app: &TestApp) {
        let user = register_everything(app, "alice").await;
        let service = app.service();
        let body = json!({"profile": {"name": "x"}});
        let whole = json!({"username": "alice", "email": "alice@example.org"});
        for condition in [
            "\"2-full\"", "W/\"1-full\"", "\"1\"", "\"1-all\"", "\"01-full\"", "\"+1-full\"", "\"\"", "\"2-full\", \"3-full\"", "W/\"1-full\", \"9-own\"",
            "\"99999999999999999999-full\"", "\"-1-full\"",
        ] {
            let header = [("If-Match", condition)];
            let refused = [
                service.patch_with(&path(&user), &body, &header).await,
                service.patch_with(&path(&user), &json!({}), &header).await,
                service.put_with(&path(&user), &whole, &header).await,
                service.delete_with(&path(&user), &header).await,
                service.delete_with(&format!("{}?erase=true", path(&user)), &header).await,
                service.verb(&format!("{}/suspend", path(&user)), &header).await,
                service.verb(&format!("{}/activate", path(&user)), &header).await,
                service.verb(&format!("{}/restore", path(&user)), &header).await,
            ];
            for reply in refused {
                assert_eq!((reply.status, reply.code()), (412, "precondition_failed"), "{condition}: {}", reply.text);
                assert_problem(&reply, 412, "precondition_failed");
            }
        }
        assert_eq!(service.get(&path(&user)).await.json, user);
        assert_eq!(events(app, id(&user)).await.len(), 1);
    }

    async fn an_unreadable_condition_is_a_400(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        for condition in ["1", "1-full", "\"1-full", "", " ", ",", "\"1-full\" \"2-full\"", "*,\"1-full\"", "\"1 full\"", "w/\"1-full\""] {
            let header = [("If-Match", condition)];
            let refused = [
                service.patch_with(&path(&user), &json!({}), &header).await,
                service.put_with(&path(&user), &json!({}), &header).await,
                service.delete_with(&path(&user), &header).await,
                service.verb(&format!("{}/suspend", path(&user)), &header).await,
            ];
            for reply in refused {
                assert_problem(&reply, 400, "invalid_header");
            }
        }
        assert_eq!(service.get(&path(&user)).await.json, user);
    }

    async fn a_write_under_its_version_is_done_whichever_view_names_it(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        let patch = |n: i64| json!({"profile": {"name": n.to_string()}});
        let conditions = [
            "\"1-full\"".to_owned(), "\"2-own\"".to_owned(), "\"3-public\"".to_owned(), "*".to_owned(), " * ".to_owned(),
            "\"1-full\", W/\"2-full\", \"6-full\"".to_owned(), "\"x\",,\"7-own\",".to_owned(),
        ];
        for (n, condition) in (1..).zip(&conditions) {
            let patched = service.patch_with(&path(&user), &patch(n), &[("If-Match", condition)]).await;
            assert_eq!((patched.status, patched.version()), (200, n + 1), "{condition}: {}", patched.text);
        }
        // The tag that an answer carries is the condition of the next write.
        let own = app.user(id(&user));
        let tag = own.get("/v1/users/me").await.header("etag").to_owned();
        let whole = json!({"username": "alice", "email": "alice@example.org"});
        let replaced = own.put_with(&path(&user), &whole, &[("If-Match", &tag)]).await;
        assert_eq!((replaced.status, replaced.version()), (200, 9), "{}", replaced.text);
        let mut tag = replaced.header("etag").to_owned();
        for verb in ["suspend", "activate"] {
            let changed = service.verb(&format!("{}/{verb}", path(&user)), &[("If-Match", &tag)]).await;
            assert_eq!(changed.status, 200, "{}", changed.text);
            changed.header("etag").clone_into(&mut tag);
        }
        assert_eq!(service.delete_with(&path(&user), &[("If-Match", &tag)]).await.status, 204);
        let restored = service.verb(&format!("{}/restore", path(&user)), &[("If-Match", "\"12-full\"")]).await;
        assert_eq!((restored.status, restored.version()), (200, 13), "{}", restored.text);
        let erased = service.delete_with(&format!("{}?erase=true", path(&user)), &[("If-Match", restored.header("etag"))]).await;
        assert_eq!(erased.status, 204, "{}", erased.text);
    }

    async fn a_condition_on_nobody_is_a_404_and_several_lines_are_one_list(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        let nobody = "/v1/users/0199b8f2-7c1e-7000-8000-000000000000";
        for condition in ["*", "\"1-full\""] {
            let reply = service.patch_with(nobody, &json!({}), &[("If-Match", condition)]).await;
            assert_problem(&reply, 404, "user_not_found");
        }
        let lines = [("If-Match", "\"5-full\""), ("If-Match", "\"1-full\"")];
        let patched = service.patch_with(&path(&user), &json!({"profile": {"name": "x"}}), &lines).await;
        assert_eq!((patched.status, patched.version()), (200, 2), "{}", patched.text);
        let lines = [("If-Match", "*"), ("If-Match", "\"1-full\"")];
        let refused = service.patch_with(&path(&user), &json!({}), &lines).await;
        assert_problem(&refused, 400, "invalid_header");
    }
}
