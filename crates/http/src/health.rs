//! `/health`, `/health/live`, `/health/ready`.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, ServiceConfig};
use serde::Serialize;
use user_domain::ports::SchemaState;

use crate::api::Api;
use crate::problem::{Code, Problem};
use crate::resource::{read, resource};

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
    const ALLOW: &str = "GET, HEAD, OPTIONS";
    config
        .service(read(resource("/health", ALLOW), live))
        .service(read(resource("/health/live", ALLOW), live))
        .service(read(resource("/health/ready", ALLOW), ready));
}

/// Tells that the process runs.
pub(crate) async fn live() -> HttpResponse {
    answer(&Live { status: "ok" })
}

/// Tells whether requests should come here: the database answers, its schema is known, the process is not leaving.
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
