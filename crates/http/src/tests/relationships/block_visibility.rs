use actix_web::test::TestRequest;
use serde_json::json;

use super::{
    TestApp, TestResponse, UNKNOWN_ID, block, delete, follow, get, head, names, post, put,
};

/// Returns a response without its request id and date.
fn without_request_id(response: &TestResponse) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = response
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id" && *name != "date")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    let id = response.header("x-request-id");
    let body = String::from_utf8(response.body.clone()).unwrap();
    (response.status, headers, body.replace(id, "<request>"))
}

/// Returns every request that could reveal whether a user with this id and name exists.
fn calls(own: &str, id: &str, name: &str) -> Vec<TestRequest> {
    let mut calls = Vec::new();
    for path in [
        format!("/v1/users/{id}"),
        format!("/v1/users/by-username/{name}"),
    ] {
        for query in [
            "",
            "?include=counts",
            "?fields=username",
            "?fields=id&include=counts",
        ] {
            calls.push(get(&format!("{path}{query}")));
            calls.push(head(&format!("{path}{query}")));
            let conditional = get(&format!("{path}{query}"));
            calls.push(conditional.insert_header(("if-none-match", "*")));
            let current = get(&format!("{path}{query}"));
            calls.push(current.insert_header(("cache-control", "no-cache")));
        }
    }
    for query in ["", "?include=counts"] {
        let batch = || post(&format!("/v1/users/batch{query}"));
        calls.push(batch().set_json(json!({"ids": [id]})));
        calls.push(batch().set_json(json!({"ids": [id, own, id]})));
        calls.push(batch().set_json(json!({"usernames": [name, "ann"]})));
    }
    for list in ["followers", "following", "blocks", "export"] {
        calls.push(get(&format!("/v1/users/{id}/{list}")));
        calls.push(head(&format!("/v1/users/{id}/{list}")));
    }
    calls.push(get(&format!("/v1/users/{id}/followers?limit=0")));
    calls.push(get(&format!("/v1/users/{id}/followers?cursor=x")));
    calls.push(get(&format!("/v1/users/{id}/relationships?with={own}")));
    calls.push(get(&format!(
        "/v1/users/{own}/relationships?with={id},{own}"
    )));
    for list in ["followers", "following", "blocks"] {
        calls.push(get(&format!("/v1/users/{own}/{list}")));
    }
    calls.push(get("/v1/users/me?include=counts"));
    for kind in ["following", "blocks"] {
        let uri = format!("/v1/users/{own}/{kind}/{id}");
        calls.extend([put(&uri), delete(&uri)]);
        let keyed = put(&uri).insert_header(("idempotency-key", format!("{kind}-{id}")));
        calls.push(keyed);
        let foreign = format!("/v1/users/{id}/{kind}/{own}");
        calls.extend([put(&foreign), delete(&foreign)]);
    }
    calls
}

#[actix_web::test]
async fn a_blocking_user_is_indistinguishable_from_a_missing_one() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    follow(&app, &ann, &bob).await;
    follow(&app, &bob, &ann).await;
    block(&app, &bob, &ann).await;
    let hidden = calls(&ann, &bob, "bob").into_iter();
    let absent = calls(&ann, UNKNOWN_ID, "zoe").into_iter();
    let mut requests = 0;
    for (number, (hidden, absent)) in hidden.zip(absent).enumerate() {
        let hidden = app.as_user(&ann, hidden).await;
        let absent = app.as_user(&ann, absent).await;
        assert_eq!(
            without_request_id(&hidden),
            without_request_id(&absent),
            "request {number}"
        );
        assert!(!String::from_utf8_lossy(&hidden.body).contains(&bob));
        requests += 1;
    }
    assert!(requests > 50, "{requests}");
}

#[actix_web::test]
async fn a_blocked_user_is_visible_only_in_the_list_of_blocks() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let cid = app.create_user("cid").await;
    follow(&app, &ann, &cid).await;
    follow(&app, &bob, &cid).await;
    block(&app, &bob, &ann).await;
    let found = app.as_user(&bob, get(&format!("/v1/users/{ann}"))).await;
    found.assert_problem(404, "user_not_found");
    let blocks = app
        .as_user(&bob, get(&format!("/v1/users/{bob}/blocks")))
        .await;
    assert_eq!(names(&blocks), ["ann"]);
    // Each is absent from the followers of a third user that the other sees, and from their count.
    let followers = format!("/v1/users/{cid}/followers");
    let counted = format!("/v1/users/{cid}?include=counts");
    for (viewer, seen) in [(&ann, "ann"), (&bob, "bob")] {
        assert_eq!(names(&app.as_user(viewer, get(&followers)).await), [seen]);
        let counts = app.as_user(viewer, get(&counted)).await.json();
        assert_eq!(counts["counts"]["followers"], 1);
    }
    assert_eq!(
        names(&app.as_user(&cid, get(&followers)).await),
        ["bob", "ann"]
    );
}

#[actix_web::test]
async fn services_and_administrators_see_through_blocks() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let promote = TestRequest::patch().uri(&format!("/v1/users/{ann}"));
    let promoted = app
        .as_service(promote.set_json(json!({"roles": ["admin"]})))
        .await;
    assert_eq!(promoted.status, 200);
    block(&app, &bob, &ann).await;
    for uri in [
        format!("/v1/users/{bob}?include=counts"),
        "/v1/users/by-username/bob".to_owned(),
        format!("/v1/users/{bob}/followers"),
        format!("/v1/users/{bob}/blocks"),
        format!("/v1/users/{bob}/relationships?with={ann}"),
    ] {
        assert_eq!(app.as_service(get(&uri)).await.status, 200, "{uri}");
        assert_eq!(
            app.as_claimed_admin(&ann, get(&uri)).await.status,
            200,
            "{uri}"
        );
    }
    // Without the claim the same user is no administrator, so the block applies.
    let hidden = app.as_user(&ann, get(&format!("/v1/users/{bob}"))).await;
    assert_eq!(hidden.status, 404);
}

#[actix_web::test]
async fn an_unblock_restores_visibility_but_not_follows() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    follow(&app, &ann, &bob).await;
    block(&app, &bob, &ann).await;
    let unblock = delete(&format!("/v1/users/{bob}/blocks/{ann}"));
    assert_eq!(app.as_user(&bob, unblock).await.status, 204);
    let found = app
        .as_user(&ann, get(&format!("/v1/users/{bob}?include=counts")))
        .await;
    assert_eq!(
        found.json()["counts"],
        json!({"followers": 0, "following": 0})
    );
    follow(&app, &ann, &bob).await;
}
