//! `/health`, `/health/live`, `/health/ready`.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, ServiceConfig};
use serde::Serialize;
use user_domain::ports::SchemaState;
use utoipa::OpenApi;

use crate::api::Api;
use crate::openapi::{Liveness, ReadinessState};
use crate::problem::{Code, Problem};
use crate::resource::read_only;

/// The OpenAPI description of the resources.
#[derive(OpenApi)]
#[openapi(paths(live, health, ready))]
pub(crate) struct Description;

#[derive(Serialize)]
struct Live {
    status: &'static str,
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    checks: Checks,
}

#[derive(Serialize)]
struct Checks {
    database: &'static str,
    schema: &'static str,
}

/// Registers the resources.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(read_only("/health", health))
        .service(read_only("/health/live", live))
        .service(read_only("/health/ready", ready));
}

/// Returns 200 while the process runs.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "getLiveness",
    tag = "operations",
    description = "Checks no dependency. Do not kill a process that answers.",
    security(()),
    responses((status = 200, description = "The process runs.", body = Liveness))
)]
pub(crate) async fn live() -> HttpResponse {
    ok_json(&Live { status: "ok" })
}

/// Returns 200 while the process runs, as `/health/live` does.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "getHealth",
    tag = "operations",
    description = "The short path of `/health/live`.",
    security(()),
    responses((status = 200, description = "The process runs.", body = Liveness))
)]
pub(crate) async fn health() -> HttpResponse {
    live().await
}

/// Whether this process should receive requests: the database answers, its schema is known, and no shutdown has
/// started.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "getReadiness",
    tag = "operations",
    description = "On a 503, send requests to another replica. Do not kill the process.",
    security(()),
    responses(
        (status = 200, description = "This process accepts requests.", body = ReadinessState)
    )
)]
pub(crate) async fn ready(api: Data<Api>) -> Result<HttpResponse, Problem> {
    if api.readiness().is_draining() {
        return Err(Problem::new(
            Code::NotReady,
            "The process is shutting down.",
        ));
    }
    let not_ready = |cause: String| {
        Problem::new(Code::NotReady, "The database does not answer.").with_cause(cause)
    };
    let schema = tokio::time::timeout(api.settings().deadlines.request, api.health().schema())
        .await
        .map_err(|_| not_ready("it took too long".to_owned()))?
        .map_err(|error| not_ready(error.to_string()))?;
    match schema {
        SchemaState::Ready => Ok(ok_json(&Ready {
            status: "ok",
            checks: Checks {
                database: "ok",
                schema: "ok",
            },
        })),
        SchemaState::Pending => Err(Problem::new(
            Code::SchemaPending,
            "The database waits for migrations.",
        )),
    }
}

fn ok_json(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body)
}
