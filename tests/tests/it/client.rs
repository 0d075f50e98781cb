//! The Rust client (`crates/client`) against real services.

mod following;
mod loading;
mod operations;
mod readme;
mod retries;
mod script;

use user_client::{Client, UserId};
use user_tests::{API_TOKEN, TestApp, claims, sign};

/// A client with a service token that has all scopes.
fn client(app: &TestApp) -> Client {
    Client::new(&app.url(""), API_TOKEN).unwrap()
}

/// A client with the token of a user.
fn client_of(app: &TestApp, id: UserId) -> Client {
    let token = sign(&claims(&id.to_string()));
    client(app).with_token(token).unwrap()
}
