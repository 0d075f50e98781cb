use std::sync::Arc;

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use user_domain::ports::MockRelationships;
use user_domain::relationship::Counts;

use super::{TestApp, follow, get, head, post};

#[actix_web::test]
async fn counts_are_included_for_each_key_and_without_an_etag() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let cid = app.create_user("cid").await;
    let edit = TestRequest::patch().uri(&format!("/v1/users/{ann}"));
    app.as_service(edit.set_json(json!({"external_id": "7"})))
        .await;
    follow(&app, &bob, &ann).await;
    follow(&app, &cid, &ann).await;
    follow(&app, &ann, &bob).await;
    let counts = json!({"followers": 2, "following": 1});
    for path in [
        format!("/v1/users/{ann}"),
        "/v1/users/by-username/ann".to_owned(),
        "/v1/users/by-external-id/7".to_owned(),
    ] {
        let plain = app.as_service(get(&path)).await;
        let mut expected = plain.json();
        expected["counts"] = counts.clone();
        let uri = format!("{path}?include=counts");
        for tag in ["\"2-full\"", "*"] {
            let request = get(&uri).insert_header(("if-none-match", tag));
            let response = app.as_service(request).await;
            assert_eq!(
                (response.status, response.json()),
                (200, expected.clone()),
                "{uri}"
            );
            assert_eq!(response.header("etag"), "");
            assert_eq!(
                response.header("cache-control"),
                "private, no-cache, no-transform"
            );
            assert_ne!(response.header("cache-status"), "");
        }
        let head = app.as_service(head(&uri)).await;
        assert_eq!((head.status, head.header("etag")), (200, ""));
        assert!(plain.headers.contains_key("etag"));
    }
    let me = app.as_user(
        &ann,
        get("/v1/users/me?include=counts&fields=username,profile.name"),
    );
    let me = me.await;
    assert_eq!(
        me.json(),
        json!({"id": ann, "username": "ann", "profile": {"name": null}, "counts": counts})
    );
    let public = app
        .as_user(&bob, get(&format!("/v1/users/{ann}?include=counts")))
        .await;
    assert_eq!(public.json()["counts"], counts);
    assert_eq!(public.json()["email"], Value::Null);
}

#[actix_web::test]
async fn a_batch_includes_counts_for_each_found_user() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    follow(&app, &bob, &ann).await;
    let body = json!({"usernames": ["ann", "nobody", "bob", "ANN"], "fields": ["username"]});
    let request = post("/v1/users/batch?include=counts").set_json(body);
    let shown = |id: &str, name: &str, followers: u64, following: u64| {
        json!({
            "id": id, "username": name,
            "counts": {"followers": followers, "following": following},
        })
    };
    let response = app.as_user(&bob, request).await;
    assert_eq!(
        response.json(),
        json!({"users": [shown(&ann, "ann", 1, 0), null, shown(&bob, "bob", 0, 1), shown(&ann, "ann", 1, 0)]})
    );
    for (query, fault) in [
        ("include=likes", "include unknown"),
        ("include=", "include unknown"),
        ("include=counts&include=likes", "include unknown"),
    ] {
        let request = post(&format!("/v1/users/batch?{query}")).set_json(json!({"ids": []}));
        let refused = app.as_user(&bob, request).await;
        refused.assert_problem(422, "invalid");
        assert_eq!(refused.fault_codes(), [fault]);
    }
}

#[actix_web::test]
async fn a_batch_reads_the_counts_of_all_users_once() {
    let app = TestApp::with_ports(|ports| {
        let mut store = MockRelationships::new();
        store.expect_counts().times(1).returning(|users, _| {
            assert_eq!(users.len(), 2, "each once");
            Ok(vec![Counts::default(); users.len()])
        });
        ports.relationships = Arc::new(store);
    });
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let body = json!({"ids": [ann, bob, ann, "7"]});
    for uri in ["/v1/users/batch?include=counts", "/v1/users/batch"] {
        let response = app.as_service(post(uri).set_json(&body)).await;
        assert_eq!(response.status, 200);
    }
    let plain = app.as_service(get(&format!("/v1/users/{ann}"))).await;
    assert_eq!(plain.json()["counts"], Value::Null);
    let none = post("/v1/users/batch?include=counts").set_json(json!({"ids": ["7"]}));
    assert_eq!(app.as_service(none).await.json(), json!({"users": [null]}));
}
