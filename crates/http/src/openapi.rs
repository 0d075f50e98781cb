//! The OpenAPI document, collected from the modules of the routes: version 3.1, and a rendering as 3.0.

mod finish;
mod params;
mod responses;
mod schemas;
#[cfg(test)]
mod tests;
mod version_3_0;

use serde_json::Value;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContactBuilder, ExternalDocs, Info, LicenseBuilder, ServerBuilder,
};
use utoipa::{Modify, OpenApi};

use crate::{
    credentials, docs, erasure_consumers, erasures, events, health, metrics, relationships, tokens,
    users,
};

pub(crate) use finish::add_lengths;
pub(crate) use params::{
    AcknowledgementPath, CacheControlHeader, ConsumerNamePath, EraseQuery, ErasuresQuery,
    EventsQuery, ExportQuery, ExternalIdPath, FieldsQuery, FilterQuery, HistoryQuery, IdPath,
    IdempotencyKeyHeader, IfMatchHeader, IfNoneMatchHeader, IncludeQuery, PageQuery, PairPath,
    RelatedPageQuery, RequiredIfMatchHeader, TokenIdPath, TokensQuery, UsernamePath, WithQuery,
};
use responses::Shared;
pub(crate) use responses::{
    Blocked, Created, Exported, Found, FoundErasure, FoundEvents, FoundToken, History, IssuedToken,
    Listed, ListedConsumers, ListedErasures, ListedTokens, RegisteredConsumer, Suspended, Written,
};
pub(crate) use schemas::{
    BatchGetResponse, BlockedUserList, Count, Counts, DocumentText, ErasureConsumer,
    ErasureConsumerList, ErasurePage, ErasureReport, EventInclude, EventPage, Export, FieldName,
    FollowBatchResponse, HistoryPage, Included, IssuedServiceToken, Liveness, Lockout, LookupKey,
    NamedSchemas, Problem, ProfileFields, ReadinessState, RelationshipList, RoleName, ServiceIndex,
    ServiceToken, ServiceTokenPage, SortOrder, User, UserPage, WritableStatus, event_example,
    parts,
};

const DESCRIPTION: &str = "\
The user service of the platform: registers, finds, lists, changes, suspends, deletes and restores users.

Each error is a problem detail (RFC 9457) with a `code` for programs. The caller determines which members of a user are \
visible: a member of the view is always present, and `null` if unset; a member outside the view is absent. A write with \
`Idempotency-Key` can be repeated safely. Lists are read with `next_cursor`. The guide has the rules in full: errors, views, \
conditional writes, freshness, repetition, pagination and limits.";

/// The name of the licence and its text on the web.
const LICENSE: (&str, &str) = ("MIT", "https://opensource.org/license/mit");

/// The parts of the document that belong to no route. [`openapi`] adds the rest.
#[derive(OpenApi)]
#[openapi(
    components(schemas(
        Problem,
        User,
        UserPage,
        BlockedUserList,
        Counts,
        Export,
        Included,
        RoleName,
        SortOrder,
        ServiceToken,
        IssuedServiceToken,
        ServiceTokenPage,
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

/// Returns the OpenAPI 3.1 document for a base path, as indented JSON. The output is deterministic.
///
/// The base path is empty, or starts with a slash and does not end with one.
pub fn openapi(base_path: &str) -> String {
    describe(base_path, false)
}

/// Returns [`openapi`] as OpenAPI 3.0, for tools that do not read 3.1.
pub fn openapi_3_0(base_path: &str) -> String {
    describe_3_0(base_path, false)
}

/// Returns the OpenAPI document of the public port. Health and metrics are absent if they have a separate port.
pub(crate) fn describe(base_path: &str, has_management: bool) -> String {
    to_text(&document(base_path, has_management))
}

/// Returns [`describe`] as OpenAPI 3.0.
pub(crate) fn describe_3_0(base_path: &str, has_management: bool) -> String {
    let mut document = document(base_path, has_management);
    version_3_0::convert(&mut document);
    to_text(&document)
}

fn to_text(document: &Value) -> String {
    // Serialisation fails only for maps with keys that are not strings, and the document has none.
    serde_json::to_string_pretty(document).unwrap_or_default()
}

fn document(base_path: &str, has_management: bool) -> Value {
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
    let (license, license_url) = LICENSE;
    description.info = Info::builder()
        .title("User service")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .contact(Some(
            ContactBuilder::new()
                .name(Some("The User Service authors"))
                .build(),
        ))
        .license(Some(
            LicenseBuilder::new()
                .name(license)
                .url(Some(license_url))
                .build(),
        ))
        .build();
    let mut guide = ExternalDocs::new(format!("{base_path}{}", docs::GUIDE));
    guide.description = Some("The guide for callers.".to_owned());
    description.external_docs = Some(guide);
    let root = if base_path.is_empty() { "/" } else { base_path };
    let server = ServerBuilder::new()
        .url(root)
        .description(Some("The service that this document comes from."))
        .build();
    description.servers = Some(vec![server]);
    let mut document = serde_json::to_value(&description).unwrap_or_default();
    finish::finish(&mut document);
    document
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
