//! `/health`, `/health/live`, `/health/ready`.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, ServiceConfig};
use serde::Serialize;
use user_domain::ports::SchemaState;
use utoipa::OpenApi;

use crate::api::Api;
use crate::openapi::{Liveness, OpenErrors, ReadinessErrors, ReadinessState};
use crate::problem::{Code, Problem};
use crate::resource::read_only;

/// The description of the resources.
#[derive(OpenApi)]
#[openapi(paths(live, live_too, ready))]
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

/// Adds the resources.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(read_only("/health", live_too))
        .service(read_only("/health/live", live))
        .service(read_only("/health/ready", ready));
}

/// Tells that the process runs.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "getLiveness",
    tag = "operations",
    description = "Asks nothing else: a process that answers is not to be killed.",
    security(()),
    responses((status = 200, description = "The process runs.", body = Liveness), OpenErrors)
)]
pub(crate) async fn live() -> HttpResponse {
    answer(&Live { status: "ok" })
}

/// Tells that the process runs, as `/health/live` does.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "getHealth",
    tag = "operations",
    description = "The short address of `/health/live`.",
    security(()),
    responses((status = 200, description = "The process runs.", body = Liveness), OpenErrors)
)]
pub(crate) async fn live_too() -> HttpResponse {
    live().await
}

/// Tells whether requests should come here: the database answers, its schema is known, the process is not leaving.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "getReadiness",
    tag = "operations",
    description = "A 503 is a reason to send requests elsewhere, not to kill the process.",
    security(()),
    responses(
        (status = 200, description = "Requests should come here.", body = ReadinessState),
        ReadinessErrors
    )
)]
pub(crate) async fn ready(api: Data<Api>) -> Result<HttpResponse, Problem> {
    if api.readiness().is_draining() {
        return Err(Problem::new(
            Code::NotReady,
            "The process is shutting down.",
        ));
    }
    let away = |cause: String| {
        Problem::new(Code::NotReady, "The database does not answer.").because(cause)
    };
    let schema = tokio::time::timeout(api.settings().deadlines.request, api.health().schema())
        .await
        .map_err(|_| away("it took too long".to_owned()))?
        .map_err(|error| away(error.to_string()))?;
    match schema {
        SchemaState::Ready => Ok(answer(&Ready {
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

fn answer(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body)
}
