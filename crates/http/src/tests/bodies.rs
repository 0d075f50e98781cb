use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{TestApp, get};

/// Returns the methods and paths of the writes in the OpenAPI document, with or without a request body.
async fn writes(app: &TestApp, with_body: bool) -> Vec<(Method, String)> {
    let document = app.as_service(get("/openapi.json")).await.json();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let is_write = ["post", "put", "patch", "delete"].contains(&method.as_str());
            if is_write && operation.get("requestBody").is_some() == with_body {
                let method = method.to_uppercase().parse().unwrap();
                found.push((method, path.clone()));
            }
        }
    }
    found
}

#[actix_web::test]
async fn writes_without_a_body_reject_one_and_change_nothing() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let token = json!({"name": "posts", "scopes": ["users:read"]});
    let creation = TestRequest::post().uri("/v1/tokens").set_json(token);
    let token = app.as_service(creation).await.json()["id"].clone();
    let state = async || {
        let mut all = Vec::new();
        for uri in [
            format!("/v1/users/{ann}/export"),
            format!("/v1/users/{bob}/export"),
            format!("/v1/tokens/{}", token.as_str().unwrap()),
        ] {
            let mut body = app.as_service(get(&uri)).await.json();
            // The time of the export differs between two exports.
            body.as_object_mut().unwrap().remove("exported_at");
            all.push(body);
        }
        all
    };
    let before = state().await;
    let writes = writes(&app, false).await;
    assert!(writes.len() >= 11, "{writes:?}");
    for (method, path) in writes {
        let id = if path.starts_with("/v1/tokens") {
            token.as_str().unwrap()
        } else {
            &ann
        };
        let uri = path.replace("{id}", id).replace("{target}", &bob);
        for body in ["{}", r#"{"reason":"spam"}"#, " ", "x"] {
            for kind in [None, Some("application/json"), Some("text/plain")] {
                let mut request = TestRequest::with_uri(&uri)
                    .method(method.clone())
                    .set_payload(body);
                if let Some(kind) = kind {
                    request = request.insert_header(("content-type", kind));
                }
                let response = app.as_service(request).await;
                let outcome = (response.status, response.fault_codes());
                let expected = (422, vec![" unexpected".to_owned()]);
                assert_eq!(outcome, expected, "{method} {uri} {body:?} {kind:?}");
                response.assert_problem(422, "invalid");
            }
        }
    }
    assert_eq!(state().await, before);
}

/// Some clients send `Content-Type` or `Content-Length: 0` without a body.
#[actix_web::test]
async fn an_empty_body_of_any_media_type_is_accepted() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    for kind in ["application/json", "application/x-www-form-urlencoded", "x"] {
        for verb in ["suspend", "activate", "sign-out", "restore"] {
            let request = TestRequest::post()
                .uri(&format!("/v1/users/{ann}/{verb}"))
                .insert_header(("content-type", kind))
                .insert_header(("content-length", "0"));
            let response = app.as_service(request).await;
            assert_eq!(response.status, 200, "{verb} {kind}: {}", response.json());
        }
    }
}

#[actix_web::test]
async fn the_body_of_a_read_is_ignored() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    let request = get(&format!("/v1/users/{ann}")).set_payload("x");
    let response = app.as_service(request).await;
    assert_eq!(
        (response.status, &response.json()["id"]),
        (200, &Value::from(ann))
    );
}

#[actix_web::test]
async fn many_json_values_are_counted_until_the_write_ends() {
    let app = TestApp::new();
    let values = &app.api.resource_limits().values;
    let create = async |name: &str, count: usize| {
        let body = json!({
            "username": name, "email": format!("{name}@example.org"),
            "metadata": {"public": {"numbers": vec![0; count]}},
        });
        let request = TestRequest::post().uri("/v1/users").set_json(body);
        app.as_service(request).await.status
    };
    assert_eq!(create("ann", 2000).await, 201);
    assert_eq!(values.held(), 0);
    let others = values.hold(64 * 1024 * 1024);
    assert_eq!(create("bob", 2000).await, 503);
    assert_eq!(create("bob", 10).await, 201);
    drop(others);
    assert_eq!(create("eve", 2000).await, 201);
}
