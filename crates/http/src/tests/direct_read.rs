use std::collections::BTreeMap;
use std::sync::Arc;

use user_domain::StoreError;
use user_domain::ports::MockServiceTokenVerifier;
use user_domain::test_support::mocks::MockUserReader;

use super::relationships::UNKNOWN_ID;
use super::{TestApp, TestResponse, get};

/// Returns the header fields of a response without the request id. The members of list fields are sorted.
fn fields(response: &TestResponse) -> BTreeMap<String, Vec<String>> {
    let named = response.headers.iter().map(|(name, value)| {
        let mut members: Vec<String> = value
            .to_str()
            .unwrap()
            .split(", ")
            .map(str::to_lowercase)
            .collect();
        members.sort_unstable();
        (name.to_string(), members)
    });
    named.filter(|(name, _)| name != "x-request-id").collect()
}

fn assert_same(direct: &TestResponse, routed: &TestResponse) {
    assert_eq!(direct.status, routed.status);
    assert_eq!(fields(direct), fields(routed));
    if direct.status < 400 {
        assert_eq!(direct.body, routed.body);
    } else {
        direct.assert_problem(routed.status, &routed.code());
        routed.assert_problem(direct.status, &direct.code());
    }
    assert!(!direct.header("x-request-id").is_empty());
}

#[actix_web::test]
async fn a_direct_read_and_a_routed_one_have_the_same_response() {
    for origins in [&[][..], &["https://app.example.com"], &["*"]] {
        let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let app = TestApp::with_settings(|settings| settings.cors_allowed_origins = origins);
        let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
        // By id, a read needs no router.
        let direct = format!("/v1/users/{ann}");
        let routed = "/v1/users/by-username/ann";
        // The first reads fill the caches.
        let tag = app
            .as_user(&ann, get(&direct))
            .await
            .header("etag")
            .to_owned();
        for caller in [&ann, &bob] {
            app.as_user(caller, get(&direct)).await;
            let fields = [
                None,
                Some(("if-none-match", "\"9-own\"")),
                Some(("if-none-match", &*tag)),
                Some(("if-none-match", "*")),
                Some(("if-none-match", "malformed")),
                Some(("cache-control", "no-cache")),
                Some(("origin", "https://app.example.com")),
                Some(("origin", "https://other.example.com")),
                Some(("x-api-token", "ambiguous")),
            ];
            for field in fields {
                let with_field = |uri: &str| match field {
                    Some(field) => get(uri).insert_header(field),
                    None => get(uri),
                };
                let direct = app.as_user(caller, with_field(&direct)).await;
                let routed = app.as_user(caller, with_field(routed)).await;
                assert_same(&direct, &routed);
            }
        }
        let direct = app.send(get(&direct)).await;
        let routed = app.send(get(routed)).await;
        assert_same(&direct, &routed);
        let unknown = app
            .as_user(&bob, get(&format!("/v1/users/{UNKNOWN_ID}")))
            .await;
        let routed = app.as_user(&bob, get("/v1/users/by-username/nobody")).await;
        assert_same(&unknown, &routed);
    }
}

#[actix_web::test]
async fn a_cached_user_is_returned_while_the_store_is_unavailable() {
    let app = TestApp::with_ports(|ports| {
        let known = ports.service_tokens.clone();
        let mut unavailable = MockServiceTokenVerifier::new();
        unavailable.expect_find().returning(move |token| {
            if token == super::SERVICE {
                let found = known.clone();
                return futures_util::FutureExt::now_or_never(async move {
                    found.find(super::SERVICE).await
                })
                .unwrap();
            }
            Err(StoreError::Unavailable("store unavailable".into()).into())
        });
        ports.service_tokens = Arc::new(unavailable);
    });
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let uri = format!("/v1/users/{ann}");
    for id in [&ann, &bob] {
        app.as_service(get(&format!("/v1/users/{id}"))).await;
    }
    for request in [
        get(&uri),
        get(&format!("{uri}/")),
        get(&format!("{uri}?fields=id")),
        get(&uri).insert_header(("if-none-match", "\"9-own\"")),
        get(&uri).insert_header(("origin", "https://app.example.com")),
    ] {
        let response = app.as_user(&bob, request).await;
        assert_eq!(response.status, 200);
    }
}

#[actix_web::test]
async fn an_unavailable_database_is_a_503() {
    let app = TestApp::with_ports(|ports| {
        let unavailable = || StoreError::Unavailable("store unavailable".into());
        let mut reader = MockUserReader::new();
        reader.expect_find().returning(move |_| Err(unavailable()));
        reader
            .expect_find_many()
            .returning(move |_| Err(unavailable()));
        ports.reader = Arc::new(reader);
    });
    let ann = app.create_user("ann").await;
    for request in [
        get(&format!("/v1/users/{UNKNOWN_ID}")),
        get(&format!("/v1/users/{UNKNOWN_ID}")).insert_header(("cache-control", "no-cache")),
        get("/v1/users/by-username/bob"),
    ] {
        let response = app.as_user(&ann, request).await;
        response.assert_problem(503, "unavailable");
    }
}
