//! Responses that show service tokens.

use serde_json::{Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::ResponseBuilder;

use super::{JSON, ResponseMap, example_of, statuses};

/// The created token with its secret.
pub(crate) struct IssuedToken;

/// The token that was read.
pub(crate) struct FoundToken;

/// A page of tokens.
pub(crate) struct ListedTokens;

impl IntoResponses for IssuedToken {
    fn responses() -> ResponseMap {
        let mut example = example();
        if let Some(members) = example.as_object_mut() {
            // Not in the format that secret scanners detect.
            members.insert("token".to_owned(), json!("ust_<id>_<secret>"));
            members.insert("last_used_at".to_owned(), Value::Null);
        }
        let token = ResponseBuilder::new()
            .description("The created token. Only this response contains the secret.")
            .content(JSON, example_of("IssuedServiceToken", example));
        statuses([(201, token, &["Location"])])
    }
}

impl IntoResponses for FoundToken {
    fn responses() -> ResponseMap {
        let token = ResponseBuilder::new()
            .description("The token, without the secret.")
            .content(JSON, example_of("ServiceToken", example()));
        statuses([(200, token, &[])])
    }
}

impl IntoResponses for ListedTokens {
    fn responses() -> ResponseMap {
        let tokens = ResponseBuilder::new()
            .description("A page of tokens, newest first.")
            .content(
                JSON,
                example_of(
                    "ServiceTokenPage",
                    json!({"tokens": [example()], "next_cursor": null}),
                ),
            );
        statuses([(200, tokens, &["Link"])])
    }
}

fn example() -> Value {
    json!({
        "id": "0199b8f2-7c1e-7000-8000-00000000000a",
        "name": "posts",
        "scopes": ["users:read"],
        "created_at": "2026-11-23T00:45:12.123456Z",
        "created_by": "operator",
        "expires_at": "2027-02-21T00:45:12.123456Z",
        "revoked_at": null,
        "last_used_at": "2026-11-23T08:01:00.000000Z",
    })
}
