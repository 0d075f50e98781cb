//! Replays of writes that were completed before and would be refused now.
//!
//! The transaction of a write looks up the record of its idempotency key. It is reached only if the caller is still
//! permitted and the target still exists. The earlier write itself may have ended either, such as a deletion or a
//! change of the password. The record is then looked up after the refusal.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use tokio::time::Instant;
use tracing::Instrument;
use user_domain::Rejection;
use user_domain::use_cases::{FormerCaller, Replay};

use super::RequestPart;
use super::caller::authenticate_former;
use super::conditions::IDEMPOTENCY_KEY;
use crate::api::Api;
use crate::problem::Problem;
use crate::request_context::RequestContext;
use crate::trace;

/// Returns the replay for a request whose credential was refused. The body is read only if the credential is genuine
/// and the request has an idempotency key.
///
/// # Errors
/// The refusal, if there is no replay.
pub(super) async fn find_replay_after_rejection<T: RequestPart>(
    api: &Api,
    request: &HttpRequest,
    payload: &mut Payload,
    received: Instant,
    refusal: Problem,
) -> Result<(FormerCaller, T, Replay), Problem> {
    let may_be_replayed = T::READS_IDEMPOTENCY_KEY
        && refusal.rejection().is_some_and(Rejection::was_once_valid)
        && request.headers().contains_key(IDEMPOTENCY_KEY);
    if !may_be_replayed {
        return Err(refusal);
    }
    let Some(former) = authenticate_former(api, request, received).await? else {
        return Err(refusal);
    };
    if let Some(context) = RequestContext::of(request) {
        context.set_caller_key(&former.caller);
    }
    let Ok(parts) = T::read(api, request, payload).await else {
        return Err(refusal);
    };
    let Some(idempotency) = parts.idempotency() else {
        return Err(refusal);
    };
    let found = api
        .use_cases()
        .find_replay
        .run_for_former(&former, idempotency)
        .instrument(trace::use_case_span("find_replay"));
    let found = tokio::time::timeout(api.settings().deadlines.request, found)
        .await
        .map_err(|_| Problem::overloaded())??;
    match found {
        Some(replay) => Ok((former, parts, replay)),
        None => Err(refusal),
    }
}
