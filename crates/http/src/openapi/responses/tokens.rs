//! Responses that show tokens of services.

use serde_json::{Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::ResponseBuilder;

use super::{JSON, Statuses, example_of, statuses};

/// The token that was made, with what proves it.
pub(crate) struct IssuedToken;

/// The token that was read.
pub(crate) struct FoundToken;

/// All tokens.
pub(crate) struct ListedTokens;

impl IntoResponses for IssuedToken {
    fn responses() -> Statuses {
        let mut example = example();
        if let Some(members) = example.as_object_mut() {
            // Not of the form that scanners for secrets look for.
            members.insert("token".to_owned(), json!("ust_<id>_<secret>"));
        }
        let token = ResponseBuilder::new()
            .description("The token was made. Nothing else will ever show what proves it.")
            .content(JSON, example_of("IssuedServiceToken", example));
        statuses([(201, token, &["Location"])])
    }
}

impl IntoResponses for FoundToken {
    fn responses() -> Statuses {
        let token = ResponseBuilder::new()
            .description("The token, without what proves it.")
            .content(JSON, example_of("ServiceToken", example()));
        statuses([(200, token, &[])])
    }
}

impl IntoResponses for ListedTokens {
    fn responses() -> Statuses {
        let tokens = ResponseBuilder::new()
            .description("The tokens, the newest first.")
            .content(
                JSON,
                example_of("ServiceTokenList", json!({"tokens": [example()]})),
            );
        statuses([(200, tokens, &[])])
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
