//! The tokens of services: as their makers word them, and as they are shown.

use serde::Serialize;
use serde_json::{Map, Value};
use user_domain::service_token::{ServiceToken, TokenInput};
use user_domain::use_cases::IssuedServiceToken;
use user_domain::values::{ServiceTokenId, Timestamp};
use user_domain::{Fault, Violation};

use crate::problem::MAX_FAULTS;

/// A token, without what proves it unless it was just made.
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

/// A list of tokens.
#[derive(Serialize)]
pub(crate) struct ServiceTokens<'a> {
    tokens: Vec<ServiceTokenRecord<'a>>,
}

/// Sorts the members of an object into an input; what fits nowhere is among its misfits.
pub(crate) fn decode_token(document: Map<String, Value>) -> TokenInput {
    let mut input = TokenInput::default();
    for (name, value) in document {
        match (name.as_str(), value) {
            ("name", Value::String(text)) => input.name = Some(text),
            ("scopes", Value::Array(items)) => input.scopes = scopes(items, &mut input.misfits),
            ("expires_at", Value::String(text)) => input.expires_at = Some(text),
            ("expires_in", Value::Number(number)) if number.is_u64() => {
                input.expires_in = number.as_u64();
            }
            ("expires_at" | "expires_in", Value::Null) => {}
            ("name" | "expires_at", _) => misfit(&mut input.misfits, name, "Must be a string."),
            ("scopes", _) => misfit(&mut input.misfits, name, "Must be an array of strings."),
            ("expires_in", _) => {
                misfit(
                    &mut input.misfits,
                    name,
                    "Must be a whole number of seconds.",
                );
            }
            _ => push(
                &mut input.misfits,
                vec![name],
                &Violation::new("unknown_field", "Is not a field."),
            ),
        }
    }
    input
}

/// Takes the names; more than a problem shows faults of are not looked at, but keep the input from being taken.
fn scopes(items: Vec<Value>, misfits: &mut Vec<Fault>) -> Option<Vec<String>> {
    if items.len() > MAX_FAULTS {
        let many = Violation::new("too_many", "Must name each scope once.");
        push(misfits, vec!["scopes".to_owned()], &many);
        return None;
    }
    let count = items.len();
    let mut names = Vec::with_capacity(count);
    for (number, item) in items.into_iter().enumerate() {
        if let Value::String(name) = item {
            names.push(name);
        } else {
            let path = vec!["scopes".to_owned(), number.to_string()];
            push(misfits, path, &Violation::new("type", "Must be a string."));
        }
    }
    (names.len() == count).then_some(names)
}

fn misfit(misfits: &mut Vec<Fault>, name: String, rule: &'static str) {
    push(misfits, vec![name], &Violation::new("type", rule));
}

fn push(misfits: &mut Vec<Fault>, path: Vec<String>, violation: &Violation) {
    if misfits.len() < MAX_FAULTS {
        misfits.push(Fault::at(path, violation));
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
    /// Shows the token with what proves it, this once.
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
    fn each_member_finds_its_place() {
        let input = decoded(&json!({
            "name": "posts", "scopes": ["users:read", "x"], "expires_at": "t", "expires_in": 7,
        }));
        let expected = TokenInput {
            name: Some("posts".to_owned()),
            scopes: Some(vec!["users:read".to_owned(), "x".to_owned()]),
            expires_at: Some("t".to_owned()),
            expires_in: Some(7),
            misfits: Vec::new(),
        };
        assert_eq!(input, expected);
        let nulls = decoded(&json!({"expires_at": null, "expires_in": null}));
        assert_eq!(nulls, TokenInput::default());
    }

    #[test]
    fn what_fits_nowhere_is_a_fault() {
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
            let misfits = decoded(&value).misfits;
            let [fault] = misfits.as_slice() else {
                panic!("{value}: {misfits:?}");
            };
            assert_eq!((&*fault.path().join("/"), fault.code()), (path, code));
        }
    }
}
