//! The schemas of service tokens.

use user_domain::service_token::TokenInput;
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder};

/// A token to create. It expires at `expires_at` or after `expires_in` seconds; without both, never.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "posts", "scopes": ["users:read"], "expires_in": 7_776_000}))]
pub(crate) struct NewToken {
    /// The name of the service. Several tokens may have the same name. It must not start with `token-`.
    #[schema(pattern = "^[a-z0-9:_.-]{1,64}$")]
    name: String,
    #[schema(schema_with = scopes)]
    scopes: (),
    /// The time at which the token expires; at most ten years ahead.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The lifetime of the token in seconds; not together with `expires_at`.
    #[schema(minimum = 1, maximum = 315_360_000)]
    expires_in: Option<u64>,
}

/// A service token, without the secret.
#[derive(ToSchema)]
pub(crate) struct ServiceToken {
    #[schema(value_type = String, format = Uuid)]
    id: (),
    /// The name of the service.
    name: String,
    #[schema(schema_with = stored_scopes)]
    scopes: (),
    /// UTC, with six fractional digits.
    #[schema(format = DateTime)]
    created_at: String,
    /// The creator: `service:<name>` or `operator`.
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
    /// The value that the service sends as `Authorization: Bearer` or `X-API-Token`. Returned only once.
    #[schema(pattern = "^ust_[0-9a-f]{32}_[0-9A-Za-z]{43}$")]
    token: String,
}

/// The tokens of services, newest first.
#[derive(ToSchema)]
pub(crate) struct ServiceTokenList {
    #[schema(max_items = 1000)]
    tokens: Vec<ServiceToken>,
}

fn scopes() -> ArrayBuilder {
    ArrayBuilder::new()
        .description(Some("The scopes of the token."))
        .items(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(TokenInput::scope_names())),
        )
        .min_items(Some(1))
        .max_items(Some(100))
}

fn stored_scopes() -> ArrayBuilder {
    ArrayBuilder::new()
        .description(Some(
            "The scopes of the token. Later releases may add scopes.",
        ))
        .items(ObjectBuilder::new().schema_type(Type::String))
}
