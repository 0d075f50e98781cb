//! Replays of writes that were completed before and would be refused now.
//!
//! The transaction of a write looks up the record of its idempotency key. It is reached only if the caller is still
//! permitted and the target still exists. The earlier write itself may have ended either, such as a deletion or a
//! change of the password. The record is then looked up after the refusal.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use tokio::time::Instant;
use tracing::Instrument;
use user_domain::Rejection;
use user_domain::ports::TokenRevocation;
use user_domain::use_cases::{
    Deletion, FormerCaller, PasswordChanged, RelationshipChanged, Replay, SignedOut, WrittenView,
};

use crate::api::Api;
use crate::extract::{IDEMPOTENCY_KEY, RequestPart, authenticate_former};
use crate::problem::{Code, Problem};
use crate::request_context::RequestContext;
use crate::trace;

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const YES: HeaderValue = HeaderValue::from_static("true");

/// A result of a write that can be restored from the record of its idempotency key.
pub(crate) trait FromReplay: Sized {
    /// Restores the result.
    fn from_replay(replay: Replay) -> Result<Self, Problem>;
}

impl FromReplay for WrittenView {
    fn from_replay(replay: Replay) -> Result<Self, Problem> {
        let not_visible = || {
            let detail = "The request was completed before, but its user is no longer visible.";
            Problem::new(Code::UserNotFound, detail).with_header(IDEMPOTENCY_REPLAYED, YES)
        };
        Ok(Self {
            view: replay.view.ok_or_else(not_visible)?,
            replayed: true,
        })
    }
}

impl FromReplay for SignedOut {
    fn from_replay(replay: Replay) -> Result<Self, Problem> {
        Ok(Self {
            written: WrittenView::from_replay(replay)?,
            wait: Duration::ZERO,
        })
    }
}

impl FromReplay for Deletion {
    fn from_replay(_: Replay) -> Result<Self, Problem> {
        Ok(Self { replayed: true })
    }
}

impl FromReplay for PasswordChanged {
    fn from_replay(_: Replay) -> Result<Self, Problem> {
        Ok(Self { replayed: true })
    }
}

impl FromReplay for RelationshipChanged {
    fn from_replay(_: Replay) -> Result<Self, Problem> {
        Ok(Self { replayed: true })
    }
}

impl FromReplay for TokenRevocation {
    fn from_replay(_: Replay) -> Result<Self, Problem> {
        Ok(Self::Replayed)
    }
}

/// Adds `Idempotency-Replayed` if the write was completed before.
pub(crate) fn add_replayed_header(response: &mut HttpResponse, replayed: bool) {
    if replayed {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, YES);
    }
}

/// Returns the replay for a request whose credential was refused. The body is read only if the credential is genuine
/// and the request has an idempotency key.
///
/// # Errors
/// The refusal, if there is no replay.
pub(crate) async fn find_replay_after_rejection<T: RequestPart>(
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
