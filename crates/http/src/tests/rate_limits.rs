use std::num::NonZeroU32;

use serde_json::json;

use super::{TestApp, TestResponse, get, post};
use crate::RateLimit;

/// A burst that the tests use up, and a rate that is too slow to refill it meanwhile.
const BURST: u32 = 3;

fn limited() -> TestApp {
    let limit = RateLimit {
        per_second: NonZeroU32::MIN,
        burst: NonZeroU32::new(BURST).unwrap(),
    };
    TestApp::with_settings(|settings| settings.user_rate_limit = Some(limit))
}

/// Sends requests until one is refused, and returns the responses.
async fn until_refused(send: impl AsyncFn() -> TestResponse) -> Vec<TestResponse> {
    let mut responses = Vec::new();
    for _ in 0..10_000 {
        let response = send().await;
        let status = response.status;
        responses.push(response);
        if status == 429 {
            break;
        }
    }
    responses
}

#[actix_web::test]
async fn a_caller_beyond_its_rate_gets_a_429_with_the_time_to_wait() {
    let app = limited();
    let ann = app.create_user("ann").await;
    // A read of one user takes another way than the other requests. Both are counted.
    let uri = format!("/v1/users/{ann}");
    let responses = until_refused(async || app.as_user(&ann, get(&uri)).await).await;
    let (refused, served) = responses.split_last().unwrap();
    assert!(served.len() >= BURST as usize);
    for response in served {
        assert_eq!(response.status, 200);
        assert_eq!(response.header("ratelimit-limit"), "3");
        assert_ne!(response.header("ratelimit-reset"), "");
    }
    assert_eq!(served[0].header("ratelimit-remaining"), "2");
    refused.assert_problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    assert_eq!(refused.header("ratelimit-reset"), "3");

    let batch = || post("/v1/users/batch").set_json(json!({"ids": [ann]}));
    let responses = until_refused(async || app.as_user(&ann, batch()).await).await;
    responses
        .last()
        .unwrap()
        .assert_problem(429, "rate_limited");
}

#[actix_web::test]
async fn another_user_and_services_are_not_limited_with_it() {
    let app = limited();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    until_refused(async || app.as_user(&ann, get("/v1/users/me")).await).await;
    let other = app.as_user(&bob, get("/v1/users/me")).await;
    assert_eq!(
        (other.status, other.header("ratelimit-remaining")),
        (200, "2")
    );
    for _ in 0..2 * BURST {
        let response = app.as_service(get("/v1/users/count")).await;
        assert_eq!(
            (response.status, response.header("ratelimit-limit")),
            (200, "")
        );
    }
}
