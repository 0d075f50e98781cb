//! `GET /v1/users/{id}`, `/me`, `/by-username/{username}`, `/by-external-id/{external_id}`.

use serde_json::json;
use user_tests::{Reply, TestClient};

use crate::common::{
    Callers, assert_faults, assert_problem, assert_view, encode, id, members, path,
    register_full_user,
};

/// The expected response for a kind of caller: a view, or a status and code.
enum Expected {
    View(&'static str),
    Refused(u16, &'static str),
}
use Expected::{Refused, View};

const MISSING: Expected = Refused(401, "missing_credentials");
const FORBIDDEN: Expected = Refused(403, "forbidden");

async fn check(callers: &Callers<'_>, path: &str, expected: [Expected; 7]) {
    for ((name, caller), expected) in callers.all().into_iter().zip(expected) {
        let reply = caller.get(path).await;
        match expected {
            View(view) => {
                assert_eq!(reply.status, 200, "{name} {path}: {}", reply.text);
                assert_view(&reply.json, view);
                assert_eq!(
                    reply.version_and_view(),
                    format!("{}-{view}", reply.version()),
                    "{name} {path}"
                );
                assert_eq!(
                    reply.header("cache-control"),
                    "private, no-cache, no-transform"
                );
                assert_eq!(reply.header("content-type"), "application/json");
            }
            Refused(status, code) => {
                assert_eq!(
                    (reply.status, reply.code()),
                    (status, code),
                    "{name} {path}"
                );
                assert_problem(&reply, status, code);
                assert_eq!(reply.header("etag"), "");
            }
        }
    }
}

async fn find_by(caller: &TestClient<'_>, kind: &str, key: &str) -> Reply {
    caller
        .get(&format!("/v1/users/{kind}/{}", encode(key)))
        .await
}

user_tests::on_each_store! {
    async fn each_kind_of_caller_gets_its_view_and_no_more(app: &TestApp) {
        let own = register_full_user(app, "Alice").await;
        let callers = Callers::for_target(app, id(&own)).await;
        let views = || [MISSING, View("own"), View("public"), View("public"), View("public"), View("full"), View("full")];
        check(&callers, &path(&own), views()).await;
        check(&callers, "/v1/users/by-username/aLICE", views()).await;
        check(&callers, "/v1/users/by-external-id/ext-Alice", [MISSING, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, View("full"), View("full")]).await;
        check(&callers, "/v1/users/me", [MISSING, View("own"), View("own"), View("own"), View("own"), View("full"), FORBIDDEN]).await;
        assert_eq!(callers.own.get("/v1/users/me").await.id(), id(&own));
    }

    async fn each_view_shows_the_same_values_as_the_full_view(app: &TestApp) {
        let full = register_full_user(app, "Alice").await;
        let other = app.register("other.one").await;
        let mut own = full.clone();
        own["metadata"].as_object_mut().unwrap().remove("private");
        own.as_object_mut().unwrap().remove("suspension");
        assert_eq!(app.user(id(&full)).get(&path(&full)).await.json, own);
        let public = app.user(id(&other)).get(&path(&full)).await;
        let mut profile = full["profile"].clone();
        profile.as_object_mut().unwrap().remove("birthdate");
        let expected = json!({
            "id": full["id"], "username": "Alice", "status": "active", "version": 1, "profile": profile,
            "metadata": {"public": {"badge": "gold"}}, "created_at": full["created_at"],
        });
        assert_eq!(public.json, expected);
        // Other values do not appear anywhere in the text.
        for secret in ["alice@example.org", "4930123456", "ext-Alice", "1990-02-28", "dark", "score", "editor"] {
            assert!(!public.text.to_lowercase().contains(&secret.to_lowercase()), "{secret}");
        }
    }

    async fn an_unknown_user_is_a_404(app: &TestApp) {
        let service = app.service();
        register_full_user(app, "Alice").await;
        for key in [
            "0199b8f2-7c1e-7000-8000-000000000000", "not-an-id", "0199b8f27c1e70008000000000000000", "1", "ME", "%00",
            "{0199b8f2-7c1e-7000-8000-000000000000}", "%FF", "Alice",
        ] {
            assert_problem(&service.get(&format!("/v1/users/{key}")).await, 404, "user_not_found");
        }
        for key in ["nobody", "a", "alice@example.org", "admin", "%00", "%FF%FE", "Alice%20Smith", "Alice%2F", "ext-Alice"] {
            assert_problem(&service.get(&format!("/v1/users/by-username/{key}")).await, 404, "user_not_found");
        }
        for key in ["nobody", "%20", "EXT-ALICE", "ext-Alice%20", "%C3%A9", "%00", "Alice"] {
            assert_problem(&service.get(&format!("/v1/users/by-external-id/{key}")).await, 404, "user_not_found");
        }
    }

    async fn an_external_id_of_any_visible_characters_can_be_looked_up(app: &TestApp) {
        let service = app.service();
        for (n, external_id) in [
            "17", "a/b", "%41", "%2F", "a%2Fb", "a?b#c", "a+b", "a;b=c,d", "\"'<>\\^`{|}~", "me", "count",
            "0199b8f2-7c1e-7000-8000-000000000000",
        ].into_iter().enumerate() {
            let body = json!({"username": format!("user{n}"), "email": format!("{n}@example.org"), "external_id": external_id});
            let made = service.post("/v1/users", &body).await;
            assert_eq!(made.status, 201, "{}", made.text);
            let found = find_by(&service, "by-external-id", external_id).await;
            assert_eq!((found.status, found.id()), (200, made.id()), "{external_id}: {}", found.text);
        }
    }

    async fn an_id_matches_in_any_case_but_a_look_alike_name_does_not(app: &TestApp) {
        let user = app.register("paypal").await;
        let upper = format!("/v1/users/{}", id(&user).to_uppercase());
        assert_eq!(app.service().get(&upper).await.json, user);
        let look_alike = find_by(&app.service(), "by-username", "раypal").await;
        assert_problem(&look_alike, 404, "user_not_found");
    }

    async fn a_field_selection_has_no_etag(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let (service, own) = (app.service(), app.user(id(&user)));
        let chosen = service.get(&format!("{}?fields=username,profile.name,metadata.private", path(&user))).await;
        assert_eq!(chosen.json, json!({
            "id": user["id"], "username": "Alice", "profile": {"name": "Ann Lee"}, "metadata": {"private": {"score": 7}},
        }));
        assert_eq!(chosen.header("etag"), "");
        let tag = own.get("/v1/users/me").await.header("etag").to_owned();
        let chosen = own.get_with("/v1/users/me?fields=email,metadata", &[("If-None-Match", &tag)]).await;
        assert_eq!(chosen.status, 200);
        assert_eq!(members(&chosen.json), ["email", "id", "metadata"]);
        assert_eq!(members(&chosen.json["metadata"]), ["public", "user"]);
        // A selection does not add fields that are not in the view.
        let other = app.register("other.one").await;
        let chosen = app.user(id(&other)).get(&format!("{}?fields=email,metadata.private,profile.birthdate,roles", path(&user))).await;
        assert_eq!(chosen.json, json!({"id": user["id"]}));
        for fields in ["nothing", "", "username,", "profile.x", "ID", "*", "metadata.public.badge"] {
            let refused = service.get(&format!("{}?fields={fields}", path(&user))).await;
            assert_faults(&refused, &[("fields", "unknown_field")]);
            assert_eq!(refused.json["errors"][0]["parameter"], "fields");
        }
    }
}
