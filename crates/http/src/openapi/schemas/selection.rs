//! The schemas of selected fields.

use serde_json::json;
use utoipa::openapi::schema::{AnyOfBuilder, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::outputs::{Metadata, Status, User};
use super::parts::{object, without_required};
use super::{Counts, NamedSchemas, Profile};
use crate::bodies::field_paths;

/// The selected fields of a user that are in the caller's view.
pub(crate) struct UserSelection;

/// A user, or selected fields of it.
pub(crate) struct UserOrSelection;

/// The dotted path of a field or of an object of fields.
pub(crate) struct FieldName;

/// The name of a role.
#[derive(ToSchema)]
#[schema(pattern = "^[a-z0-9:_-]{1,64}$", max_length = 64)]
pub(crate) struct RoleName(String);

impl PartialSchema for UserSelection {
    fn schema() -> RefOr<Schema> {
        let mut user = without_required(object(User::schema()));
        user.required = vec!["id".to_owned()];
        for (name, whole) in [
            ("profile", Profile::schema()),
            ("metadata", Metadata::schema()),
        ] {
            let part = without_required(object(whole));
            user.properties.insert(name.to_owned(), part.into());
        }
        let counts = Ref::from_schema_name("Counts");
        user.properties.insert("counts".to_owned(), counts.into());
        user.description = Some(
            "The selected fields of a user that are in the caller's view. With `include=counts` also `counts`."
                .to_owned(),
        );
        user.example = Some(json!({
            "id": "0199b8f2-7c1e-7000-8000-000000000000",
            "username": "Alice.Smith",
            "profile": {"name": "Alice Smith"},
        }));
        user.into()
    }
}

impl ToSchema for UserSelection {
    fn schemas(schemas: &mut NamedSchemas) {
        schemas.push((Status::name().into(), Status::schema()));
        schemas.push((Counts::name().into(), Counts::schema()));
    }
}

impl PartialSchema for UserOrSelection {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .description(Some(
                "A user. With `fields` only these fields; with `include=counts` also `counts`.",
            ))
            .item(Ref::from_schema_name("User"))
            .item(Ref::from_schema_name("UserSelection"))
            .into()
    }
}

impl ToSchema for UserOrSelection {
    fn schemas(schemas: &mut NamedSchemas) {
        schemas.push((User::name().into(), User::schema()));
        schemas.push((UserSelection::name().into(), UserSelection::schema()));
        <User as ToSchema>::schemas(schemas);
        <UserSelection as ToSchema>::schemas(schemas);
    }
}

impl PartialSchema for FieldName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "The dotted path of a field or of an object of fields.",
            ))
            .enum_values(Some(field_paths()))
            .into()
    }
}

impl ToSchema for FieldName {}
