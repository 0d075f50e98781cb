//! The responses of routes, described once.

mod consistency;
mod erasures;
mod errors;
mod headers;
mod lists;
mod tokens;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::Components;
use utoipa::openapi::{
    Content, ContentBuilder, Header, OpenApi, Ref, RefOr, Response, ResponseBuilder,
};
use utoipa::{IntoResponses, Modify};

use super::schemas::{created_user_example, suspended_user_example, user_example};
pub(crate) use erasures::{FoundErasure, ListedConsumers, ListedErasures, RegisteredConsumer};
pub(crate) use lists::{Blocked, FoundEvents, History, Listed};
pub(crate) use tokens::{FoundToken, IssuedToken, ListedTokens};

type ResponseMap = BTreeMap<String, RefOr<Response>>;

/// The user that was read.
pub(crate) struct Found;

/// The user that was created.
pub(crate) struct Created;

/// The user after a write.
pub(crate) struct Written;

/// The user after its suspension.
pub(crate) struct Suspended;

/// The export of a user.
pub(crate) struct Exported;

impl IntoResponses for Found {
    fn responses() -> ResponseMap {
        let user = ResponseBuilder::new()
            .description("The user. With `fields` only these fields, with `include` also the counts; such a response has no `ETag`.")
            .content(JSON, user_content(user_example()));
        let unchanged =
            ResponseBuilder::new().description("The client has the current representation.");
        statuses([(200, user, &["ETag"]), (304, unchanged, &["ETag"])])
    }
}

impl IntoResponses for Created {
    fn responses() -> ResponseMap {
        let user = ResponseBuilder::new()
            .description("The created user.")
            .content(JSON, user_content(created_user_example()));
        statuses([(201, user, &["ETag", "Location"])])
    }
}

impl IntoResponses for Written {
    fn responses() -> ResponseMap {
        let user = ResponseBuilder::new()
            .description(
                "The user after the write. If nothing changed, the version is the same as before.",
            )
            .content(JSON, user_content(user_example()));
        statuses([(200, user, &["ETag"])])
    }
}

impl IntoResponses for Suspended {
    fn responses() -> ResponseMap {
        let user = ResponseBuilder::new()
            .description("The suspended user.")
            .content(JSON, user_content(suspended_user_example()));
        statuses([(200, user, &["ETag"])])
    }
}

impl IntoResponses for Exported {
    fn responses() -> ResponseMap {
        let example = json!({
            "user": user_example(), "credentials": [{"type": "password", "changed_at": "2026-11-23T00:45:12.123456Z"}],
            "login_attempts": {"failures": 0, "failed_at": null, "blocked_until": null, "succeeded_at": null, "sources": 0, "blocked_sources": 0},
            "released_usernames": [], "idempotency_keys": 0, "events_cursor": null, "signed_out_at": null,
            "events": [{
                "id": "0199b8f2-7c1e-7000-8000-00000000000e",
                "type": "user.created",
                "subject_kind": "user",
                "subject_id": "0199b8f2-7c1e-7000-8000-000000000000",
                "version": 1,
                "changed": ["username", "email"],
                "actor": "service:registration",
                "at": "2026-11-23T00:45:12.123456Z",
            }],
            "relationships": {
                "counts": {"followers": 1, "following": 0},
                "followers": {
                    "users": [{
                        "id": "0199b8f2-7c1e-7000-8000-000000000001",
                        "username": "bob",
                        "since": "2026-11-23T08:01:00.000000Z",
                    }],
                    "next_cursor": null,
                },
                "following": {"users": [], "next_cursor": null},
                "blocks": {"users": [], "next_cursor": null},
            },
        });
        let export = ResponseBuilder::new()
            .description("All stored data about the user that the caller may see.")
            .content(JSON, example_of("Export", example));
        statuses([(200, export, &[])])
    }
}

const JSON: &str = "application/json";

/// Returns a map of responses, each with its status and the names of its own header fields.
fn statuses<const N: usize>(responses: [(u16, ResponseBuilder, &[&str]); N]) -> ResponseMap {
    responses
        .into_iter()
        .map(|(status, response, headers)| {
            let mut response = response.build();
            for name in headers {
                add_header(&mut response, name);
            }
            (status.to_string(), response.into())
        })
        .collect()
}

fn user_content(example: Value) -> Content {
    example_of("User", example)
}

fn example_of(schema: &str, example: Value) -> Content {
    ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(schema)))
        .example(Some(example))
        .build()
}

fn shared_header(name: &str) -> RefOr<Header> {
    RefOr::Ref(Ref::new(format!("#/components/headers/{name}")))
}

/// The errors that are a fault of the request, as a component and as a range of statuses.
const CLIENT_ERROR: (&str, &str) = ("ClientError", "4XX");

/// The errors that are a fault of the service.
const SERVER_ERROR: (&str, &str) = ("ServerError", "5XX");

/// Adds the shared headers and errors to the components, and the common header fields and errors to every operation.
pub(super) struct Shared;

impl Modify for Shared {
    fn modify(&self, openapi: &mut OpenApi) {
        let components = openapi.components.get_or_insert_with(Components::new);
        for (name, header) in headers::headers() {
            components.headers.insert(name.to_owned(), header.into());
        }
        for ((name, _), error) in [
            (CLIENT_ERROR, errors::client_error()),
            (SERVER_ERROR, errors::server_error()),
        ] {
            components.responses.insert(name.to_owned(), error.into());
        }
        for (is_get, operation) in openapi.paths.paths.values_mut().flat_map(operations) {
            let has_header = |name| {
                let mut parameters = operation.parameters.iter().flatten();
                parameters.any(|parameter| is_header(parameter, name))
            };
            let is_idempotent = has_header("Idempotency-Key");
            let is_cached = has_header("Cache-Control");
            for response in operation.responses.responses.values_mut() {
                let RefOr::T(response) = response else {
                    continue;
                };
                add_header(response, "X-Request-Id");
                if is_idempotent {
                    add_header(response, "Idempotency-Replayed");
                }
                if is_cached {
                    add_header(response, "Cache-Status");
                }
            }
            consistency::describe(operation, is_get);
            for (name, statuses) in [CLIENT_ERROR, SERVER_ERROR] {
                let error = RefOr::Ref(Ref::from_response_name(name));
                let responses = &mut operation.responses.responses;
                responses.insert(statuses.to_owned(), error);
            }
        }
    }
}

/// Returns the operations of a path, each with whether it is a GET.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let writes = [
        &mut item.post,
        &mut item.put,
        &mut item.patch,
        &mut item.delete,
    ];
    let reads = item.get.iter_mut().map(|operation| (true, operation));
    let writes = writes.into_iter().flatten();
    reads.chain(writes.map(|operation| (false, operation)))
}

fn is_header(parameter: &RefOr<Parameter>, name: &str) -> bool {
    matches!(parameter, RefOr::T(parameter)
        if parameter.parameter_in == ParameterIn::Header && parameter.name == name)
}

fn add_header(response: &mut Response, name: &str) {
    response
        .headers
        .insert(name.to_owned(), shared_header(name));
}

const REQUEST_ID: &str = "0199b8f2-7c1e-7000-8000-0000000000ff";
