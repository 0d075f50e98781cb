//! Relationships between users, with the fakes of the domain.

mod batch;
mod block_visibility;
mod changes;
mod counts;
mod lists;

use actix_web::http::Method;
use actix_web::test::TestRequest;

use super::{TestApp, TestResponse, get, post};

/// An id without a user.
pub(super) const UNKNOWN_ID: &str = "0199b8f2-7c1e-7000-8000-00000000dead";

fn put(uri: &str) -> TestRequest {
    TestRequest::put().uri(uri)
}

fn delete(uri: &str) -> TestRequest {
    TestRequest::delete().uri(uri)
}

fn head(uri: &str) -> TestRequest {
    TestRequest::default().method(Method::HEAD).uri(uri)
}

/// Makes `one` follow `other`.
async fn follow(app: &TestApp, one: &str, other: &str) {
    let uri = format!("/v1/users/{one}/following/{other}");
    let response = app.as_user(one, put(&uri)).await;
    assert_eq!((response.status, response.body.len()), (204, 0));
}

/// Makes `one` block `other`.
async fn block(app: &TestApp, one: &str, other: &str) {
    let uri = format!("/v1/users/{one}/blocks/{other}");
    let response = app.as_user(one, put(&uri)).await;
    assert_eq!((response.status, response.body.len()), (204, 0));
}

/// Returns the usernames of a list in its order.
fn names(response: &TestResponse) -> Vec<String> {
    let body = response.json();
    let users = body["users"].as_array().unwrap();
    let name = |user: &serde_json::Value| user["username"].as_str().unwrap().to_owned();
    users.iter().map(name).collect()
}
