//! `Consistency-Token`: a client that sends back the token of its write sees that write, from any replica and standby.

use std::time::Duration;

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_STATUS, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use tokio::time::timeout;
use user_domain::ReadContext;
use user_domain::ports::{Consistency, WritePosition};

use crate::api::Api;
use crate::cache_status;
use crate::cursor::{sign, verify};
use crate::problem::Problem;
use crate::request_context::RequestContext;
use crate::signing::SigningKeys;

/// The header field of the token, in the response of a write and in the request of a read.
pub(crate) const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");

/// The maximum time that a committed write waits for its token.
const TOKEN_TIMEOUT: Duration = Duration::from_millis(250);

const KIND: u8 = b'w';
const FORMAT_VERSION: u8 = 1;

/// Runs a request with the context of its token, adds a token to the response of a write, and marks a response for which a
/// standby was read because the primary server was unavailable.
pub(crate) async fn consistency(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(api) = request.app_data::<Data<Api>>().cloned() else {
        return next.call(request).await;
    };
    let Some(port) = api.consistency() else {
        return next.call(request).await;
    };
    let position = match requested_position(&api, port, request.headers()).await {
        Ok(position) => position,
        Err(problem) => return Ok(request.error_response(problem)),
    };
    let reads = ReadContext::new(position);
    let mut response = reads.clone().run(next.call(request)).await?;
    let headers = response.response_mut().headers_mut();
    if reads.has_read_without_primary() && !headers.contains_key(CACHE_STATUS) {
        headers.insert(CACHE_STATUS, cache_status::standby());
    }
    let context = RequestContext::of(response.request());
    if context.is_some_and(|context| context.has_written.get())
        && let Some(token) = new_token(&api, port).await
    {
        response
            .response_mut()
            .headers_mut()
            .insert(CONSISTENCY_TOKEN, token);
    }
    Ok(response)
}

/// Returns the position that the reads of a request must see, once the cache of this replica has reached it.
async fn requested_position(
    api: &Api,
    port: &dyn Consistency,
    headers: &HeaderMap,
) -> Result<WritePosition, Problem> {
    let mut position = WritePosition::default();
    for token in headers.get_all(CONSISTENCY_TOKEN) {
        let decoded = token.to_str().ok();
        let decoded = decoded.and_then(|token| decode(api.signing_keys(), token));
        let rule = "must be a token that this service returned";
        let decoded = decoded.ok_or_else(|| Problem::invalid_header("Consistency-Token", rule))?;
        position = position.max(decoded);
    }
    if position > WritePosition::default() {
        port.catch_up().await?;
    }
    Ok(position)
}

/// Returns the token for a write that was just committed. Without it, the write is acknowledged all the same.
async fn new_token(api: &Api, port: &dyn Consistency) -> Option<HeaderValue> {
    let found = timeout(TOKEN_TIMEOUT, port.position()).await;
    match found {
        Ok(Ok(position)) => HeaderValue::from_str(&encode(api.signing_keys(), position)).ok(),
        Ok(Err(error)) => {
            tracing::debug!(%error, "no consistency token for a write");
            None
        }
        Err(_) => None,
    }
}

fn encode(keys: &SigningKeys, position: WritePosition) -> String {
    let mut bytes = vec![FORMAT_VERSION, KIND];
    bytes.extend(position.get().to_be_bytes());
    sign(keys, bytes, &[KIND])
}

fn decode(keys: &SigningKeys, text: &str) -> Option<WritePosition> {
    match verify(keys, text, &[KIND])?.as_slice() {
        [FORMAT_VERSION, KIND, number @ ..] => {
            let number = u64::from_be_bytes(number.try_into().ok()?);
            Some(WritePosition::from_store(number))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_valid_only_as_it_was_returned() {
        let keys = SigningKeys::new(&[1; 32]);
        let position = WritePosition::from_store(0x0016_B374_D848);
        let token = encode(&keys, position);
        assert_eq!(decode(&keys, &token), Some(position));
        assert_eq!(decode(&SigningKeys::new(&[2; 32]), &token), None);
        for other in ["", "AA", &token[1..], &format!("{token}A")] {
            assert_eq!(decode(&keys, other), None, "{other}");
        }
    }
}
