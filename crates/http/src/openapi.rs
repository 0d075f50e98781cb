//! The OpenAPI 3.1 document, collected from the modules of the routes.

mod params;
mod responses;
mod schemas;
#[cfg(test)]
mod tests;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Info, Server};
use utoipa::{Modify, OpenApi};

use crate::{
    credentials, docs, erasure_consumers, erasures, events, health, metrics, relationships, tokens,
    users,
};

pub(crate) use params::{
    AcknowledgementPath, CacheControlHeader, ConsumerNamePath, EraseQuery, ErasuresQuery,
    EventsQuery, ExportQuery, ExternalIdPath, FieldsQuery, FilterQuery, HistoryQuery, IdPath,
    IdempotencyKeyHeader, IfMatchHeader, IfNoneMatchHeader, IncludeQuery, PageQuery, PairPath,
    RelatedPageQuery, RequiredIfMatchHeader, TokenIdPath, UsernamePath, WithQuery,
};
use responses::Shared;
pub(crate) use responses::{
    BatchErrors, Blocked, ConsumerListErrors, Created, CreationErrors, DeletionErrors, EditErrors,
    ErasureListErrors, ErasureReportErrors, ErasureWriteErrors, EventErrors, Exported,
    FollowBatchErrors, Found, FoundErasure, FoundEvents, FoundToken, History, IssuedToken,
    LifecycleErrors, ListErrors, Listed, ListedConsumers, ListedErasures, ListedTokens,
    LockoutClearanceErrors, LockoutErrors, OpenErrors, PasswordErrors, ReadErrors, ReadinessErrors,
    RegisteredConsumer, RelationshipErrors, SuspensionErrors, TokenCreationErrors, TokenErrors,
    TokenListErrors, TokenRevocationErrors, VerificationErrors, Written,
};
pub(crate) use schemas::{
    BatchGetResponse, BlockedUserList, Count, Counts, ErasureConsumer, ErasureConsumerList,
    ErasurePage, ErasureReport, EventInclude, EventPage, Export, FieldName, FollowBatchResponse,
    HistoryPage, Included, IssuedServiceToken, Liveness, Lockout, NamedSchemas, Problem,
    ProfileFields, ReadinessState, RelationshipList, RoleName, ServiceIndex, ServiceToken,
    ServiceTokenList, SortOrder, User, UserOrSelection, UserPage, UserSelection, WritableStatus,
    event_example, parts,
};

const DESCRIPTION: &str = "\
The user service of the platform: registers, finds, lists, changes, suspends, deletes and restores users.

**Errors** are problem details (RFC 9457) of type `application/problem+json`. `code` is stable and meant for programs. \
`errors` lists each validation error with its location: `pointer` into the body, or `parameter` of the query or the path. \
A wrong method is a 405 with `Allow`. A 503 has `Retry-After` in seconds and has changed nothing. After a 504 a write may \
or may not have been applied.

**Views.** The caller determines which members of a user are visible. The public view is for every caller. The own view is \
for the user itself and has all members except `metadata.private` and `suspension`. The full view is for administrators \
and for services with `users:read_private`, and has all members. A member of the view is always present, and `null` if \
unset. A member outside the view is absent. A deleted user is a 404, and `null` in a batch. To a user, the same is true of \
each user that it blocks or that blocks it.

**Scopes.** Each operation names the scope that the token of a service needs. A token without it gets a 403 \
`insufficient_scope` with the scope in `required_scope`.

**Versions.** `ETag` is `\"<version>-<view>-<tag>\"`, and unique to one user. `If-Match` is supported by every write of a \
user (412), and required by PUT of a user (428). It compares the version only, and also accepts `\"<version>\"`. The tag of \
another user never matches. `If-None-Match` makes an unchanged user a 304. Relationships have no version and do not change \
the version of a user; a response with `include=counts` has no `ETag`.

**Freshness.** Reads of users by key may be served from a cache. The replica that performed a write never returns an older \
state. Any other replica returns a state that is at most 1 second old, also after a suspension or a change of roles. \
`Cache-Control: no-cache` reads the database. `Cache-Status` (RFC 9211) names the source of a response, unless the response \
shows a public view. While the database is unreachable, cached users may be returned for up to 60 seconds; `detail` then \
ends in `database-unreachable`. Lists, searches, counts and exports may be up to 1 second old if the service reads standbys. \
A read that sends the `Consistency-Token` of a write sees that write, from any replica.

**Idempotency.** A write with `Idempotency-Key` can be retried safely for 24 hours. The response to a retry has the status of \
the first response and `Idempotency-Replayed: true`. Another request with the same key is a 422.

**Lists** use cursor pagination: follow `next_cursor`, or the `Link` with `rel=\"next\"`. A cursor is valid only for the \
filter and order that it was issued for.

Every GET also supports HEAD, and every resource supports OPTIONS. A trailing slash is accepted. Every response has \
`X-Request-Id`. The id of the client is used if it has 1 to 64 characters of `A-Z a-z 0-9 _ . -`. Limits: 16 KiB for all \
header fields together, 128 KiB for a body, 1 MiB for the body of a batch.";

/// The parts of the document that belong to no route. [`openapi`] adds the rest.
#[derive(OpenApi)]
#[openapi(
    components(schemas(
        Problem,
        User,
        UserSelection,
        UserOrSelection,
        UserPage,
        BlockedUserList,
        Counts,
        Export,
        Included,
        RoleName,
        SortOrder,
        ServiceToken,
        IssuedServiceToken,
        ServiceTokenList,
        ErasureConsumer,
        ErasureConsumerList,
        ErasurePage,
        ErasureReport,
        EventInclude,
        EventPage,
        HistoryPage
    )),
    security(("bearer" = []), ("api_token" = [])),
    tags(
        (name = "users", description = "Read, find, list, create and change users."),
        (name = "lifecycle", description = "Suspend, activate, delete and restore users."),
        (name = "relationships", description = "Follows and blocks between users."),
        (name = "credentials", description = "Passwords and lockouts, for the service that signs users in."),
        (name = "events", description = "Follow the changes of all users."),
        (name = "erasures", description = "Confirm that erased users are removed everywhere."),
        (name = "tokens", description = "Create, list and revoke the tokens of services."),
        (name = "operations", description = "Health, metrics and this document. No credential is required."),
    ),
)]
struct Description;

/// Returns the OpenAPI document for a base path, as indented JSON. The output is deterministic.
///
/// The base path is empty, or starts with a slash and does not end with one.
pub fn openapi(base_path: &str) -> String {
    describe(base_path, false)
}

/// Returns the OpenAPI document of the public port. Health and metrics are absent if they have a separate port.
pub(crate) fn describe(base_path: &str, has_management: bool) -> String {
    let mut description = Description::openapi()
        .merge_from(users::Description::openapi())
        .merge_from(relationships::Description::openapi())
        .merge_from(credentials::Description::openapi())
        .merge_from(tokens::Description::openapi())
        .merge_from(events::Description::openapi())
        .merge_from(erasures::Description::openapi())
        .merge_from(erasure_consumers::Description::openapi());
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
        .description(Some(DESCRIPTION))
        .build();
    let root = if base_path.is_empty() { "/" } else { base_path };
    description.servers = Some(vec![Server::new(root)]);
    // Serialisation fails only for maps with keys that are not strings, and the document has none.
    description.to_pretty_json().unwrap_or_default()
}

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "The access token of a user (a JWT with `sub` and `exp`), or the token of a service.",
            ))
            .build();
        let api_token = ApiKeyValue::with_description(
            "X-API-Token",
            "The token of a service, as older services of the platform send it. Not together with `Authorization`.",
        );
        let components = openapi.components.get_or_insert_with(Components::new);
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme(
            "api_token",
            SecurityScheme::ApiKey(ApiKey::Header(api_token)),
        );
    }
}
