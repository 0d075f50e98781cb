use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service};
use serde_json::Value;

use super::{SERVICE, TestApp, get, send_to};

/// Returns every documented path with values for its parameters, and two unknown paths.
async fn routes(app: &TestApp) -> Vec<String> {
    let description = app.send(get("/openapi.json")).await.json();
    let paths = description["paths"].as_object().unwrap();
    let filled = |path: &String| {
        path.split('/')
            .map(|segment| {
                if segment.starts_with('{') {
                    "0199b8f2-7c1e-7000-8000-000000000000"
                } else {
                    segment
                }
            })
            .collect::<Vec<_>>()
            .join("/")
    };
    let mut routes: Vec<String> = paths.keys().map(filled).collect();
    routes.extend(["/nothing".to_owned(), "/v1/nothing".to_owned()]);
    routes
}

/// Returns valid and invalid requests; each route rejects most of them.
fn variants(method: &Method, uri: &str) -> Vec<TestRequest> {
    let request = || TestRequest::default().method(method.clone()).uri(uri);
    let as_service = || request().insert_header(("x-api-token", SERVICE));
    vec![
        request(),
        request().insert_header(("x-padding", "x".repeat(17_000))),
        request().insert_header(("authorization", "Bearer forged")),
        as_service().insert_header(("authorization", "Bearer forged")),
        as_service(),
        as_service().uri(&format!("{uri}?unknown=1")),
        as_service().insert_header(("if-match", "nonsense")),
        as_service()
            .insert_header(("content-type", "text/plain"))
            .set_payload("nonsense"),
        as_service()
            .insert_header(("content-type", "application/json"))
            .set_payload("{"),
        as_service()
            .insert_header(("origin", "https://app.example"))
            .insert_header(("access-control-request-method", "NONSENSE")),
    ]
}

#[actix_web::test]
async fn every_response_of_every_route_has_the_common_header_fields() {
    let app = TestApp::with_settings(|settings| {
        settings.cors_allowed_origins = vec!["https://app.example".to_owned()];
    });
    let service = init_service(crate::app(&app.api)).await;
    let (mut problems, mut successes) = (0, 0);
    for uri in routes(&app).await {
        for method in [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
            Method::TRACE,
        ] {
            for (index, request) in variants(&method, &uri).into_iter().enumerate() {
                let response = send_to(&service, request).await;
                let about = format!("{method} {uri}, variant {index}: {}", response.status);
                assert_ne!(response.header("x-request-id"), "", "{about}");
                assert_eq!(
                    response.header("x-content-type-options"),
                    "nosniff",
                    "{about}"
                );
                let vary: Vec<_> = response.headers.get_all("vary").collect();
                let expected = if uri.starts_with("/v1/") {
                    "Authorization, X-API-Token, Origin"
                } else {
                    "Origin"
                };
                assert!(vary.iter().any(|fields| *fields == expected), "{about}");
                if response.status >= 400 {
                    problems += 1;
                    response.assert_problem(response.status, &response.code());
                } else if response.status != 204 {
                    successes += 1;
                    assert_ne!(response.header("cache-control"), "", "{about}");
                }
                // Responses that shared caches may store contain no user data.
                if response.header("cache-control").contains("public") {
                    assert!(!uri.starts_with("/v1/"), "{about}");
                }
                if response.status < 400 && response.header("content-type") == "application/json" {
                    assert!(
                        serde_json::from_slice::<Value>(&response.body).is_ok(),
                        "{about}"
                    );
                }
            }
        }
    }
    assert!(problems > 1000 && successes > 50, "{problems} {successes}");
}
