//! The user service's REST API: routes, extractors, bodies, problems and its description.
//!
//! A request goes through the `middleware` (outermost first: observe, conform, CORS, admit), the table of routes in
//! `routes`, an `extract::Call` that finds out who asks before anything else of the request is read, one file under
//! `users`, one use case of the domain, and back as a body of `bodies` or a `problem::Problem`. Most reads of one user are
//! answered before all that, by `middleware::shortcut`.
//!
//! To add a route: a file that mirrors its place in the URL tree, with one handler that takes an `extract::Call` and has
//! its description above it; a line in both tables of its folder (`users.rs`); `From` of the use case's error in
//! `problem/`; and `make openapi`.

mod api;
mod bodies;
mod cache_status;
mod credentials;
mod cursor;
mod detach;
mod docs;
mod etag;
mod extract;
mod frame;
mod health;
mod link;
mod log_level;
#[cfg(feature = "removable-guards")]
#[doc(hidden)]
pub mod measured;
mod metrics;
mod middleware;
mod openapi;
mod problem;
mod query;
mod readiness;
mod ready;
mod relationships;
mod resource;
mod routes;
mod seal;
mod tokens;
mod trace;
mod users;

#[cfg(test)]
mod tests;

pub use api::{Api, Deadlines, HttpSettings};
pub use bodies::{FaultBody, ServiceTokenRecord, UserRecord, read_record, show_faults};
pub use detach::Writes;
pub use log_level::LogLevel;
pub use metrics::{
    ACTIVE_REQUESTS, Exposition, REQUEST_DURATION, REQUEST_DURATION_BUCKETS, describe_metrics,
};
pub use openapi::openapi;
pub use readiness::Readiness;
pub use routes::{app, configure, management};
