use std::sync::Arc;
use std::time::Duration;

use actix_web::test::TestRequest;
use async_trait::async_trait;
use serde_json::{Value, json};
use user_domain::StoreError;
use user_domain::ports::{UserKey, UserKeys, UserReader};
use user_domain::user::User;

use super::{TestApp, deadlines, get, post};

#[actix_web::test]
async fn each_view_has_its_fields_in_the_documented_order() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let uri = format!("/v1/users/{ann}");
    let names = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };

    let full = app.as_service(get(&uri)).await;
    assert_eq!(
        names(&full.json()),
        "id username status version profile metadata email email_verified phone_number phone_number_verified \
         external_id roles created_at updated_at deleted_at suspension"
    );
    assert_eq!(
        names(&full.json()["profile"]),
        "name given_name family_name nickname picture website bio location locale zoneinfo birthdate"
    );
    assert_eq!(names(&full.json()["metadata"]), "public user private");
    assert_eq!(full.json()["phone_number"], Value::Null);
    assert_eq!(
        full.json()["created_at"].as_str().unwrap().len(),
        "2026-11-23T00:45:12.123456Z".len()
    );
    assert_eq!(full.version_and_view(), "1-full");

    let own = app.as_user(&ann, get("/v1/users/me")).await;
    assert_eq!(names(&own.json()["metadata"]), "public user");
    assert_eq!(own.version_and_view(), "1-own");

    let public = app.as_user(&bob, get(&uri)).await;
    assert_eq!(
        names(&public.json()),
        "id username status version profile metadata created_at"
    );
    assert!(!names(&public.json()["profile"]).contains("birthdate"));
    assert_eq!(names(&public.json()["metadata"]), "public");
    assert_eq!(public.version_and_view(), "1-public");
    assert_eq!(
        public.header("cache-control"),
        "private, no-cache, no-transform"
    );
    assert_eq!(public.header("vary"), "Authorization, X-API-Token, Origin");
}

#[actix_web::test]
async fn a_user_is_found_by_each_key_and_an_invalid_key_is_a_404() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    app.as_service(
        TestRequest::patch()
            .uri(&format!("/v1/users/{ann}"))
            .set_json(json!({"external_id": "a/7%"})),
    )
    .await;
    for uri in [
        format!("/v1/users/{ann}/"),
        format!("/v1/users/{}", ann.to_uppercase()),
        "/v1/users/by-username/ANN".to_owned(),
        "/v1/users/by-username/%61nn".to_owned(),
        "/v1/users/by-external-id/a%2F7%25".to_owned(),
    ] {
        assert_eq!(
            app.as_service(get(&uri)).await.json()["id"],
            ann.as_str(),
            "{uri}"
        );
    }
    for uri in [
        "/v1/users/7",
        "/v1/users/%FF%FE",
        "/v1/users/by-username/%FF",
        "/v1/users/by-username/a%2Fb",
        "/v1/users/by-username/%00",
        "/v1/users/by-external-id/%C3%A9",
        "/v1/users/00000000-0000-0000-0000-000000000000",
    ] {
        app.as_service(get(uri))
            .await
            .assert_problem(404, "user_not_found");
    }
}

#[actix_web::test]
async fn me_is_a_403_for_a_service() {
    let app = TestApp::new();
    app.as_service(get("/v1/users/me"))
        .await
        .assert_problem(403, "forbidden");
    let request = TestRequest::patch().uri("/v1/users/me").set_json(json!({}));
    app.as_service(request)
        .await
        .assert_problem(403, "forbidden");
}

#[actix_web::test]
async fn a_matching_entity_tag_is_a_304() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    let uri = format!("/v1/users/{ann}");
    let read = app.as_service(get(&uri)).await;
    let tag = read.header("etag");
    for tag in [tag, &format!("W/{tag}"), "*", &format!("\"x\", {tag}")] {
        let response = app
            .as_service(get(&uri).insert_header(("if-none-match", tag)))
            .await;
        assert_eq!((response.status, response.body.len()), (304, 0), "{tag}");
        assert_eq!(response.header("etag"), read.header("etag"));
        assert_eq!(
            response.header("cache-control"),
            "private, no-cache, no-transform"
        );
        assert_eq!(
            response.header("vary"),
            "Authorization, X-API-Token, Origin"
        );
    }
    let own = app.as_user(&ann, get(&uri)).await;
    let bob = app.create_user("bob").await;
    let others = app.as_service(get(&format!("/v1/users/{bob}"))).await;
    for tag in [
        own.header("etag"),
        others.header("etag"),
        "\"1\"",
        "\"1-full\"",
    ] {
        let other = app
            .as_service(get(&uri).insert_header(("if-none-match", tag)))
            .await;
        assert_eq!(other.status, 200, "{tag}");
    }
    let unreadable = app
        .as_service(get(&uri).insert_header(("if-none-match", "1-own")))
        .await;
    unreadable.assert_problem(400, "invalid_header");
}

#[actix_web::test]
async fn selected_fields_have_no_etag_and_unknown_ones_are_a_422() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    let response = app
        .as_service(get(&format!(
            "/v1/users/{ann}?fields=profile.name,username&x=y"
        )))
        .await;
    assert_eq!(
        response.json(),
        json!({"id": ann, "username": "ann", "profile": {"name": null}})
    );
    assert!(!response.headers.contains_key("etag"));
    for query in [
        "fields=profile.name&fields=username",
        "fields=username&fields=profile.name,username",
    ] {
        let again = app
            .as_service(get(&format!("/v1/users/{ann}?{query}")))
            .await;
        assert_eq!(again.json(), response.json(), "{query}");
    }
    for query in ["include=counts,counts", "include=counts&include=counts"] {
        let counted = app
            .as_service(get(&format!("/v1/users/{ann}?{query}")))
            .await;
        assert!(counted.json()["counts"].is_object(), "{query}");
    }
    for (query, fault) in [
        ("fields=nothing", "fields unknown_field"),
        ("fields=", "fields unknown_field"),
        ("include=likes", "include unknown"),
        ("include=", "include unknown"),
        ("include=counts,likes", "include unknown"),
        ("include=counts&include=likes", "include unknown"),
        ("fields=id&fields=nothing", "fields unknown_field"),
    ] {
        let response = app
            .as_service(get(&format!("/v1/users/{ann}?{query}")))
            .await;
        response.assert_problem(422, "invalid");
        assert_eq!(response.fault_codes(), [fault], "{query}");
    }
}

#[actix_web::test]
async fn a_batch_keeps_the_order_and_has_null_for_unknown_keys() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let body = json!({"usernames": ["bob", "nobody", "ANN", "@", "bob"], "fields": ["username"]});
    let response = app.as_service(post("/v1/users/batch").set_json(body)).await;
    let shown = |id: &str, name: &str| json!({"id": id, "username": name});
    assert_eq!(
        response.json(),
        json!({"users": [shown(&bob, "bob"), null, shown(&ann, "ann"), null, shown(&bob, "bob")]})
    );
    let none = app
        .as_service(post("/v1/users/batch").set_json(json!({"ids": []})))
        .await;
    assert_eq!(none.json(), json!({"users": []}));
    let many = app
        .as_service(post("/v1/users/batch").set_json(json!({"ids": vec!["x"; 501]})))
        .await;
    assert_eq!(many.fault_codes(), ["/ids too_many"]);
    let fits = app
        .as_service(post("/v1/users/batch").set_json(json!({"ids": vec!["x"; 500]})))
        .await;
    assert_eq!(fits.status, 200);
    let denied = app
        .as_user(
            &ann,
            post("/v1/users/batch").set_json(json!({"emails": ["a@example.org"]})),
        )
        .await;
    denied.assert_problem(403, "forbidden");
}

#[actix_web::test]
async fn an_export_has_the_user_and_its_events() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let response = app
        .as_user(&ann, get(&format!("/v1/users/{ann}/export")))
        .await;
    let body = response.json();
    assert_eq!(body["user"]["email"], "ann@example.org");
    assert_eq!(body["events"][0]["type"], "user.created");
    assert_eq!(body["events"][0]["actor"], "service:posts");
    assert_eq!(body.as_object().unwrap().len(), 9);
    let denied = app
        .as_user(&bob, get(&format!("/v1/users/{ann}/export")))
        .await;
    denied.assert_problem(403, "forbidden");
}

struct HangingReader;

#[async_trait]
impl UserReader for HangingReader {
    async fn find(&self, _: &UserKey) -> Result<Option<Arc<User>>, StoreError> {
        std::future::pending().await
    }

    async fn find_many(&self, _: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        std::future::pending().await
    }
}

#[actix_web::test]
async fn a_read_that_times_out_is_a_503_with_retry_after() {
    let app = TestApp::with(
        |settings| settings.deadlines = deadlines(Duration::from_millis(20)),
        |ports| ports.reader = Arc::new(HangingReader),
    );
    let response = app.as_service(get("/v1/users/by-username/ann")).await;
    response.assert_problem(503, "overloaded");
    assert_eq!(response.header("retry-after"), "1");
}
