//! The schemas of service tokens.

use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder};

/// A service token, without the secret.
#[derive(ToSchema)]
pub(crate) struct ServiceToken {
    #[schema(value_type = String, format = Uuid)]
    id: (),
    /// The name of the service.
    #[schema(max_length = 64)]
    name: String,
    #[schema(schema_with = stored_scopes)]
    scopes: (),
    /// UTC, with six fractional digits.
    #[schema(format = DateTime)]
    created_at: String,
    /// The creator: `service:<name>` or `operator`.
    #[schema(max_length = 128)]
    created_by: String,
    /// The time at which the token expires; `null` if never.
    #[schema(format = DateTime, required)]
    expires_at: Option<String>,
    /// The time of the revocation; `null` if not revoked.
    #[schema(format = DateTime, required)]
    revoked_at: Option<String>,
    /// The time of the last use, accurate to about 1 minute; `null` if never used.
    #[schema(format = DateTime, required)]
    last_used_at: Option<String>,
}

/// A new token with its secret.
#[derive(ToSchema)]
pub(crate) struct IssuedServiceToken {
    #[serde(flatten)]
    #[schema(inline)]
    about: ServiceToken,
    /// The value that the service sends as `Authorization: Bearer` or `X-API-Token`. Returned only once: `ust_`, 32
    /// hexadecimal digits, `_`, and 43 letters and digits.
    #[schema(max_length = 80)]
    token: String,
}

/// A page of the tokens of services, newest first.
#[derive(ToSchema)]
pub(crate) struct ServiceTokenPage {
    #[schema(max_items = 200)]
    tokens: Vec<ServiceToken>,
    /// The `cursor` of the next page; `null` on the last page.
    #[schema(max_length = 1024, required = true)]
    next_cursor: Option<String>,
}

fn stored_scopes() -> ArrayBuilder {
    ArrayBuilder::new()
        .description(Some(
            "The scopes of the token. Later releases may add scopes.",
        ))
        .items(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .max_length(Some(64)),
        )
        .max_items(Some(100))
}
