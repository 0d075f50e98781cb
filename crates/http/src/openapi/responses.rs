//! The responses of routes, described once.

mod consistency;
mod erasures;
mod headers;
mod lists;
mod tokens;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use user_domain::{Fault, Violation};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::Components;
use utoipa::openapi::{
    Content, ContentBuilder, Header, OpenApi, Ref, RefOr, Response, ResponseBuilder,
};
use utoipa::{IntoResponses, Modify};

use super::schemas::user_example;
use crate::problem::{Code, PROBLEM_JSON, Problem, render};
pub(crate) use erasures::{FoundErasure, ListedConsumers, ListedErasures, RegisteredConsumer};
pub(crate) use lists::{Blocked, FoundEvents, History, Listed};
pub(crate) use tokens::{FoundToken, IssuedToken, ListedTokens};

type ResponseMap = BTreeMap<String, RefOr<Response>>;

/// Defines groups of error statuses, each named for the routes that use it.
macro_rules! errors {
    ($($(#[$about:meta])* $name:ident: $($status:literal)+;)+) => {$(
        $(#[$about])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> ResponseMap {
                [408, $($status),+].into_iter().map(shared_problem).collect()
            }
        }
    )+};
}

errors! {
    /// Errors of a route without authentication.
    OpenErrors: 405 431 500;
    /// Errors of a route without authentication that reads the database or may have a large response.
    ReadinessErrors: 405 431 500 503;
    /// Errors of a read of one user.
    ReadErrors: 400 401 403 404 405 422 431 500 503;
    /// Errors of a list or a count.
    ListErrors: 400 401 403 405 422 431 500 503;
    /// Errors of a read of the event feed.
    EventErrors: 400 401 403 405 410 422 431 500 503;
    /// Errors of a batch.
    BatchErrors: 400 401 403 405 413 415 422 431 500 503;
    /// Errors of the creation of a user.
    CreationErrors: 400 401 403 404 405 409 413 415 422 431 500 503 504;
    /// Errors of a change of the fields of a user.
    EditErrors: 400 401 403 404 405 409 412 413 415 422 428 431 500 503 504;
    /// Errors of a change of the status of a user.
    LifecycleErrors: 400 401 403 404 405 412 413 422 431 500 503 504;
    /// Errors of a change of a password.
    PasswordErrors: 400 401 403 404 405 412 413 415 422 431 500 503 504;
    /// Errors of a suspension.
    SuspensionErrors: 400 401 403 404 405 412 413 415 422 431 500 503 504;
    /// Errors of the verification of a password.
    VerificationErrors: 400 401 403 405 413 415 422 431 500 503;
    /// Errors of a read of a lockout.
    LockoutErrors: 400 401 403 404 405 431 500 503;
    /// Errors of the clearance of a lockout.
    LockoutClearanceErrors: 400 401 403 404 405 413 422 431 500 503;
    /// Errors of a list of tokens.
    TokenListErrors: 400 401 403 405 431 500 503;
    /// Errors of a read of a token.
    TokenErrors: 400 401 403 404 405 431 500 503;
    /// Errors of the creation of a token.
    TokenCreationErrors: 400 401 403 405 413 415 422 431 500 503 504;
    /// Errors of the revocation of a token.
    TokenRevocationErrors: 400 401 403 404 405 413 422 431 500 503 504;
    /// Errors of a list of erasures.
    ErasureListErrors: 400 401 403 404 405 422 431 500 503;
    /// Errors of a report about an erasure.
    ErasureReportErrors: 400 401 403 404 405 431 500 503;
    /// Errors of a write about erasures.
    ErasureWriteErrors: 400 401 403 404 405 413 422 431 500 503 504;
    /// Errors of a list of consumers.
    ConsumerListErrors: 400 401 403 405 431 500 503;
    /// Errors of a change of a relationship.
    RelationshipErrors: 400 401 403 404 405 413 422 431 500 503 504;
    /// Errors of a batch of follows.
    FollowBatchErrors: 400 401 403 405 413 415 422 431 500 503 504;
    /// Errors of a deletion.
    DeletionErrors: 400 401 403 404 405 412 413 422 431 500 503 504;
}

/// The user that was read.
pub(crate) struct Found;

/// The user that was created.
pub(crate) struct Created;

/// The user after a write.
pub(crate) struct Written;

/// The export of a user.
pub(crate) struct Exported;

impl IntoResponses for Found {
    fn responses() -> ResponseMap {
        let user = ResponseBuilder::new()
            .description("The user. With `fields` only these fields, with `include` also the counts; such a response has no `ETag`.")
            .content(JSON, user_content("UserOrSelection"));
        let unchanged =
            ResponseBuilder::new().description("The client has the current representation.");
        statuses([(200, user, &["ETag"]), (304, unchanged, &["ETag"])])
    }
}

impl IntoResponses for Created {
    fn responses() -> ResponseMap {
        let user = ResponseBuilder::new()
            .description("The created user.")
            .content(JSON, user_content("User"));
        statuses([(201, user, &["ETag", "Location"])])
    }
}

impl IntoResponses for Written {
    fn responses() -> ResponseMap {
        let user = ResponseBuilder::new()
            .description(
                "The user after the write. If nothing changed, the version is the same as before.",
            )
            .content(JSON, user_content("User"));
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

fn user_content(schema: &str) -> Content {
    example_of(schema, user_example())
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

fn shared_problem(status: u16) -> (String, RefOr<Response>) {
    let name = format!("Problem{status}");
    (
        status.to_string(),
        RefOr::Ref(Ref::from_response_name(name)),
    )
}

/// Adds the shared headers and problems to the components, and the common header fields to every response.
pub(super) struct Shared;

impl Modify for Shared {
    fn modify(&self, openapi: &mut OpenApi) {
        let components = openapi.components.get_or_insert_with(Components::new);
        for (name, header) in headers::headers() {
            components.headers.insert(name.to_owned(), header.into());
        }
        for code in Code::ALL {
            let status = code.status().as_u16();
            let response = components
                .responses
                .entry(format!("Problem{status}"))
                .or_insert_with(|| problem(status).into());
            if let RefOr::T(response) = response {
                add_code(response, code);
            }
        }
        for operation in openapi.paths.paths.values_mut().flat_map(operations) {
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
            consistency::describe(operation);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.patch,
        &mut item.delete,
    ]
    .into_iter()
    .flatten()
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

/// Creates the response of a problem status, without its codes.
fn problem(status: u16) -> Response {
    let mut response = ResponseBuilder::new()
        .content(
            PROBLEM_JSON,
            Content::new(Some(Ref::from_schema_name("Problem"))),
        )
        .build();
    add_header(&mut response, "X-Request-Id");
    match status {
        401 => add_header(&mut response, "WWW-Authenticate"),
        405 => add_header(&mut response, "Allow"),
        503 => add_header(&mut response, "Retry-After"),
        _ => {}
    }
    response
}

/// Adds a code to the response of its status, with a rendered example.
fn add_code(response: &mut Response, code: Code) {
    if !response.description.is_empty() {
        response.description.push_str("; ");
    }
    let about = format!("`{}`: {}", code.as_str(), code.title());
    response.description.push_str(&about);
    let written = render(&example(code), REQUEST_ID);
    let example = ExampleBuilder::new()
        .value(serde_json::from_slice(&written).ok())
        .build();
    if let Some(RefOr::T(content)) = response.content.get_mut(PROBLEM_JSON) {
        content
            .examples
            .insert(code.as_str().to_owned(), example.into());
    }
}

fn example(code: Code) -> Problem {
    let fault = |path, code, detail: &'static str| Fault::new(path, &Violation::new(code, detail));
    match code {
        Code::Invalid => Problem::invalid(&[fault(
            "profile.website",
            "url_scheme",
            "Must be an http or https address.",
        )]),
        Code::ForbiddenField => {
            Problem::new(code, format!("{}.", code.title())).with_faults(&[fault(
                "roles",
                "forbidden_field",
                "May not be written by this caller.",
            )])
        }
        Code::InsufficientScope => Problem::new(code, "The scope users:write is required.")
            .with_required_scope("users:write"),
        _ => Problem::new(code, format!("{}.", code.title())),
    }
}
