//! Reads a password or a login from a JSON object.

use serde_json::{Map, Value};
use user_domain::input::{LoginInput, PasswordInput};

use super::members::Members;

/// Reads a password. Unknown members are added to its `unexpected_fields`.
pub(crate) fn read_password(document: Map<String, Value>) -> PasswordInput {
    let mut members = Members::new(document, &[]);
    PasswordInput {
        password: members.secret("password"),
        password_hash: members.secret("password_hash"),
        unexpected_fields: members.finish(&[]),
    }
}

/// Reads a login. Unknown members are added to its `unexpected_fields`.
pub(crate) fn read_login(document: Map<String, Value>) -> LoginInput {
    let mut members = Members::new(document, &[]);
    LoginInput {
        identifier: members.secret("identifier"),
        password: members.secret("password"),
        source: members.secret("source"),
        unexpected_fields: members.finish(&[]),
    }
}
