//! The JSON of service tokens in requests and responses.

use serde::Serialize;
use serde_json::{Map, Value};
use user_domain::Violation;
use user_domain::service_token::{ServiceToken, TokenInput};
use user_domain::use_cases::IssuedServiceToken;
use user_domain::values::{ServiceTokenId, Timestamp};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder};

use super::RequestBody;
use super::members::{Members, owned_text, wrong_type};
use crate::problem::{MAX_FAULTS, Problem};

/// A service token. The secret is present only in the response that creates it.
#[derive(Serialize)]
pub struct ServiceTokenRecord<'a> {
    id: ServiceTokenId,
    name: &'a str,
    scopes: Vec<&'static str>,
    created_at: Timestamp,
    created_by: &'a str,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

/// A page of service tokens.
#[derive(Serialize)]
pub(crate) struct ServiceTokens<'a> {
    tokens: Vec<ServiceTokenRecord<'a>>,
    next_cursor: Option<&'a str>,
}

/// A token to create. It expires at `expires_at` or after `expires_in` seconds; without both, never.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "posts", "scopes": ["users:read"], "expires_in": 7_776_000}))]
pub(crate) struct NewToken {
    /// The name of the service. Several tokens may have the same name. It must not start with `token-`.
    #[schema(pattern = "^[a-z0-9:_.-]{1,64}$", max_length = 64)]
    name: String,
    #[schema(schema_with = scopes)]
    scopes: (),
    /// The time at which the token expires; at most ten years ahead.
    #[schema(format = DateTime, max_length = 64)]
    expires_at: Option<String>,
    /// The lifetime of the token in seconds; not together with `expires_at`.
    #[schema(minimum = 1, maximum = 315_360_000)]
    expires_in: Option<u64>,
}

impl RequestBody for NewToken {
    type Input = TokenInput;

    fn read(document: Map<String, Value>) -> Result<TokenInput, Problem> {
        let mut members = Members::new(document, &[]);
        Ok(TokenInput {
            name: members.present("name", owned_text),
            scopes: read_contexts(&mut members),
            expires_at: members.optional("expires_at", owned_text),
            expires_in: members.optional("expires_in", |value| {
                let seconds = wrong_type("a whole number of seconds");
                value.as_u64().ok_or(seconds)
            }),
            unexpected_fields: members.finish(&[]),
        })
    }
}

fn scopes() -> ArrayBuilder {
    ArrayBuilder::new()
        .description(Some("The scopes of the token."))
        .items(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(TokenInput::scope_names())),
        )
        .min_items(Some(1))
        .max_items(Some(100))
}

/// Reads the names of scopes. A list longer than [`MAX_FAULTS`] is rejected.
fn read_contexts(members: &mut Members) -> Option<Vec<String>> {
    let names = members.texts("scopes", MAX_FAULTS + 1)?;
    if names.len() > MAX_FAULTS {
        let violation = Violation::new("too_many", "Must name each scope once.");
        members.add_fault(&["scopes"], &violation);
        return None;
    }
    Some(names)
}

impl<'a> From<&'a ServiceToken> for ServiceTokenRecord<'a> {
    fn from(token: &'a ServiceToken) -> Self {
        Self {
            id: token.id,
            name: token.name.as_str(),
            scopes: token.scopes.iter().map(|scope| scope.as_str()).collect(),
            created_at: token.created_at,
            created_by: token.created_by.as_str(),
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            last_used_at: token.last_used_at,
            token: None,
        }
    }
}

impl<'a> From<&'a IssuedServiceToken> for ServiceTokenRecord<'a> {
    /// Includes the secret, which is never shown again.
    fn from(issued: &'a IssuedServiceToken) -> Self {
        Self {
            token: Some(issued.expose()),
            ..Self::from(&issued.token)
        }
    }
}

impl<'a> ServiceTokens<'a> {
    /// Creates a page with the cursor of the next page.
    pub(crate) fn new(tokens: &'a [ServiceToken], next_cursor: Option<&'a str>) -> Self {
        Self {
            tokens: tokens.iter().map(ServiceTokenRecord::from).collect(),
            next_cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> TokenInput {
        NewToken::read(value.as_object().unwrap().clone()).unwrap()
    }

    #[test]
    fn each_member_sets_its_field() {
        let input = read(&json!({
            "name": "posts", "scopes": ["users:read", "x"], "expires_at": "t", "expires_in": 7,
        }));
        let expected = TokenInput {
            name: Some("posts".to_owned()),
            scopes: Some(vec!["users:read".to_owned(), "x".to_owned()]),
            expires_at: Some("t".to_owned()),
            expires_in: Some(7),
            unexpected_fields: Vec::new(),
        };
        assert_eq!(input, expected);
        let nulls = read(&json!({"expires_at": null, "expires_in": null}));
        assert_eq!(nulls, TokenInput::default());
    }

    #[test]
    fn mistyped_and_unknown_members_are_reported() {
        for (value, path, code) in [
            (json!({"name": 1}), "name", "type"),
            (json!({"name": null}), "name", "type"),
            (json!({"scopes": "users:read"}), "scopes", "type"),
            (json!({"scopes": ["users:read", 1]}), "scopes/1", "type"),
            (
                json!({"scopes": vec!["users:read"; 101]}),
                "scopes",
                "too_many",
            ),
            (json!({"expires_at": 1}), "expires_at", "type"),
            (json!({"expires_in": "1"}), "expires_in", "type"),
            (json!({"expires_in": -1}), "expires_in", "type"),
            (json!({"expires_in": 1.5}), "expires_in", "type"),
            (json!({"token": "t"}), "token", "unknown_field"),
        ] {
            let unexpected_fields = read(&value).unexpected_fields;
            let [fault] = unexpected_fields.as_slice() else {
                panic!("{value}: {unexpected_fields:?}");
            };
            assert_eq!((&*fault.path().join("/"), fault.code()), (path, code));
        }
    }
}
