//! The JSON of service tokens in requests and responses.

use serde::Serialize;
use serde_json::{Map, Value};
use user_domain::service_token::{ServiceToken, TokenInput};
use user_domain::use_cases::IssuedServiceToken;
use user_domain::values::{ServiceTokenId, Timestamp};
use user_domain::{Fault, Violation};

use crate::problem::MAX_FAULTS;

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

/// A list of service tokens.
#[derive(Serialize)]
pub(crate) struct ServiceTokens<'a> {
    tokens: Vec<ServiceTokenRecord<'a>>,
}

/// Decodes the request for a service token. Mistyped and unknown members are added to its `unexpected_fields`.
pub(crate) fn decode_token(document: Map<String, Value>) -> TokenInput {
    let mut input = TokenInput::default();
    for (name, value) in document {
        match (name.as_str(), value) {
            ("name", Value::String(text)) => input.name = Some(text),
            ("scopes", Value::Array(items)) => {
                input.scopes = scopes(items, &mut input.unexpected_fields);
            }
            ("expires_at", Value::String(text)) => input.expires_at = Some(text),
            ("expires_in", Value::Number(number)) if number.is_u64() => {
                input.expires_in = number.as_u64();
            }
            ("expires_at" | "expires_in", Value::Null) => {}
            ("name" | "expires_at", _) => {
                push_type_error(&mut input.unexpected_fields, name, "Must be a string.");
            }
            ("scopes", _) => push_type_error(
                &mut input.unexpected_fields,
                name,
                "Must be an array of strings.",
            ),
            ("expires_in", _) => {
                push_type_error(
                    &mut input.unexpected_fields,
                    name,
                    "Must be a whole number of seconds.",
                );
            }
            _ => push(
                &mut input.unexpected_fields,
                vec![name],
                &Violation::new("unknown_field", "Is not a field."),
            ),
        }
    }
    input
}

/// Decodes the names of scopes. A list longer than [`MAX_FAULTS`] is rejected without reading its items.
fn scopes(items: Vec<Value>, unexpected_fields: &mut Vec<Fault>) -> Option<Vec<String>> {
    if items.len() > MAX_FAULTS {
        let many = Violation::new("too_many", "Must name each scope once.");
        push(unexpected_fields, vec!["scopes".to_owned()], &many);
        return None;
    }
    let count = items.len();
    let mut names = Vec::with_capacity(count);
    for (number, item) in items.into_iter().enumerate() {
        if let Value::String(name) = item {
            names.push(name);
        } else {
            let path = vec!["scopes".to_owned(), number.to_string()];
            push(
                unexpected_fields,
                path,
                &Violation::new("type", "Must be a string."),
            );
        }
    }
    (names.len() == count).then_some(names)
}

fn push_type_error(unexpected_fields: &mut Vec<Fault>, name: String, rule: &'static str) {
    push(unexpected_fields, vec![name], &Violation::new("type", rule));
}

fn push(unexpected_fields: &mut Vec<Fault>, path: Vec<String>, violation: &Violation) {
    if unexpected_fields.len() < MAX_FAULTS {
        unexpected_fields.push(Fault::at(path, violation));
    }
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

impl<'a> From<&'a [ServiceToken]> for ServiceTokens<'a> {
    fn from(tokens: &'a [ServiceToken]) -> Self {
        Self {
            tokens: tokens.iter().map(ServiceTokenRecord::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoded(value: &Value) -> TokenInput {
        decode_token(value.as_object().unwrap().clone())
    }

    #[test]
    fn each_member_sets_its_field() {
        let input = decoded(&json!({
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
        let nulls = decoded(&json!({"expires_at": null, "expires_in": null}));
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
            let unexpected_fields = decoded(&value).unexpected_fields;
            let [fault] = unexpected_fields.as_slice() else {
                panic!("{value}: {unexpected_fields:?}");
            };
            assert_eq!((&*fault.path().join("/"), fault.code()), (path, code));
        }
    }
}
