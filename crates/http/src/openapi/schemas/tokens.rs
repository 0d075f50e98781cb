//! The tokens of services.

use user_domain::service_token::TokenInput;
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder};

/// A token to be. It ends at `expires_at`, or in `expires_in` seconds; with neither, never.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "posts", "scopes": ["users:read"], "expires_in": 7_776_000}))]
pub(crate) struct NewToken {
    /// The service that it is for; several tokens may have one name. Not one that begins with `token-`.
    #[schema(pattern = "^[a-z0-9:_.-]{1,64}$")]
    name: String,
    #[schema(schema_with = scopes)]
    scopes: (),
    /// From when on it is worth nothing; at most ten years ahead.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// In how many seconds it is worth nothing; not together with `expires_at`.
    #[schema(minimum = 1, maximum = 315_360_000)]
    expires_in: Option<u64>,
}

/// A token of a service, without what proves it.
#[derive(ToSchema)]
pub(crate) struct ServiceToken {
    #[schema(value_type = String, format = Uuid)]
    id: (),
    /// The service that it is for.
    name: String,
    #[schema(schema_with = kept_scopes)]
    scopes: (),
    /// UTC, always with six digits behind the second.
    #[schema(format = DateTime)]
    created_at: String,
    /// Who made it: `service:<name>` or `operator`.
    created_by: String,
    /// From when on it is worth nothing; null if never.
    #[schema(format = DateTime, required)]
    expires_at: Option<String>,
    /// Since when it is worth nothing, because it was revoked.
    #[schema(format = DateTime, required)]
    revoked_at: Option<String>,
    /// When it was last used, to within about a minute; null if never.
    #[schema(format = DateTime, required)]
    last_used_at: Option<String>,
}

/// A token that was just made, with what proves it.
#[derive(ToSchema)]
pub(crate) struct IssuedServiceToken {
    #[serde(flatten)]
    #[schema(inline)]
    about: ServiceToken,
    /// What the service sends as `Authorization: Bearer` or `X-API-Token`. Shown this once.
    #[schema(pattern = "^ust_[0-9a-f]{32}_[0-9A-Za-z]{43}$")]
    token: String,
}

/// The tokens of services, the newest first.
#[derive(ToSchema)]
pub(crate) struct ServiceTokenList {
    #[schema(max_items = 1000)]
    tokens: Vec<ServiceToken>,
}

fn scopes() -> ArrayBuilder {
    ArrayBuilder::new()
        .description(Some("What it admits to."))
        .items(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(TokenInput::scope_names())),
        )
        .min_items(Some(1))
        .max_items(Some(100))
}

fn kept_scopes() -> ArrayBuilder {
    ArrayBuilder::new()
        .description(Some("What it admits to; releases may add scopes."))
        .items(ObjectBuilder::new().schema_type(Type::String))
}
