//! Responses that show users.

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use serde::Serialize;

use crate::problem::Problem;

/// Answers with JSON that belongs to one caller and must be asked for anew each time.
pub(crate) fn document(status: StatusCode, body: &impl Serialize) -> Result<HttpResponse, Problem> {
    Ok(document_of(status, json(body)?.into()))
}

/// Answers as [`document`] does, with JSON that is ready.
pub(crate) fn document_of(status: StatusCode, body: Bytes) -> HttpResponse {
    let mut response = HttpResponse::with_body(status, BoxBody::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// Writes JSON.
pub(crate) fn json(body: &impl Serialize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, body)
        .map_err(|error| Problem::internal(format!("no JSON: {error}")))?;
    Ok(bytes)
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
