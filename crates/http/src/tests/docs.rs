use std::collections::BTreeSet;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::Value;

use super::{World, get, problem};

fn below(base_path: &'static str) -> World {
    World::with(|settings| settings.base_path = base_path.to_owned(), |_| ())
}

#[actix_web::test]
async fn the_description_is_served_as_json_and_may_be_kept() {
    let answer = World::new().send(get("/openapi.json")).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/json")
    );
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.body, crate::openapi("").into_bytes());
}

#[actix_web::test]
async fn below_a_base_path_the_description_names_it_as_its_server() {
    let world = below("/people");
    for uri in ["/openapi.json", "/people/openapi.json"] {
        assert_eq!(
            world.send(get(uri)).await.json()["servers"][0]["url"],
            "/people",
            "{uri}"
        );
    }
}

#[actix_web::test]
async fn what_has_a_port_of_its_own_is_not_described() {
    let world = World::with(|settings| settings.has_management = true, |_| ());
    let description = world.send(get("/openapi.json")).await.json();
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.contains_key("/v1/users") && paths.contains_key("/docs"));
    for path in paths.keys() {
        assert!(!path.starts_with("/health") && path != "/metrics", "{path}");
    }
}

#[actix_web::test]
async fn every_resource_has_exactly_the_methods_that_are_described() {
    let world = World::new();
    let description = world.send(get("/openapi.json")).await.json();
    for (path, item) in description["paths"].as_object().unwrap() {
        let described: BTreeSet<String> = item
            .as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        let options = world
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
async fn the_page_and_its_parts_come_from_here_alone() {
    for base in ["", "/people"] {
        let world = below(base);
        for uri in [
            "/docs".to_owned(),
            "/docs/".to_owned(),
            format!("{base}/docs/"),
        ] {
            let page = world.send(get(&uri)).await;
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
            assert!(!html.contains("//"), "{html}");
            for part in html
                .split('"')
                .filter(|part| part.contains(".js") || part.contains(".css"))
            {
                let uri = format!("{base}/docs/{}", part.trim_start_matches("./"));
                assert_eq!(world.send(get(&uri)).await.status, 200, "{uri}");
            }
        }
        let start = world
            .send(get(&format!("{base}/docs/swagger-initializer.js")))
            .await;
        let start = String::from_utf8(start.body).unwrap();
        assert!(
            start.contains(&format!("\"url\": \"{base}/openapi.json\"")),
            "{start}"
        );
        assert!(start.contains("\"validatorUrl\": \"none\""), "{start}");
        assert!(!start.contains("://"), "{start}");
    }
}

#[actix_web::test]
async fn another_file_of_the_page_is_a_404_problem() {
    let world = World::new();
    for uri in ["/docs/nothing.js", "/docs/../Cargo.toml", "/docs/a/b"] {
        assert_eq!(
            world.send(get(uri)).await.problem(),
            problem(404, "not_found"),
            "{uri}"
        );
    }
    let wrong = world.send(TestRequest::delete().uri("/docs")).await;
    assert_eq!(
        (wrong.problem(), wrong.header("allow")),
        (problem(405, "method_not_allowed"), "GET, HEAD, OPTIONS")
    );
}

#[actix_web::test]
async fn a_head_of_the_description_is_a_200() {
    let world = World::new();
    for uri in ["/openapi.json", "/docs"] {
        let head = world
            .send(TestRequest::default().method(Method::HEAD).uri(uri))
            .await;
        assert_eq!(head.status, 200, "{uri}");
    }
}

#[actix_web::test]
async fn real_problems_have_the_members_that_are_described() {
    let world = World::new();
    let description = world.send(get("/openapi.json")).await.json();
    let described = &description["components"]["schemas"]["Problem"];
    let answers = [
        world.send(get("/v1/users/me")).await,
        world.as_service(get("/v1/users?limit=0")).await,
        world.as_service(get("/v1/users/me")).await,
    ];
    for answer in answers {
        let body = answer.json();
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
            described["properties"]["code"]["enum"]
                .as_array()
                .unwrap()
                .contains(&body["code"])
        );
    }
}
