//! From a JSON object to a password or a login as a caller words it.

use serde_json::{Map, Value};
use user_domain::Secret;
use user_domain::input::{LoginInput, PasswordInput, Raw};

use super::input::Misfits;

/// Sorts the members of an object into a password; what fits nowhere is among its misfits.
pub(crate) fn decode_password(document: Map<String, Value>) -> PasswordInput {
    let mut input = PasswordInput::default();
    let mut misfits = Misfits::default();
    for (name, value) in document {
        match name.as_str() {
            "password" => input.password = secret(value),
            "password_hash" => input.password_hash = secret(value),
            _ => misfits.unknown(&[], name),
        }
    }
    input.misfits = misfits.faults;
    input
}

/// Sorts the members of an object into a login; what fits nowhere is among its misfits.
pub(crate) fn decode_login(document: Map<String, Value>) -> LoginInput {
    let mut input = LoginInput::default();
    let mut misfits = Misfits::default();
    for (name, value) in document {
        match name.as_str() {
            "identifier" => input.identifier = secret(value),
            "password" => input.password = secret(value),
            "source" => input.source = secret(value),
            _ => misfits.unknown(&[], name),
        }
    }
    input.misfits = misfits.faults;
    input
}

pub(super) fn secret(value: Value) -> Raw<Secret> {
    match value {
        Value::Null => Raw::Null,
        Value::String(text) => Raw::Value(text.into()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Raw::Mistyped("a string")
        }
    }
}
