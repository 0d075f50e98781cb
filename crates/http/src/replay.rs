//! Results of writes that were completed before.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use user_domain::ports::{ConsumerRegistration, ErasureWrite, TokenRevocation};
use user_domain::use_cases::{
    Deletion, PasswordChanged, RelationshipChanged, Replay, SignedOut, WrittenView,
};

use crate::problem::{Code, Problem};

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

impl FromReplay for ErasureWrite {
    fn from_replay(_: Replay) -> Result<Self, Problem> {
        Ok(Self::Replayed)
    }
}

impl FromReplay for ConsumerRegistration {
    fn from_replay(_: Replay) -> Result<Self, Problem> {
        let detail = "The request was completed before, but its consumer cannot be shown any more.";
        let problem = Problem::new(Code::ErasureConsumerNotFound, detail);
        Err(problem.with_header(IDEMPOTENCY_REPLAYED, YES))
    }
}

/// Adds `Idempotency-Replayed` if the write was completed before.
pub(crate) fn add_replayed_header(response: &mut HttpResponse, replayed: bool) {
    if replayed {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, YES);
    }
}
