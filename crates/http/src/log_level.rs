//! `/log-level`: what is written to the log, readable and changeable while the service runs; on the management port only.

use std::sync::Arc;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;
use user_domain::{Fault, Violation};

use crate::api::Api;
use crate::extract::{JsonDocument, Part};
use crate::problem::Problem;
use crate::resource::readable;

/// What decides how much is written to the log.
pub trait LogLevel: Send + Sync {
    /// The level now, by its name.
    fn level(&self) -> &'static str;

    /// Changes the level, and tells whether there is one of that name.
    fn set_level(&self, name: &str) -> bool;
}

#[derive(Serialize)]
struct Answer {
    level: &'static str,
}

/// Adds the resource.
pub(crate) fn configure(config: &mut ServiceConfig, log: &Arc<dyn LogLevel>) {
    config.app_data(Data::from(log.clone())).service(
        readable("/log-level", "GET, HEAD, PUT, OPTIONS", show).route(web::put().to(change)),
    );
}

async fn show(log: Data<dyn LogLevel>) -> HttpResponse {
    answer(&**log)
}

async fn change(
    api: Data<Api>,
    log: Data<dyn LogLevel>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let document = JsonDocument::read(&api, &request, &mut payload.into_inner()).await?;
    let mut faults = Vec::new();
    for name in document.0.keys().filter(|name| *name != "level") {
        faults.push(Fault::new(
            name,
            &Violation::new("unknown_field", "There is no such field."),
        ));
    }
    let level = document.0.get("level").and_then(Value::as_str);
    if faults.is_empty() && !level.is_some_and(|level| log.set_level(level)) {
        let violation = Violation::new("unknown", "Must be error, warn, info, debug or trace.");
        faults.push(Fault::new("level", &violation));
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(&faults));
    }
    // Whoever reads the log wonders otherwise why it speaks or falls silent.
    tracing::warn!(level = log.level(), "the level of the log was changed");
    Ok(answer(&**log))
}

fn answer(log: &dyn LogLevel) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(Answer { level: log.level() })
}
