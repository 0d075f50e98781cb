//! The API's description (OpenAPI 3.1), gathered from where the routes are.

mod params;
mod responses;
mod schemas;
#[cfg(test)]
mod tests;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Info, Server};
use utoipa::{Modify, OpenApi};

use crate::{credentials, docs, health, metrics, relationships, tokens, users};

pub(crate) use params::{
    CacheControlHeader, EraseQuery, ExternalIdPath, FieldsQuery, FilterQuery, IdPath,
    IdempotencyKeyHeader, IfMatchHeader, IfNoneMatchHeader, IncludeQuery, PageQuery, PairPath,
    RelatedPageQuery, RequiredIfMatchHeader, TokenIdPath, UsernamePath, WithQuery,
};
use responses::Shared;
pub(crate) use responses::{
    BatchErrors, Created, CreationErrors, DeletionErrors, EditErrors, Exported, FollowBatchErrors,
    Found, FoundToken, IssuedToken, LifecycleErrors, ListErrors, Listed, ListedTokens,
    LockoutErrors, OpenErrors, PasswordErrors, ReadErrors, ReadinessErrors, RelationshipErrors,
    TokenCreationErrors, TokenErrors, TokenListErrors, TokenRevocationErrors, VerificationErrors,
    Written,
};
pub(crate) use schemas::{
    BatchAnswer, BatchQuestion, Count, Counts, Export, FollowBatch, FollowBatchAnswer, Included,
    IssuedServiceToken, Liveness, Lockout, Login, NewPassword, NewToken, NewUser, Problem,
    ReadinessState, RelationshipList, ServiceToken, ServiceTokenList, SortOrder, User,
    UserOrSelection, UserPage, UserPatch, UserReplacement, UserSelection,
};

const ABOUT: &str = "\
The one place that knows the people of the platform: register, find, list, change, suspend, delete and restore them.

**Errors** are problems (RFC 9457) of type `application/problem+json`; `code` is stable and for programs, `errors` \
points at each fault of the input (`pointer` into the body, `parameter` of the query or the path). A wrong method is a 405 with \
`Allow`. A 503 has `Retry-After` in seconds and has changed nothing; after a 504 a write may or may not have been done.

**Views.** Whom a user is shown to decides which members it has: everybody sees the public ones, a person its own \
(not `metadata.private`), an administrator and a service with `users:read_private` all. A member of the view is always \
there, `null` when unset; a member outside it is absent. A deleted user is not found, and `null` in a batch; so is, for \
a person, whoever blocks it or is blocked by it.

**Scopes.** Each call names the scope that a service's token needs for it. A token that lacks it is answered with a 403 \
`insufficient_scope`, which names it as `required_scope`.

**Versions.** `ETag` is `\"<version>-<view>\"`. `If-Match` compares the version and is honoured on every write of a user (412); \
PUT of a user requires it (428). `If-None-Match` makes an unchanged user a 304. What users are to each other is part of \
no version: it neither needs nor makes one, and `include=counts` is answered without `ETag`.

**Freshness.** Reads of users by a key may be answered from a cache: by the replica that wrote, never older than what it \
wrote, and by any other at most a second old, also after a suspension or a change of roles. `Cache-Control: no-cache` \
reads the database. `Cache-Status` (RFC 9211) tells where an answer comes from. While the database is unreachable, what \
the replicas know may be answered for up to a minute, marked by a `detail` that ends in `database-unreachable`.

**Idempotency.** A write with `Idempotency-Key` can be repeated safely for 24 hours: the repetition is answered with \
the status of the first and `Idempotency-Replayed: true`. Another request under the same key is a 422.

**Lists** are walked with `next_cursor`, or the `Link` of `rel=\"next\"`. A cursor belongs to its filter and order.

HEAD is served wherever GET is, and OPTIONS everywhere. A trailing slash is accepted. Every response has \
`X-Request-Id`; a client's own is kept if it is 1 to 64 of `A-Z a-z 0-9 _ . -`. All header fields together may have \
16 KiB, a body 1 MiB.";

/// What belongs to no route. The rest is added by [`openapi`].
#[derive(OpenApi)]
#[openapi(
    components(schemas(
        Problem,
        User,
        UserSelection,
        UserOrSelection,
        UserPage,
        Counts,
        Export,
        Included,
        SortOrder,
        ServiceToken,
        IssuedServiceToken,
        ServiceTokenList
    )),
    security(("bearer" = []), ("api_token" = [])),
    tags(
        (name = "users", description = "People: reading, finding, listing and writing them."),
        (name = "lifecycle", description = "Suspending, deleting and bringing back."),
        (name = "relationships", description = "Who follows and who blocks whom."),
        (name = "credentials", description = "Passwords, for the service that lets people in."),
        (name = "tokens", description = "The tokens of services: making, listing and revoking them."),
        (name = "operations", description = "Health, metrics and this description; no credential is needed."),
    ),
)]
struct Description;

/// Writes the description of the API below a base path, as indented JSON.
///
/// The base path is empty, or begins with a slash and does not end with one. The same base path gives the same text.
pub fn openapi(base_path: &str) -> String {
    describe(base_path, false)
}

/// Writes the description of what is served to all: without health and metrics where they have a port of their own.
pub(crate) fn describe(base_path: &str, has_management: bool) -> String {
    let mut description = Description::openapi()
        .merge_from(users::Description::openapi())
        .merge_from(relationships::Description::openapi())
        .merge_from(credentials::Description::openapi())
        .merge_from(tokens::Description::openapi());
    if !has_management {
        description = description
            .merge_from(health::Description::openapi())
            .merge_from(metrics::Description::openapi());
    }
    description = description.merge_from(docs::Description::openapi());
    SecuritySchemes.modify(&mut description);
    Shared.modify(&mut description);
    description.info = Info::builder()
        .title("User service")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .build();
    let root = if base_path.is_empty() { "/" } else { base_path };
    description.servers = Some(vec![Server::new(root)]);
    // Only a map with keys that are no text cannot be written as JSON, and there is none.
    description.to_pretty_json().unwrap_or_default()
}

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A person's access token (a JWT with `sub` and `exp`), or a service's token.",
            ))
            .build();
        let api_token = ApiKeyValue::with_description(
            "X-API-Token",
            "A service's token, as the platform's older services send it; never together with `Authorization`.",
        );
        let components = openapi.components.get_or_insert_with(Components::new);
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme(
            "api_token",
            SecurityScheme::ApiKey(ApiKey::Header(api_token)),
        );
    }
}
