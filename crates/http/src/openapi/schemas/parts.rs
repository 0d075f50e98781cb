//! Parts of several schemas.

use serde_json::{Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{AdditionalProperties, Array, Object, SchemaType, Type};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema};

use crate::problem::Code;

/// Returns an example of a request that creates a user.
pub(crate) fn new_user_example() -> Value {
    json!({
        "username": "Alice.Smith",
        "email": "alice@example.org",
        "profile": {"name": "Alice Smith", "locale": "en-GB"},
        "metadata": {"public": {"plan": "basic"}},
    })
}

/// Returns the user that [`new_user_example`] creates.
pub(crate) fn created_user_example() -> Value {
    user_example_with(&json!({
        "version": 1,
        "profile": {
            "name": "Alice Smith", "given_name": null, "family_name": null, "nickname": null, "picture": null,
            "website": null, "bio": null, "location": null, "locale": "en-GB", "zoneinfo": null, "birthdate": null,
        },
        "email_verified": false,
        "external_id": null,
        "updated_at": "2026-11-23T00:45:12.123456Z",
    }))
}

/// Returns an example of a suspended user.
pub(crate) fn suspended_user_example() -> Value {
    user_example_with(&json!({
        "status": "suspended",
        "version": 4,
        "updated_at": "2026-11-24T10:15:00.000000Z",
        "suspension": {"reason": "spam", "until": "2026-12-24T00:00:00.000000Z"},
    }))
}

/// Returns the example of a user with other values of some members.
fn user_example_with(members: &Value) -> Value {
    let mut user = user_example();
    for (name, value) in members.as_object().into_iter().flatten() {
        if let Some(member) = user.get_mut(name) {
            *member = value.clone();
        }
    }
    user
}

/// Returns an example of a user in the full view.
pub(crate) fn user_example() -> Value {
    json!({
        "id": "0199b8f2-7c1e-7000-8000-000000000000",
        "username": "Alice.Smith",
        "status": "active",
        "version": 3,
        "profile": {
            "name": "Alice Smith", "given_name": null, "family_name": null, "nickname": null, "picture": null,
            "website": "https://alice.example", "bio": null, "location": null, "locale": "en-GB", "zoneinfo": null,
            "birthdate": null,
        },
        "metadata": {"public": {"plan": "basic"}, "user": {}, "private": {}},
        "email": "alice@example.org",
        "email_verified": true,
        "phone_number": null,
        "phone_number_verified": false,
        "external_id": "10042",
        "roles": [],
        "created_at": "2026-11-23T00:45:12.123456Z",
        "updated_at": "2026-11-23T08:01:00.000000Z",
        "deleted_at": null,
        "suspension": null,
    })
}

pub(crate) fn object(schema: RefOr<Schema>) -> Object {
    match schema {
        RefOr::T(Schema::Object(object)) => object,
        _ => Object::new(),
    }
}

pub(crate) fn without_required(mut object: Object) -> Object {
    object.required.clear();
    object
}

pub(crate) fn any_object(about: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(about))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .build()
}

pub(crate) fn or_null(mut object: Object) -> Object {
    object.schema_type = SchemaType::from_iter([Type::Object, Type::Null]);
    object
}

pub(crate) fn public_metadata() -> Object {
    any_object("Written by services and administrators, visible to every caller.")
}

pub(crate) fn user_metadata() -> Object {
    any_object("Written by the user, services and administrators. Own and full view only.")
}

pub(crate) fn private_metadata() -> Object {
    any_object("Written by services and administrators. Full view only.")
}

pub(crate) fn public_metadata_or_null() -> Object {
    or_null(public_metadata())
}

pub(crate) fn user_metadata_or_null() -> Object {
    or_null(user_metadata())
}

pub(crate) fn private_metadata_or_null() -> Object {
    or_null(private_metadata())
}

pub(crate) fn roles() -> Array {
    let role = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[a-z0-9:_-]{1,64}$"))
        .max_length(Some(64))
        .build();
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .description(Some(
            "At most 32 different roles. Written by administrators and services with `roles:write`.",
        ))
        .items(role)
        .max_items(Some(32))
        .build()
}

/// Returns the schema of the code of a problem. It has no `enum`: generated clients must accept codes that later releases
/// add.
pub(crate) fn code() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(
            "The machine-readable error code. `x-extensible-enum` lists the codes of this release; later releases may add \
             codes.",
        ))
        .pattern(Some("^[a-z_]+$"))
        .max_length(Some(64))
        .extensions(Some(Extensions::from_iter([(
            "x-extensible-enum",
            Code::ALL.map(Code::as_str),
        )])))
        .build()
}
