//! What users are to each other, over the domain's fakes.

mod batch;
mod changes;
mod counts;
mod hiding;
mod lists;

use actix_web::http::Method;
use actix_web::test::TestRequest;

use super::{Answer, World, get, post, problem};

/// Nobody's id.
const NOBODY: &str = "0199b8f2-7c1e-7000-8000-00000000dead";

fn put(uri: &str) -> TestRequest {
    TestRequest::put().uri(uri)
}

fn delete(uri: &str) -> TestRequest {
    TestRequest::delete().uri(uri)
}

fn head(uri: &str) -> TestRequest {
    TestRequest::default().method(Method::HEAD).uri(uri)
}

/// Lets the one follow the other.
async fn follow(world: &World, one: &str, other: &str) {
    let uri = format!("/v1/users/{one}/following/{other}");
    let answer = world.as_user(one, put(&uri)).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
}

/// Lets the one block the other.
async fn block(world: &World, one: &str, other: &str) {
    let uri = format!("/v1/users/{one}/blocks/{other}");
    let answer = world.as_user(one, put(&uri)).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
}

/// The names in a list, in its order.
fn names(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let users = body["users"].as_array().unwrap();
    let name = |user: &serde_json::Value| user["username"].as_str().unwrap().to_owned();
    users.iter().map(name).collect()
}
