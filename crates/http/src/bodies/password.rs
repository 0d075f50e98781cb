//! Decodes a JSON object into the unvalidated input of a password or a login.

use serde_json::{Map, Value};
use user_domain::Secret;
use user_domain::input::{LoginInput, PasswordInput, Raw};

use super::input::UnexpectedFields;

/// Decodes a password. Unknown members are added to its `unexpected_fields`.
pub(crate) fn decode_password(document: Map<String, Value>) -> PasswordInput {
    let mut input = PasswordInput::default();
    let mut unexpected_fields = UnexpectedFields::default();
    for (name, value) in document {
        match name.as_str() {
            "password" => input.password = secret(value),
            "password_hash" => input.password_hash = secret(value),
            _ => unexpected_fields.unknown(&[], name),
        }
    }
    input.unexpected_fields = unexpected_fields.faults;
    input
}

/// Decodes a login. Unknown members are added to its `unexpected_fields`.
pub(crate) fn decode_login(document: Map<String, Value>) -> LoginInput {
    let mut input = LoginInput::default();
    let mut unexpected_fields = UnexpectedFields::default();
    for (name, value) in document {
        match name.as_str() {
            "identifier" => input.identifier = secret(value),
            "password" => input.password = secret(value),
            "source" => input.source = secret(value),
            _ => unexpected_fields.unknown(&[], name),
        }
    }
    input.unexpected_fields = unexpected_fields.faults;
    input
}

pub(super) fn secret(value: Value) -> Raw<Secret> {
    match value {
        Value::Null => Raw::Null,
        Value::String(text) => Raw::Value(text.into()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Raw::WrongType("a string")
        }
    }
}
