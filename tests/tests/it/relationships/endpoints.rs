//! The relationship endpoints, end to end.

use reqwest::Method;
use serde_json::{Value, json};
use user_tests::{Reply, TestApp, TestClient};

use crate::common::{
    Callers, assert_faults, assert_problem, assert_view, events, id, members, path,
};

const UNKNOWN_ID: &str = "0199b8f2-7c1e-7000-8000-00000000dead";

/// Sends a PUT without a body.
async fn put(caller: &TestClient<'_>, path: &str) -> Reply {
    Reply::send(caller.request(Method::PUT, path)).await
}

/// The path of a relationship between two users.
fn edge_path(one: &Value, kind: &str, other: &Value) -> String {
    format!("{}/{kind}/{}", path(one), id(other))
}

/// Lets one user follow or block another.
async fn relate(app: &TestApp, one: &Value, kind: &str, other: &Value) {
    let done = put(&app.user(id(one)), &edge_path(one, kind, other)).await;
    assert_eq!((done.status, &*done.text), (204, ""));
}

/// The usernames on a page of a list, in order.
fn names(page: &Reply) -> Vec<&str> {
    assert_eq!(page.status, 200, "{}", page.text);
    let users = page.json["users"].as_array().unwrap().iter();
    users
        .map(|user| user["username"].as_str().unwrap())
        .collect()
}

/// A response without the fields that are different in every response.
fn comparable(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let is_per_request = |name: &str| matches!(name, "x-request-id" | "date");
    let mut headers: Vec<(String, String)> = reply
        .headers
        .iter()
        .filter(|(name, _)| !is_per_request(name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    let text = reply
        .text
        .replace(reply.header("x-request-id"), "<request>");
    (reply.status, headers, text)
}

/// Sends every request by which a caller could find out which user an id and a username belong to.
async fn probe(caller: &TestClient<'_>, own: &str, id: &str, name: &str) -> Vec<(String, Reply)> {
    let mut gets = Vec::new();
    for query in ["", "?include=counts", "?fields=username"] {
        gets.push(format!("/v1/users/{id}{query}"));
        gets.push(format!("/v1/users/by-username/{name}{query}"));
    }
    for list in [
        "followers",
        "following",
        "blocks",
        "export",
        "followers?limit=0",
    ] {
        gets.push(format!("/v1/users/{id}/{list}"));
    }
    gets.push(format!("/v1/users/{id}/relationships?with={own}"));
    gets.push(format!("/v1/users/{own}/relationships?with={id},{own}"));
    for list in ["followers", "following", "blocks"] {
        gets.push(format!("/v1/users/{own}/{list}"));
    }
    gets.push("/v1/users/me?include=counts".to_owned());
    let mut found = Vec::new();
    for uri in gets {
        for method in [Method::GET, Method::HEAD] {
            let request = caller.request(method.clone(), &uri);
            found.push((format!("{method} {uri}"), Reply::send(request).await));
        }
        let current = caller
            .get_with(&uri, &[("Cache-Control", "no-cache")])
            .await;
        found.push((format!("current {uri}"), current));
    }
    for query in ["", "?include=counts"] {
        for body in [
            json!({"ids": [id]}),
            json!({"ids": [id, own]}),
            json!({"usernames": [name]}),
            json!({"usernames": [name, "alice"]}),
        ] {
            // Twice, because the first response may be cached.
            for _ in 0..2 {
                let batch = caller.post(&format!("/v1/users/batch{query}"), &body).await;
                found.push((format!("batch{query} {body}"), batch));
            }
        }
    }
    for kind in ["following", "blocks"] {
        let uri = format!("/v1/users/{own}/{kind}/{id}");
        found.push((format!("PUT {uri}"), put(caller, &uri).await));
        found.push((format!("DELETE {uri}"), caller.delete(&uri).await));
        let foreign = format!("/v1/users/{id}/{kind}/{own}");
        found.push((format!("PUT {foreign}"), put(caller, &foreign).await));
    }
    found
}

user_tests::on_each_store! {
    async fn only_users_themselves_and_services_change_relationships(app: &TestApp) {
        let (alice, bob) = (app.register("alice").await, app.register("bob").await);
        let callers = Callers::for_target(app, id(&alice)).await;
        for kind in ["following", "blocks"] {
            let uri = edge_path(&alice, kind, &bob);
            assert_problem(&put(&callers.anonymous, &uri).await, 401, "missing_credentials");
            // Only a service changes the relationships of another user.
            for caller in [&callers.other, &callers.claims_admin, &callers.stored_admin, &callers.admin] {
                for uri in [&*uri, &format!("/v1/users/{UNKNOWN_ID}/{kind}/{}", id(&bob))] {
                    assert_problem(&put(caller, uri).await, 403, "forbidden");
                    assert_problem(&caller.delete(uri).await, 403, "forbidden");
                }
            }
            for caller in [&callers.own, &callers.service] {
                for _ in 0..2 {
                    let done = put(caller, &uri).await;
                    assert_eq!((done.status, &*done.text, done.header("etag")), (204, "", ""));
                }
                let listed = callers.own.get(&format!("{}/{kind}", path(&alice))).await;
                assert_eq!(names(&listed), ["bob"]);
                for _ in 0..2 {
                    let done = caller.delete(&format!("{uri}/")).await;
                    assert_eq!((done.status, &*done.text), (204, ""));
                }
                let listed = callers.own.get(&format!("{}/{kind}", path(&alice))).await;
                assert_eq!(names(&listed), Vec::<&str>::new());
            }
        }
    }

    async fn a_self_relationship_is_refused_and_an_unknown_target_is_a_404(app: &TestApp) {
        let (alice, bob, carol) = (app.register("alice").await, app.register("bob").await, app.register("carol").await);
        assert_eq!(app.service().delete(&path(&carol)).await.status, 204);
        let own = app.user(id(&alice));
        for kind in ["following", "blocks"] {
            let uri = edge_path(&alice, kind, &alice);
            assert_faults(&put(&own, &uri).await, &[("target", "oneself")]);
            assert_faults(&own.delete(&uri).await, &[("target", "oneself")]);
            for target in [UNKNOWN_ID, "nobody", "%00", id(&carol)] {
                let uri = format!("{}/{kind}/{target}", path(&alice));
                if kind == "blocks" && target.len() == UNKNOWN_ID.len() {
                    // Any id can be blocked.
                    for reply in [put(&own, &uri).await, own.delete(&uri).await] {
                        assert_eq!((reply.status, &*reply.text), (204, ""), "{uri}");
                    }
                    continue;
                }
                assert_problem(&put(&own, &uri).await, 404, "user_not_found");
                assert_problem(&own.delete(&uri).await, 404, "user_not_found");
            }
            for from in [UNKNOWN_ID, "nobody", id(&carol)] {
                let uri = format!("/v1/users/{from}/{kind}/{}", id(&bob));
                assert_problem(&put(&app.service(), &uri).await, 404, "user_not_found");
            }
        }
    }

    async fn a_keyed_relationship_change_is_applied_once_without_a_version(app: &TestApp) {
        let (alice, bob) = (app.register("alice").await, app.register("bob").await);
        let own = app.user(id(&alice));
        let uri = edge_path(&alice, "following", &bob);
        let keyed = |method: Method, key: &'static str| {
            Reply::send(own.request(method, &uri).header("Idempotency-Key", key))
        };
        let first = keyed(Method::PUT, "once").await;
        assert_eq!((first.status, first.header("idempotency-replayed")), (204, ""));
        let ended = own.delete_with(&uri, &[("If-Match", "\"99\"")]).await;
        assert_eq!(ended.status, 204, "{}", ended.text);
        let again = keyed(Method::PUT, "once").await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (204, "true"));
        let listed = own.get(&format!("{}/following", path(&alice))).await;
        assert_eq!(names(&listed), Vec::<&str>::new(), "a replay does not follow again");
        assert_problem(&keyed(Method::DELETE, "once").await, 422, "idempotency_key_reused");
        relate(app, &alice, "following", &bob).await;
        for user in [&alice, &bob] {
            assert_eq!(app.service().get(&path(user)).await.version(), 1);
            assert_eq!(events(app, id(user)).await[0].0, "user.created");
        }
    }

    async fn pages_return_each_user_once_newest_first(app: &TestApp) {
        let star = app.register("star").await;
        let mut expected = Vec::new();
        for number in 0..7 {
            let fan = app.register(&format!("fan{number}")).await;
            relate(app, &fan, "following", &star).await;
            relate(app, &star, "following", &fan).await;
            expected.insert(0, format!("fan{number}"));
        }
        let other = app.register("other.one").await;
        let caller = app.user(id(&other));
        for list in ["followers", "following"] {
            let mut seen = Vec::new();
            let mut uri = format!("{}/{list}?limit=3", path(&star));
            loop {
                let page = caller.get(&uri).await;
                seen.extend(names(&page).into_iter().map(str::to_owned));
                assert_view(&page.json["users"][0], "public");
                assert_eq!(members(&page.json), ["next_cursor", "users"]);
                assert_eq!((page.header("etag"), page.header("cache-control")), ("", "private, no-cache, no-transform"));
                let Some(cursor) = page.json["next_cursor"].as_str() else {
                    assert_eq!(page.header("link"), "");
                    break;
                };
                uri = format!("{}/{list}?limit=3&cursor={cursor}", path(&star));
                assert_eq!(page.header("link"), format!("<{uri}>; rel=\"next\""));
            }
            assert_eq!(seen, expected, "{list}");
        }
        let page = caller.get(&format!("{}/followers?limit=3", path(&star))).await;
        let cursor = page.json["next_cursor"].as_str().unwrap();
        let service = app.service();
        for uri in [
            format!("{}/following?cursor={cursor}", path(&star)),
            format!("{}/blocks?cursor={cursor}", path(&star)),
            format!("{}/followers?cursor={cursor}", path(&other)),
            format!("/v1/users?cursor={cursor}"),
            format!("{}/followers?cursor={cursor}A", path(&star)),
            format!("{}/followers?cursor=", path(&star)),
        ] {
            assert_problem(&service.get(&uri).await, 400, "invalid_cursor");
        }
        for query in ["limit=0", "limit=201", "limit=x"] {
            let refused = caller.get(&format!("{}/followers?{query}&x=y", path(&star))).await;
            assert_faults(&refused, &[("limit", "out_of_range"), ("x", "unknown_parameter")]);
        }
        for list in ["blocks?limit=0", "relationships"] {
            assert_problem(&caller.get(&format!("{}/{list}", path(&star))).await, 403, "forbidden");
        }
    }

    async fn relationships_are_returned_in_request_order(app: &TestApp) {
        let mut people = Vec::new();
        for name in ["alice", "bob", "carol", "dave", "erin"] {
            people.push(app.register(name).await);
        }
        let [alice, bob, carol, dave, erin] = people.try_into().unwrap();
        relate(app, &alice, "following", &bob).await;
        relate(app, &bob, "following", &alice).await;
        relate(app, &alice, "blocks", &carol).await;
        relate(app, &erin, "blocks", &alice).await;
        assert_eq!(app.service().delete(&path(&dave)).await.status, 204);
        let uri = format!(
            "{}/relationships?with={},{},{UNKNOWN_ID},nobody,,{},{},{}%2C{}",
            path(&alice), id(&carol), id(&bob).to_uppercase(), id(&dave), id(&erin), id(&bob), id(&alice),
        );
        let relationship = |user: &Value, following: bool, followed_by: bool, blocking: bool| {
            json!({"id": user["id"], "following": following, "followed_by": followed_by, "blocking": blocking})
        };
        let mutual = relationship(&bob, true, true, false);
        let shown = |erin: Value| json!({"relationships": [
            relationship(&carol, false, false, true), mutual, null, null, null, null, erin, mutual, relationship(&alice, false, false, false),
        ]});
        assert_eq!(app.user(id(&alice)).get(&uri).await.json, shown(Value::Null));
        assert_eq!(app.service().get(&uri).await.json, shown(relationship(&erin, false, false, false)));
        let own = app.user(id(&alice));
        let relationships = format!("{}/relationships", path(&alice));
        assert_faults(&own.get(&relationships).await, &[("with", "required")]);
        assert_eq!(own.get(&format!("{relationships}?with=")).await.json, json!({"relationships": []}));
        let of = |count: usize| format!("{relationships}?with={}", vec![UNKNOWN_ID; count].join(","));
        assert_eq!(own.get(&of(200)).await.json, json!({"relationships": vec![Value::Null; 200]}));
        assert_faults(&own.get(&of(201)).await, &[("with", "too_many")]);
    }

    async fn a_batch_applies_valid_edges_and_returns_results_in_order(app: &TestApp) {
        let (alice, bob, carol) = (app.register("alice").await, app.register("bob").await, app.register("carol").await);
        relate(app, &carol, "blocks", &alice).await;
        let edge = |follower: &str, target: &str| json!({"follower": follower, "target": target});
        let body = json!({"edges": [
            edge(id(&alice), id(&bob)), edge(id(&alice), id(&bob)), edge(id(&alice), UNKNOWN_ID), edge("nobody", id(&bob)),
            edge(id(&alice), id(&alice)), edge(id(&alice), id(&carol)), edge(id(&bob), id(&alice)),
        ]});
        let batch = |body: Value| async move { app.service().post("/v1/relationships/batch", &body).await };
        let done = |changed: bool| json!({"status": 204, "changed": changed});
        let not_found = json!({"status": 404, "code": "user_not_found", "detail": "The user does not exist."});
        let self_edge = json!({"status": 422, "code": "oneself", "detail": "Must be another user."});
        let first = batch(body.clone()).await;
        assert_eq!(first.status, 200, "{}", first.text);
        assert_eq!(first.json["results"], json!([done(true), done(false), not_found, not_found, self_edge, not_found, done(true)]));
        let again = batch(body).await;
        assert_eq!(again.json["results"], json!([done(false), done(false), not_found, not_found, self_edge, not_found, done(false)]));
        let counted = app.service().get(&format!("{}?include=counts", path(&alice))).await;
        assert_eq!(counted.json["counts"], json!({"followers": 1, "following": 1}));
        let valid = edge(UNKNOWN_ID, UNKNOWN_ID);
        for (body, faults) in [
            (json!({}), vec![("/edges", "required")]),
            (json!({"edges": 1, "x": 1}), vec![("/edges", "type"), ("/x", "unknown_field")]),
            (json!({"edges": [valid, {"follower": 1, "x": 1}]}), vec![
                ("/edges/1/follower", "type"), ("/edges/1/target", "required"), ("/edges/1/x", "unknown_field"),
            ]),
            (json!({"edges": vec![&valid; 1001]}), vec![("/edges", "too_many")]),
        ] {
            assert_faults(&batch(body).await, &faults);
        }
        let most = batch(json!({"edges": vec![edge(id(&alice), id(&bob)); 1000]})).await;
        assert_eq!(most.json["results"], json!(vec![done(false); 1000]));
        assert_eq!(batch(json!({"edges": []})).await.json, json!({"results": []}));
        for caller in [app.user(id(&alice)), app.admin().await] {
            assert_problem(&caller.post("/v1/relationships/batch", &json!({})).await, 403, "forbidden");
        }
    }

    async fn counts_exclude_inactive_users(app: &TestApp) {
        let (alice, bob, carol) = (app.register("alice").await, app.register("bob").await, app.register("carol").await);
        relate(app, &bob, "following", &alice).await;
        relate(app, &carol, "following", &alice).await;
        relate(app, &alice, "following", &bob).await;
        let service = app.service();
        let counts = |followers: u64, following: u64| json!({"followers": followers, "following": following});
        for uri in [path(&alice), "/v1/users/by-username/alice".to_owned()] {
            let mut expected = service.get(&uri).await.json;
            expected["counts"] = counts(2, 1);
            for tag in ["*", "\"1-full\""] {
                let reply = service.get_with(&format!("{uri}?include=counts"), &[("If-None-Match", tag)]).await;
                assert_eq!((reply.status, &reply.json, reply.header("etag")), (200, &expected, ""));
            }
            let head = Reply::send(service.request(Method::HEAD, &format!("{uri}?include=counts"))).await;
            assert_eq!((head.status, head.header("etag"), &*head.text), (200, "", ""));
            assert_faults(&service.get(&format!("{uri}?include=likes")).await, &[("include", "unknown")]);
        }
        let me = app.user(id(&alice)).get("/v1/users/me?include=counts&fields=username").await;
        assert_eq!(me.json, json!({"id": alice["id"], "username": "alice", "counts": counts(2, 1)}));
        let batch = || async {
            let body = json!({"usernames": ["alice", "nobody", "bob", "ALICE"], "fields": ["status"]});
            let reply = service.post("/v1/users/batch?include=counts", &body).await;
            let users = reply.json["users"].as_array().unwrap_or_else(|| panic!("{}", reply.text));
            users.iter().map(|user| user["counts"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(batch().await, [counts(2, 1), Value::Null, counts(1, 1), counts(2, 1)]);
        for (away, back) in [("suspend", "activate"), ("", "restore")] {
            let status = match away {
                "" => service.delete(&path(&carol)).await.status,
                verb => service.post_empty(&format!("{}/{verb}", path(&carol)), &[]).await.status,
            };
            assert!(status < 300, "{status}");
            assert_eq!(batch().await[0], counts(1, 1), "{away}");
            let listed = service.get(&format!("{}/followers", path(&alice))).await;
            assert_eq!(names(&listed), ["bob"], "{away}");
            let reply = service.post_empty(&format!("{}/{back}", path(&carol)), &[]).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            assert_eq!(batch().await[0], counts(2, 1), "{back}");
        }
        assert_eq!(service.delete(&format!("{}?erase=true", path(&carol))).await.status, 204);
        assert_eq!(batch().await[0], counts(1, 1));
    }

    async fn an_export_contains_relationship_lists_and_counts(app: &TestApp) {
        let (alice, bob, carol) = (app.register("alice").await, app.register("bob").await, app.register("carol").await);
        relate(app, &bob, "following", &alice).await;
        relate(app, &alice, "following", &bob).await;
        relate(app, &alice, "blocks", &carol).await;
        for caller in [app.user(id(&alice)), app.service()] {
            let export = caller.get(&format!("{}/export", path(&alice))).await;
            let lists = &export.json["relationships"];
            assert_eq!(members(lists), ["blocks", "counts", "followers", "following"], "{}", export.text);
            assert_eq!(lists["counts"], json!({"followers": 1, "following": 1}));
            for (list, user) in [("followers", &bob), ("following", &bob), ("blocks", &carol)] {
                let users = lists[list]["users"].as_array().unwrap();
                assert_eq!((users.len(), &lists[list]["next_cursor"]), (1, &Value::Null));
                assert_eq!(members(&users[0]), ["id", "since", "username"]);
                assert_eq!((&users[0]["id"], &users[0]["username"]), (&user["id"], &user["username"]));
            }
        }
    }

    async fn a_blocking_user_is_indistinguishable_from_a_missing_one(app: &TestApp) {
        let (alice, bob) = (app.register("alice").await, app.register("bob").await);
        relate(app, &alice, "following", &bob).await;
        relate(app, &bob, "following", &alice).await;
        relate(app, &bob, "blocks", &alice).await;
        let own = app.user(id(&alice));
        let hidden = probe(&own, id(&alice), id(&bob), "bob").await;
        let absent = probe(&own, id(&alice), UNKNOWN_ID, "zoe").await;
        assert_eq!(hidden.len(), absent.len());
        for ((call, hidden), (_, absent)) in hidden.iter().zip(&absent) {
            assert_eq!(comparable(hidden), comparable(absent), "{call}");
            assert!(!hidden.text.contains(id(&bob)), "{call}: {}", hidden.text);
        }
        // Services and administrators see all users. A blocking user sees the blocked one only in the list of blocks.
        for caller in [app.service(), app.admin().await] {
            for uri in [path(&bob), "/v1/users/by-username/bob".to_owned(), format!("{}/blocks", path(&bob))] {
                assert_eq!(caller.get(&uri).await.status, 200, "{uri}");
            }
        }
        let blocker = app.user(id(&bob));
        assert_problem(&blocker.get(&path(&alice)).await, 404, "user_not_found");
        assert_eq!(names(&blocker.get(&format!("{}/blocks", path(&bob))).await), ["alice"]);
        assert_eq!(blocker.delete(&edge_path(&bob, "blocks", &alice)).await.status, 204);
        let shown = own.get(&format!("{}?include=counts", path(&bob))).await;
        assert_eq!(shown.json["counts"], json!({"followers": 0, "following": 0}), "a block ends both follows");
        relate(app, &alice, "following", &bob).await;
    }
}
