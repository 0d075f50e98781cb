//! The receipt of bodies, within limits of size, time and total memory.

use std::cell::Cell;
use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::BytesMut;
use futures_util::StreamExt as _;
use futures_util::future::poll_immediate;
use tokio::time::timeout;
use user_domain::json::MAX_VALUES;

use crate::api::Api;
use crate::problem::{Code, Problem};
use crate::request_context::RequestContext;
use crate::resource_limits::{ActiveRequest, BodyEnd, BodyNotHeld, CallerKey, HeldBody};

/// The maximum number of bytes of a body that is parsed on the event loop, where it delays other requests.
const MAX_INLINE_PARSE_BYTES: usize = 64 * 1024;

/// The maximum number of values in a body whose memory is not counted.
const MAX_UNCOUNTED_VALUES: usize = 1000;

/// The maximum memory of a parsed member or element, which may have only two or three bytes of JSON.
const VALUE_MEMORY_BYTES: usize = 600;

/// Whether the body of a request was malformed; one per connection, shared with its requests.
///
/// The handler that reads the body sends a response. The parser then creates a second one, which must not be sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct MalformedBody(Rc<Cell<bool>>);

impl MalformedBody {
    /// Records that the body is malformed.
    pub(crate) fn set(&self) {
        self.0.set(true);
    }

    /// Whether the body is malformed.
    pub(crate) fn is_set(&self) -> bool {
        self.0.get()
    }
}

/// A body that was received completely.
#[derive(Debug, Default)]
pub(crate) struct ReceivedBody {
    bytes: BytesMut,
    /// The counted memory; `None` for a small body that had arrived completely with the request.
    held: Option<HeldBody>,
}

impl ReceivedBody {
    /// Whether there is no body.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Parses the bytes. A large body is parsed on one of a limited number of threads.
    pub(crate) async fn read<R: Send + 'static>(
        self,
        api: &Api,
        read: impl FnOnce(&[u8]) -> R + Send + 'static,
    ) -> Result<R, Problem> {
        if self.bytes.len() <= MAX_INLINE_PARSE_BYTES {
            return Ok(read(&self.bytes));
        }
        let free = api.resource_limits().parsers.clone().acquire_owned();
        let parser = timeout(api.settings().deadlines.request, free)
            .await
            .map_err(|_| Problem::overloaded())?
            .map_err(|error| Problem::internal(error.to_string()))?;
        // The memory and the thread stay counted until parsing ends, even if the client disconnects.
        let reading = move || {
            let result = read(&self.bytes);
            drop((self, parser));
            result
        };
        tokio::task::spawn_blocking(reading)
            .await
            .map_err(|error| Problem::internal(error.to_string()))
    }

    /// Appends the bytes that arrive, and calls `arrived` with the memory of all of them.
    async fn append(
        &mut self,
        request: &HttpRequest,
        payload: &mut Payload,
        limit: usize,
        arrived: impl Fn(usize) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| incomplete(request, &error))?;
            if self.bytes.len() + chunk.len() > limit {
                return Err(too_large(limit));
            }
            self.bytes.extend_from_slice(&chunk);
            arrived(self.bytes.capacity())?;
        }
        Ok(())
    }
}

/// Receives a body of at most `limit` bytes within the body deadline, and counts the memory of its values.
pub(super) async fn receive(
    api: &Api,
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> Result<ReceivedBody, Problem> {
    let received = receive_bytes(api, request, payload, limit).await?;
    hold_values(api, request, &received.bytes)?;
    Ok(received)
}

/// Counts the memory that the parsed values of a body will use, if there may be many.
fn hold_values(api: &Api, request: &HttpRequest, bytes: &[u8]) -> Result<(), Problem> {
    if bytes.len() <= MAX_UNCOUNTED_VALUES {
        return Ok(());
    }
    // Marks within strings are counted as well: excluding them takes as long as parsing the body.
    let is_mark = |byte: &&u8| matches!(byte, b',' | b'{' | b'[');
    let values = bytes.iter().filter(is_mark).count().min(MAX_VALUES);
    if values <= MAX_UNCOUNTED_VALUES {
        return Ok(());
    }
    let held = api
        .resource_limits()
        .values
        .try_hold(values * VALUE_MEMORY_BYTES);
    let cause = "memory limit of parsed values reached";
    let held = held.ok_or_else(|| Problem::overloaded().with_cause(cause))?;
    if let Some(context) = RequestContext::of(request) {
        // A request has one body.
        let _ = context.value_memory.set(Arc::new(held));
    }
    Ok(())
}

async fn receive_bytes(
    api: &Api,
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> Result<ReceivedBody, Problem> {
    let declared = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let caller = || {
        let context = RequestContext::of(request);
        let key = context.and_then(|context| context.caller_key.get().cloned());
        key.unwrap_or(CallerKey::Operator)
    };
    let bodies = &api.resource_limits().bodies;
    let mut received = ReceivedBody::default();
    // On the first poll, bytes that arrived with the header fields may not have been passed on yet. On the second they
    // are.
    for is_first in [true, false] {
        // If it has to wait it is dropped, and no bytes are lost: they are in `received`.
        let append = received.append(request, payload, limit, |_| Ok(()));
        let appended = poll_immediate(append).await;
        if let Some(result) = appended {
            result?;
            if received.bytes.len() > MAX_INLINE_PARSE_BYTES {
                let (held, _end) = bodies.hold(caller(), received.bytes.capacity())?;
                held.complete()?;
                received.held = Some(held);
            }
            return Ok(received);
        }
        if is_first {
            next_poll().await;
        }
    }
    let (held, end) = bodies.hold(caller(), received.bytes.capacity())?;
    let paused = ActiveRequest::pause(api.resource_limits().active.clone());
    receive_rest(api, request, payload, limit, &mut received, &held, end).await?;
    held.complete()?;
    drop(paused);
    if api.is_overloaded() {
        return Err(Problem::overloaded());
    }
    received.held = Some(held);
    Ok(received)
}

/// Completes at the next poll of the connection's task, which it schedules. Unlike tokio's `yield_now` it schedules the
/// poll immediately, so that the arrival of a body, which schedules the same poll, causes no second one.
async fn next_poll() {
    let mut is_next = false;
    poll_fn(|context| {
        if mem::replace(&mut is_next, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Receives the rest of a body within the body deadline.
async fn receive_rest(
    api: &Api,
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
    received: &mut ReceivedBody,
    held: &HeldBody,
    end: BodyEnd,
) -> Result<(), Problem> {
    let arrived = |bytes| held.grow(bytes).map_err(Problem::from);
    let receiving = async {
        tokio::select! {
            biased;
            _ = end => Err(BodyNotHeld::Slowest.into()),
            result = received.append(request, payload, limit, arrived) => result,
        }
    };
    let deadline = api.settings().deadlines.body;
    timeout(deadline, receiving).await.map_err(|_| {
        let seconds = deadline.as_secs();
        Problem::new(
            Code::MalformedRequest,
            format!("The body did not arrive within {seconds} s."),
        )
    })?
}

impl From<BodyNotHeld> for Problem {
    fn from(reason: BodyNotHeld) -> Self {
        match reason {
            BodyNotHeld::Slowest => Self::new(
                Code::RequestTimeout,
                "Too many bodies are being received, and this one arrived too slowly. Nothing was changed.",
            ),
            BodyNotHeld::LimitReached => {
                Self::overloaded().with_cause("limit of held bodies reached")
            }
        }
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        Code::PayloadTooLarge,
        format!("The body must have at most {limit} bytes."),
    )
}

fn incomplete(request: &HttpRequest, error: &PayloadError) -> Problem {
    let is_malformed = matches!(error, PayloadError::EncodingCorrupted);
    if let Some(malformed_body) = request
        .conn_data::<MalformedBody>()
        .filter(|_| is_malformed)
    {
        malformed_body.set();
    }
    Problem::new(
        Code::MalformedRequest,
        "The body is incomplete or malformed.",
    )
    .with_cause(error.to_string())
}
