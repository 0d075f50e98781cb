//! The bodies of requests with a password.

use serde_json::{Map, Value};
use user_domain::input::{LoginInput, PasswordInput};
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

use super::RequestBody;
use super::members::Members;
use crate::problem::Problem;

/// Either a password or a password hash.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1, max_properties = 1, example = json!({"password": "correct horse battery staple"}))]
pub(crate) struct NewPassword {
    #[schema(min_length = 8, max_length = 128, schema_with = password, required = false)]
    password: (),
    #[schema(schema_with = password_hash, required = false)]
    password_hash: (),
}

/// The credentials of a login.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"identifier": "Alice.Smith", "password": "correct horse battery staple"}))]
pub(crate) struct Login {
    /// A username or an email address.
    #[schema(min_length = 1, max_length = 320)]
    identifier: String,
    /// The password as typed, at most 1024 bytes.
    #[schema(min_length = 1, max_length = 1024, format = "password")]
    password: String,
    /// The source of the login as the caller identifies it: an IP address, or a known device. Stored as a digest only.
    #[schema(min_length = 1, max_length = 255)]
    source: Option<String>,
}

impl RequestBody for NewPassword {
    type Input = PasswordInput;

    fn read(document: Map<String, Value>) -> Result<PasswordInput, Problem> {
        let mut members = Members::new(document, &[]);
        Ok(PasswordInput {
            password: members.secret("password"),
            password_hash: members.secret("password_hash"),
            unexpected_fields: members.finish(&[]),
        })
    }
}

impl RequestBody for Login {
    type Input = LoginInput;

    fn read(document: Map<String, Value>) -> Result<LoginInput, Problem> {
        let mut members = Members::new(document, &[]);
        Ok(LoginInput {
            identifier: members.secret("identifier"),
            password: members.secret("password"),
            source: members.secret("source"),
            unexpected_fields: members.finish(&[]),
        })
    }
}

pub(super) fn password() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(8))
        .max_length(Some(128))
        .description(Some(
            "8 to 128 characters, not blank. Not a common password, not a repetition or sequence such as `abababab` or `abcdefgh`, and not the username or email address.",
        ))
        .into()
}

pub(super) fn password_hash() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(512))
        .description(Some(
            "A hash from another system: argon2, bcrypt, scrypt or PBKDF2 in PHC or crypt format, or in the format of Werkzeug.",
        ))
        .into()
}
