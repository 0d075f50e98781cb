//! The schemas of selected fields, and of the texts of lists.

use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::bodies::field_paths;

/// The dotted path of a field or of an object of fields.
pub(crate) struct FieldName;

/// The name of a role.
#[derive(ToSchema)]
#[schema(pattern = "^[a-z0-9:_-]{1,64}$", max_length = 64)]
pub(crate) struct RoleName(String);

/// The dotted path of a changed field. Later releases may add fields.
#[derive(ToSchema)]
#[schema(max_length = 64)]
pub(crate) struct FieldPath(String);

/// The type of an event, or `user.*`.
#[derive(ToSchema)]
#[schema(max_length = 64)]
pub(crate) struct EventTypeFilter(String);

/// A document, or its path. It has no limit that a client must respect.
#[derive(ToSchema)]
#[schema(max_length = 16_777_216)]
pub(crate) struct DocumentText(String);

/// An id in a query. A malformed one is treated as unknown. The only limit is that of all header fields.
#[derive(ToSchema)]
#[schema(max_length = 16_384)]
pub(crate) struct IdInQuery(String);

/// A key in a body. A malformed one is treated as unknown. The only limit is that of the body.
#[derive(ToSchema)]
#[schema(max_length = 1_048_576)]
pub(crate) struct LookupKey(String);

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
