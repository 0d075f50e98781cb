use actix_web::test::TestRequest;
use serde_json::json;

use super::{TestApp, decompressed, get, post};

#[actix_web::test]
async fn the_next_link_keeps_the_query() {
    let app = TestApp::with_settings(|settings| settings.base_path = "/api".to_owned());
    for name in ["ann", "bob", "cid"] {
        app.create_user(name).await;
    }
    let first = app
        .as_service(get(
            "/v1/users?sort=username&limit=2&status=active,suspended",
        ))
        .await;
    let names = |body: serde_json::Value| -> Vec<String> {
        body["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["username"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(first.json()), ["ann", "bob"]);
    assert_eq!(
        first.header("cache-control"),
        "private, no-cache, no-transform"
    );
    let link = first.header("link");
    let uri = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
        .unwrap();
    assert!(
        uri.starts_with("/api/v1/users?sort=username&limit=2&status=active%2Csuspended&cursor="),
        "{uri}"
    );
    assert!(uri.ends_with(first.json()["next_cursor"].as_str().unwrap()));
    let second = app.as_service(get(uri)).await;
    assert_eq!(names(second.json()), ["cid"]);
    assert_eq!(
        (second.json()["next_cursor"].clone(), second.header("link")),
        (json!(null), "")
    );
    let other_order = app
        .as_service(get(&uri.replace("sort=username", "sort=-created_at")))
        .await;
    other_order.assert_problem(400, "invalid_cursor");
    let broken = app.as_service(get("/v1/users?cursor=x")).await;
    broken.assert_problem(400, "invalid_cursor");
}

#[actix_web::test]
async fn a_large_response_is_compressed_for_a_client_that_asks() {
    let app = TestApp::new();
    let mut ids = Vec::new();
    for name in ["ann", "bob", "cid"] {
        ids.push(app.create_user(name).await);
    }
    let batch = || post("/v1/users/batch").set_json(json!({"ids": ids}));
    for make in [
        &(|| get("/v1/users")) as &dyn Fn() -> TestRequest,
        &batch,
        &|| get(&format!("/v1/users/{}/export", ids[0])),
    ] {
        let plain = app.as_service(make()).await;
        assert_eq!(plain.header("content-encoding"), "");
        assert_eq!(plain.header("vary"), "Accept-Encoding");
        let compressed = app
            .as_service(make().insert_header(("accept-encoding", "gzip")))
            .await;
        assert_eq!(compressed.header("content-encoding"), "gzip");
        assert_eq!(compressed.header("vary"), "Accept-Encoding");
        assert!(compressed.body.len() < plain.body.len());
        assert!(decompressed(&compressed.body) == plain.body);
    }
    // Too small, and with an entity tag that covers its exact bytes.
    for uri in [
        "/v1/users?limit=1&status=deleted".to_owned(),
        format!("/v1/users/{}", ids[0]),
    ] {
        let request = get(&uri).insert_header(("accept-encoding", "gzip"));
        assert_eq!(
            app.as_service(request).await.header("content-encoding"),
            "",
            "{uri}"
        );
    }
}

#[actix_web::test]
async fn all_query_errors_are_reported_together() {
    let app = TestApp::new();
    let response = app
        .as_service(get(
            "/v1/users?limit=0&sort=age&colour=red&q=a&email=a@b.example&email=c@b.example&role=x&role=Y",
        ))
        .await;
    response.assert_problem(422, "invalid");
    let mut codes = response.fault_codes();
    codes.sort();
    assert_eq!(
        codes,
        [
            "colour unknown_parameter",
            "email repeated",
            "limit out_of_range",
            "q too_short",
            "role forbidden_character",
            "sort unknown"
        ]
    );
    let count = app.as_service(get("/v1/users/count?limit=3")).await;
    assert_eq!(count.fault_codes(), ["limit unknown_parameter"]);
}

#[actix_web::test]
async fn permission_to_list_is_checked_before_the_query() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    for uri in ["/v1/users?limit=0", "/v1/users/count?x=y"] {
        app.as_user(&ann, get(uri))
            .await
            .assert_problem(403, "forbidden");
    }
}

#[actix_web::test]
async fn a_count_supports_the_filters_of_the_list() {
    let app = TestApp::new();
    for name in ["ann", "anna", "bob"] {
        app.create_user(name).await;
    }
    assert_eq!(
        app.as_service(get("/v1/users/count")).await.json(),
        json!({"count": 3})
    );
    assert_eq!(
        app.as_service(get("/v1/users/count?username_prefix=AN"))
            .await
            .json(),
        json!({"count": 2})
    );
}
