//! The user service's REST API: routes, extractors, bodies, problems and its OpenAPI description.
//!
//! A request passes the `middleware` (outermost first: telemetry, which also turns errors into problems; CORS; request
//! limits; direct read) and the table in `routes`. An `extract::AuthenticatedRequest` authenticates the caller before it
//! reads anything else. One file under `users` calls one use case of the domain and returns a body of `bodies` or a
//! `problem::Problem`. The most frequent request, a read of one user by id, skips the router, and the
//! other middleware too if it needs only what is in memory (`middleware::direct_read`).
//!
//! To add a route:
//! 1. Add a file that mirrors its place in the URL tree, with one handler that takes an `extract::AuthenticatedRequest`
//!    and has its description above it. Name the scopes that it needs in the description.
//! 2. Add a line to both tables of its folder (`users.rs`).
//! 3. If it takes a body, add a type with its schema to `bodies/` and implement `bodies::RequestBody` for it, which reads
//!    the input of the use case. Add the schema of a new response to `openapi/schemas/`, and list it in `openapi.rs`.
//! 4. Implement `From` of the use case's error in `problem/`. The description of the route names no errors:
//!    `openapi/responses/errors.rs` describes those of all routes.
//! 5. Add the route to `tests/tests/it/service_tokens/scopes.rs`. `tests/every_route.rs` then checks authentication,
//!    limits and header fields. The use case's denials are tested in the domain (`use_cases/tests/denials.rs`). A new
//!    kind of permission is an `Action` in the domain's `permissions.rs`.
//! 6. Run `make openapi`.

mod api;
mod asyncapi;
#[cfg(feature = "removable-guards")]
#[doc(hidden)]
pub mod bench_support;
mod bodies;
mod cache_status;
mod consistency;
mod credentials;
mod cursor;
mod deadline;
mod docs;
mod erasure_consumers;
mod erasures;
mod etag;
mod events;
mod exposition;
mod extract;
mod gzip;
mod health;
mod keyed_digest;
mod link;
mod log_level;
mod media_type;
mod metric_names;
mod metrics;
mod middleware;
mod openapi;
mod problem;
mod query;
mod readiness;
mod relationships;
mod replay;
mod request_context;
mod resource;
mod resource_limits;
mod response_cache;
mod routes;
mod server;
mod signing;
mod tokens;
mod trace;
mod users;
mod write_tasks;

#[cfg(test)]
mod tests;

pub use api::{Api, Deadlines, HttpSettings};
pub use asyncapi::asyncapi;
pub use bodies::{
    FaultBody, ServiceTokenRecord, UserRecord, cloud_event, read_record, render_faults,
};
pub use exposition::Exposition;
pub use log_level::LogLevel;
pub use metric_names::{ACTIVE_REQUESTS, REQUEST_DURATION, REQUEST_DURATION_BUCKETS};
pub use metrics::describe_metrics;
pub use openapi::{openapi, openapi_3_0};
pub use readiness::Readiness;
pub use resource_limits::RateLimit;
pub use routes::{app, configure, management};
pub use server::{CLOSING_CONNECTIONS, ServerOptions, serve};
pub use write_tasks::WriteTasks;
