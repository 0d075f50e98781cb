//! Responses that show users.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
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

/// Answers with JSON that nobody on the way is to keep.
pub(crate) fn unkept_document(
    status: StatusCode,
    body: &impl Serialize,
) -> Result<HttpResponse, Problem> {
    Ok(unkept(document(status, body)?))
}

/// Lets nobody on the way keep an answer about credentials.
pub(crate) fn unkept(mut response: HttpResponse) -> HttpResponse {
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}
