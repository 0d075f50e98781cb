use std::collections::BTreeSet;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{TestApp, decompressed, get, post};

fn with_base_path(base_path: &'static str) -> TestApp {
    TestApp::with_settings(|settings| settings.base_path = base_path.to_owned())
}

#[actix_web::test]
async fn each_document_is_cacheable_and_compressed_for_a_client_that_asks() {
    let app = TestApp::new();
    for (uri, content_type, text) in [
        ("/openapi.json", "application/json", crate::openapi("")),
        (
            "/openapi-3.0.json",
            "application/json",
            crate::openapi_3_0(""),
        ),
        ("/asyncapi.json", "application/json", crate::asyncapi("")),
    ] {
        let plain = app.send(get(uri)).await;
        assert_eq!(
            (plain.status, plain.header("content-type")),
            (200, content_type),
            "{uri}"
        );
        assert_eq!(plain.header("cache-control"), "public, max-age=300");
        assert_eq!(plain.header("vary"), "Accept-Encoding");
        assert_eq!(plain.header("content-encoding"), "");
        assert!(plain.body == text.as_bytes(), "{uri}");

        let compressed = app
            .send(get(uri).insert_header(("accept-encoding", "gzip")))
            .await;
        assert_eq!(compressed.header("content-encoding"), "gzip");
        assert_eq!(compressed.header("content-type"), content_type);
        assert!(compressed.body.len() < text.len() / 2);
        assert!(decompressed(&compressed.body) == text.as_bytes(), "{uri}");

        let tags = [plain.header("etag"), compressed.header("etag")];
        assert_ne!(tags[0], tags[1], "an entity tag belongs to one encoding");
        for (encoding, known, status) in [
            ("identity", tags[0], 304),
            ("gzip", tags[1], 304),
            ("gzip", tags[0], 200),
            ("identity", "\"other\"", 200),
        ] {
            let request = get(uri)
                .insert_header(("accept-encoding", encoding))
                .insert_header(("if-none-match", known.to_owned()));
            let response = app.send(request).await;
            assert_eq!(response.status, status, "{uri} {encoding} {known}");
            assert_eq!(response.body.is_empty(), status == 304);
            assert_ne!(response.header("etag"), "");
        }
    }
}

#[actix_web::test]
async fn the_root_links_to_the_documentation() {
    for base in ["", "/people"] {
        let app = with_base_path(base);
        for uri in ["/".to_owned(), base.to_owned(), format!("{base}/")] {
            if uri.is_empty() {
                continue;
            }
            let response = app.send(get(&uri)).await;
            assert_eq!(response.status, 200, "{uri}");
            assert_eq!(
                response.json(),
                json!({
                    "service": "user-service",
                    "documentation": format!("{base}/docs"),
                    "guide": format!("{base}/docs/guide"),
                    "openapi": format!("{base}/openapi.json"),
                    "openapi_3_0": format!("{base}/openapi-3.0.json"),
                    "asyncapi": format!("{base}/asyncapi.json"),
                })
            );
            assert_eq!(
                response.header("link"),
                format!(
                    "<{base}/docs>; rel=\"service-doc\", <{base}/docs/guide>; rel=\"service-doc\", <{base}/openapi.json>; rel=\"service-desc\", <{base}/asyncapi.json>; rel=\"service-desc\""
                )
            );
            assert_eq!(response.header("vary"), "accept");
            let path = response.json()["documentation"]
                .as_str()
                .unwrap()
                .to_owned();
            assert_eq!(app.send(get(&path)).await.status, 200);
            let head = TestRequest::default().method(Method::HEAD).uri(&uri);
            assert_eq!(app.send(head).await.status, 200);
            let refused = app.send(post(&uri)).await;
            refused.assert_problem(405, "method_not_allowed");
            assert_eq!(refused.header("allow"), "GET, HEAD, OPTIONS");
        }
    }
}

#[actix_web::test]
async fn a_browser_is_redirected_to_the_documentation_page() {
    let accept = (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    );
    for base in ["", "/people"] {
        let app = with_base_path(base);
        let response = app.send(get("/").insert_header(accept)).await;
        assert_eq!(
            (response.status, response.header("location")),
            (303, &*format!("{base}/docs"))
        );
        assert_eq!(response.header("vary"), "accept");
    }
}

#[actix_web::test]
async fn the_base_path_is_the_server_of_the_openapi_document() {
    let app = with_base_path("/people");
    for uri in ["/openapi.json", "/people/openapi.json"] {
        assert_eq!(
            app.send(get(uri)).await.json()["servers"][0]["url"],
            "/people",
            "{uri}"
        );
    }
}

#[actix_web::test]
async fn routes_of_the_management_port_are_not_described() {
    let app = TestApp::with_settings(|settings| settings.has_management = true);
    let description = app.send(get("/openapi.json")).await.json();
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.contains_key("/v1/users") && paths.contains_key("/docs"));
    for path in paths.keys() {
        assert!(!path.starts_with("/health") && path != "/metrics", "{path}");
    }
}

#[actix_web::test]
async fn every_resource_has_exactly_the_documented_methods() {
    let app = TestApp::new();
    let description = app.send(get("/openapi.json")).await.json();
    for (path, item) in description["paths"].as_object().unwrap() {
        let described: BTreeSet<String> = item
            .as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        let options = app
            .send(TestRequest::default().method(Method::OPTIONS).uri(path))
            .await;
        let allowed: BTreeSet<String> = options
            .header("allow")
            .split(", ")
            .filter(|method| !matches!(*method, "HEAD" | "OPTIONS"))
            .map(str::to_owned)
            .collect();
        assert_eq!(allowed, described, "{path}");
    }
}

#[actix_web::test]
async fn the_documentation_page_loads_nothing_from_other_hosts() {
    for base in ["", "/people"] {
        let app = with_base_path(base);
        for uri in [
            "/docs".to_owned(),
            "/docs/".to_owned(),
            format!("{base}/docs/"),
        ] {
            let page = app.send(get(&uri)).await;
            assert_eq!(
                (page.status, page.header("content-type")),
                (200, "text/html"),
                "{uri}"
            );
            assert!(
                page.header("content-security-policy")
                    .starts_with("default-src 'none'")
            );
            let html = String::from_utf8(page.body).unwrap();
            assert!(
                html.contains(&format!("<base href=\"{base}/docs/\">")),
                "{html}"
            );
            assert!(html.contains("<title>User service API</title>"), "{html}");
            assert!(!html.contains("//"), "{html}");
            for part in html
                .split('"')
                .filter(|part| part.contains(".js") || part.contains(".css"))
            {
                let uri = format!("{base}/docs/{}", part.trim_start_matches("./"));
                assert_eq!(app.send(get(&uri)).await.status, 200, "{uri}");
            }
        }
        let start = app
            .send(get(&format!("{base}/docs/swagger-initializer.js")))
            .await;
        let start = String::from_utf8(start.body).unwrap();
        assert!(
            start.contains(&format!("\"url\": \"{base}/openapi.json\"")),
            "{start}"
        );
        for setting in [
            "\"validatorUrl\": \"none\"",
            "\"persistAuthorization\": true",
            "\"defaultModelsExpandDepth\": -1",
        ] {
            assert!(start.contains(setting), "{start}");
        }
        assert!(!start.contains("://"), "{start}");
    }
}

#[actix_web::test]
async fn the_guide_loads_only_its_style() {
    for base in ["", "/people"] {
        let app = with_base_path(base);
        for uri in ["/docs/guide", "/docs/guide/", "/docs/guide/errors"] {
            let page = app.send(get(&format!("{base}{uri}"))).await;
            assert_eq!(
                (page.status, page.header("content-type")),
                (200, "text/html; charset=utf-8"),
                "{uri}"
            );
            assert!(
                page.header("content-security-policy")
                    .starts_with("default-src 'none'; style-src 'self';")
            );
            let html = String::from_utf8(page.body).unwrap();
            assert!(
                !html.contains("src=") && !html.contains("<script"),
                "{html}"
            );
            let style = format!("<link rel=\"stylesheet\" href=\"{base}/docs/guide/style.css\">");
            assert!(html.contains(&style), "{html}");
        }
        let style = app.send(get(&format!("{base}/docs/guide/style.css"))).await;
        assert_eq!(
            (style.status, style.header("content-type")),
            (200, "text/css; charset=utf-8")
        );
    }
}

#[actix_web::test]
async fn an_unknown_documentation_file_is_a_404() {
    let app = TestApp::new();
    for uri in [
        "/docs/nothing.js",
        "/docs/../Cargo.toml",
        "/docs/a/b",
        "/docs/guide/nothing",
    ] {
        app.send(get(uri)).await.assert_problem(404, "not_found");
    }
    let wrong = app.send(TestRequest::delete().uri("/docs")).await;
    wrong.assert_problem(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), "GET, HEAD, OPTIONS");
}

#[actix_web::test]
async fn head_of_the_documentation_is_a_200() {
    let app = TestApp::new();
    for uri in [
        "/openapi.json",
        "/openapi-3.0.json",
        "/asyncapi.json",
        "/docs",
        "/docs/guide",
    ] {
        let head = app
            .send(TestRequest::default().method(Method::HEAD).uri(uri))
            .await;
        assert_eq!(head.status, 200, "{uri}");
    }
}

#[actix_web::test]
async fn problems_have_the_documented_members() {
    let app = TestApp::new();
    let description = app.send(get("/openapi.json")).await.json();
    let described = &description["components"]["schemas"]["Problem"];
    let responses = [
        app.send(get("/v1/users/me")).await,
        app.as_service(get("/v1/users?limit=0")).await,
        app.as_service(get("/v1/users/me")).await,
    ];
    for response in responses {
        let body = response.json();
        for name in described["required"].as_array().unwrap() {
            assert!(
                body.get(name.as_str().unwrap()).is_some(),
                "{name} in {body}"
            );
        }
        for name in body.as_object().unwrap().keys() {
            assert_ne!(described["properties"][name], Value::Null, "{name}");
        }
        assert!(
            described["properties"]["code"]["x-extensible-enum"]
                .as_array()
                .unwrap()
                .contains(&body["code"])
        );
    }
}
