//! `/log-level`: reads and changes the log level while the service runs; on the management port only.

use std::sync::Arc;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use user_domain::{Fault, Violation};

use crate::api::Api;
use crate::bodies::NewLogLevel;
use crate::extract::{JsonBody, RequestPart};
use crate::problem::Problem;
use crate::resource::readable;

/// The log level of the process.
pub trait LogLevel: Send + Sync {
    /// Returns the name of the current level.
    fn level(&self) -> &'static str;

    /// Changes the level. Returns whether a level of that name exists.
    fn set_level(&self, name: &str) -> bool;
}

#[derive(Serialize)]
struct LogLevelBody {
    level: &'static str,
}

/// Registers the resource.
pub(crate) fn configure(config: &mut ServiceConfig, log: &Arc<dyn LogLevel>) {
    config.app_data(Data::from(log.clone())).service(
        readable("/log-level", "GET, HEAD, PUT, OPTIONS", show).route(web::put().to(change)),
    );
}

async fn show(log: Data<dyn LogLevel>) -> HttpResponse {
    level_response(&**log)
}

async fn change(
    api: Data<Api>,
    log: Data<dyn LogLevel>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let body = <JsonBody<NewLogLevel>>::read(&api, &request, &mut payload.into_inner()).await?;
    if !body.0.is_some_and(|level| log.set_level(&level)) {
        let violation = Violation::new("unknown", "Must be error, warn, info, debug or trace.");
        return Err(Problem::invalid(&[Fault::new("level", &violation)]));
    }
    // Explains a sudden change in the amount of log lines.
    tracing::warn!(level = log.level(), "log level changed");
    Ok(level_response(&**log))
}

fn level_response(log: &dyn LogLevel) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(LogLevelBody { level: log.level() })
}
