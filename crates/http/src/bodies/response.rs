//! JSON responses.

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use serde::Serialize;

use crate::problem::Problem;

/// The `Cache-Control` of responses that show users. They belong to one caller and must be revalidated each time.
/// `no-transform`: their strong `ETag` covers these exact bytes.
pub(crate) const USER_CACHE_CONTROL: HeaderValue =
    HeaderValue::from_static("private, no-cache, no-transform");

/// Creates a JSON response with [`USER_CACHE_CONTROL`].
pub(crate) fn json_response(
    status: StatusCode,
    body: &impl Serialize,
) -> Result<HttpResponse, Problem> {
    Ok(json_response_of_bytes(status, json(body)?.into()))
}

/// Creates the response of [`json_response`] from serialised JSON.
pub(crate) fn json_response_of_bytes(status: StatusCode, body: Bytes) -> HttpResponse {
    let mut response = HttpResponse::with_body(status, BoxBody::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, USER_CACHE_CONTROL);
    response
}

/// Serialises a value as JSON.
pub(crate) fn json(body: &impl Serialize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, body)
        .map_err(|error| Problem::internal(format!("JSON serialisation failed: {error}")))?;
    Ok(bytes)
}

/// Creates a JSON response with `Cache-Control: no-store`.
pub(crate) fn no_store_json_response(
    status: StatusCode,
    body: &impl Serialize,
) -> Result<HttpResponse, Problem> {
    Ok(with_no_store(json_response(status, body)?))
}

/// Adds `Cache-Control: no-store` to a response about credentials.
pub(crate) fn with_no_store(mut response: HttpResponse) -> HttpResponse {
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}
