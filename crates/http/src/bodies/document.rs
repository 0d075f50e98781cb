//! Responses that show users.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use serde::Serialize;

use crate::problem::Problem;

/// Answers with JSON that belongs to one caller and must be asked for anew each time.
pub(crate) fn document(status: StatusCode, body: &impl Serialize) -> Result<HttpResponse, Problem> {
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, body)
        .map_err(|error| Problem::internal(format!("no JSON: {error}")))?;
    Ok(HttpResponse::build(status)
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        .body(bytes))
}
