//! The extractors of handlers.

mod body;
mod caller;
mod conditions;
mod freshness;
mod path;
mod received_body;
mod rejected_caller;
mod selection;

use std::pin::pin;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use tokio::time::Instant;
use tracing::Instrument;
use user_domain::caller::Caller;
use user_domain::use_cases::Replay;
use user_domain::write::Idempotency;

use crate::api::Api;
use crate::deadline::run_until;
use crate::problem::{Code, Problem};
use crate::replay::FromReplay;
use crate::request_context::RequestContext;
use crate::trace;

pub(crate) use body::{BatchBody, JsonBody, MergePatch, NoBody, OptionalBody};
pub(crate) use caller::{API_TOKEN, presented_credential};
pub(crate) use conditions::{ConditionalWrite, IdempotentWrite, IfNoneMatch};
pub(crate) use freshness::{RequestedFreshness, requested_freshness};
pub(crate) use path::{
    AcknowledgementPath, PathSegment, TargetConsumer, TargetErasure, TargetToken, TargetUser,
    UserPair,
};
pub(crate) use received_body::MalformedBody;
use rejected_caller::find_replay_after_rejection;
pub(crate) use selection::{Include, Selection};

/// A request with an authenticated caller.
///
/// The framework runs several extractors concurrently, so a bad body could be reported before a bad token. A handler
/// therefore takes this extractor alone. It authenticates the caller first and then reads the parts `T` in order.
pub(crate) struct AuthenticatedRequest<T = ()> {
    pub(crate) api: Api,
    pub(crate) caller: Caller,
    pub(crate) request: HttpRequest,
    pub(crate) parts: T,
    /// The start of the deadline.
    started: Instant,
    idempotency: Option<Idempotency>,
    /// The response for a caller whose credential is no longer accepted. Such a caller may receive nothing else.
    replay: Option<Replay>,
}

/// A part of a request.
pub(crate) trait RequestPart: Sized {
    /// Whether the part reads the body. The deadline then starts after the body has arrived.
    const READS_BODY: bool = false;
    /// Whether the part reads `Idempotency-Key`.
    const READS_IDEMPOTENCY_KEY: bool = false;

    /// Returns the idempotency key and fingerprint, if the part reads them and the client sent a key.
    fn idempotency(&self) -> Option<&Idempotency> {
        None
    }

    /// Reads the part.
    async fn read(api: &Api, request: &HttpRequest, payload: &mut Payload)
    -> Result<Self, Problem>;
}

impl<T> AuthenticatedRequest<T> {
    /// Separates the parts from the request.
    pub(crate) fn split(self) -> (AuthenticatedRequest, T) {
        let Self {
            api,
            caller,
            request,
            parts,
            started,
            idempotency,
            replay,
        } = self;
        (
            AuthenticatedRequest {
                api,
                caller,
                request,
                parts: (),
                started,
                idempotency,
                replay,
            },
            parts,
        )
    }

    /// Runs a use case that reads, within the deadline of a request.
    pub(crate) async fn within_deadline<R, E: Into<Problem>>(
        &self,
        name: &'static str,
        read: impl Future<Output = Result<R, E>>,
    ) -> Result<R, Problem> {
        self.reject_former_caller()?;
        let deadline = self.started + self.api.settings().deadlines.request;
        run_until(deadline, name, pin!(read))
            .await?
            .map_err(Into::into)
    }

    /// Runs a use case that lists, within the deadline of a list.
    pub(crate) async fn within_listing_deadline<R, E: Into<Problem>>(
        &self,
        name: &'static str,
        read: impl Future<Output = Result<R, E>>,
    ) -> Result<R, Problem> {
        self.reject_former_caller()?;
        let deadline = self.started + self.api.settings().deadlines.listing;
        run_until(deadline, name, pin!(read))
            .await?
            .map_err(Into::into)
    }

    /// Authenticates the caller again and starts its deadlines anew, for a request that has waited on purpose.
    pub(crate) async fn resume(&mut self) -> Result<(), Problem> {
        self.started = Instant::now();
        self.caller = caller::authenticate(&self.api, &self.request, self.started).await?;
        Ok(())
    }

    /// Runs a use case that counts attempts, in its own task and within the deadline of a request. An attempt is
    /// counted even if its client disconnects. After a timeout the client may try again, so it is answered as an
    /// overload.
    pub(crate) async fn run_counted<R, E>(
        &self,
        name: &'static str,
        attempt: impl Future<Output = Result<R, E>> + Send + 'static,
    ) -> Result<R, Problem>
    where
        R: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        let result = self.spawn_and_wait(name, attempt).await;
        result.map_err(|problem| match problem.code() {
            Code::OutcomeUnknown => Problem::overloaded(),
            _ => problem,
        })
    }

    /// Runs a use case that writes, as [`AuthenticatedRequest::run_detached`] does. A write that is refused, but was
    /// completed before with the same idempotency key, is replayed instead.
    pub(crate) async fn write<R, E>(
        &self,
        name: &'static str,
        write: impl Future<Output = Result<R, E>> + Send + 'static,
    ) -> Result<R, Problem>
    where
        R: FromReplay + Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        if let Some(replay) = &self.replay {
            self.record_write();
            return R::from_replay(replay.clone());
        }
        let refusal = match self.run_detached(name, write).await {
            Err(problem) if problem.is_refusal() => problem,
            written => return written,
        };
        let Some(idempotency) = &self.idempotency else {
            return Err(refusal);
        };
        let find_replay = &self.api.use_cases().find_replay;
        let found = find_replay.run(&self.caller, idempotency);
        match self.within_deadline("find_replay", found).await? {
            Some(replay) => {
                self.record_write();
                R::from_replay(replay)
            }
            None => Err(refusal),
        }
    }

    /// Returns an error for a caller that may receive only a replay: a handler must not do anything else for it.
    fn reject_former_caller(&self) -> Result<(), Problem> {
        if self.replay.is_none() {
            return Ok(());
        }
        let cause = "a handler did not replay the write of a caller that is no longer accepted";
        Err(Problem::internal(cause))
    }

    /// Runs a use case that writes, in its own task, and waits for it until the deadline of the request. The write is
    /// not started if the deadline has passed.
    pub(crate) async fn run_detached<R, E>(
        &self,
        name: &'static str,
        write: impl Future<Output = Result<R, E>> + Send + 'static,
    ) -> Result<R, Problem>
    where
        R: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        let written = self.spawn_and_wait(name, write).await?;
        self.record_write();
        Ok(written)
    }

    /// Records that the response is that of a completed write, which has a consistency token.
    fn record_write(&self) {
        if let Some(context) = RequestContext::of(&self.request) {
            context.has_written.set(true);
        }
    }

    async fn spawn_and_wait<R, E>(
        &self,
        name: &'static str,
        write: impl Future<Output = Result<R, E>> + Send + 'static,
    ) -> Result<R, Problem>
    where
        R: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        self.reject_former_caller()?;
        let max_wait = self
            .api
            .settings()
            .deadlines
            .request
            .saturating_sub(self.started.elapsed());
        if max_wait.is_zero() {
            return Err(Problem::overloaded());
        }
        // The write may continue after its request. The memory of its input is counted until the write ends.
        let values = RequestContext::of(&self.request)
            .and_then(|context| context.value_memory.get().cloned());
        let write = write.inspect(move |_| drop(values));
        self.api
            .write_tasks()
            .run(max_wait, write.instrument(trace::use_case_span(name)))
            .await?
            .map_err(Into::into)
    }
}

impl<T: RequestPart + 'static> FromRequest for AuthenticatedRequest<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let Some(api) = request.app_data::<Data<Api>>().map(|api| Api::clone(api)) else {
                return Err(Problem::internal("the app was built without its data"));
            };
            let context = RequestContext::of(&request);
            let received = context
                .as_ref()
                .map_or_else(Instant::now, |context| context.received);
            if let Some(context) = &context {
                context.record_route(&request);
            }
            let authenticated = caller::authenticate(&api, &request, received).await;
            if let Some(context) = &context {
                context.record_caller(authenticated.as_ref().map_err(Problem::rejection));
                if let (Ok(caller), true) = (&authenticated, T::READS_BODY) {
                    context.set_caller_key(caller);
                }
            }
            let (caller, parts, replay) = match authenticated {
                Ok(caller) => {
                    if let Some(context) = &context {
                        api.resource_limits().rates.admit(&caller, context)?;
                    }
                    let parts = T::read(&api, &request, &mut payload).await?;
                    (caller, parts, None)
                }
                Err(refusal) => {
                    let (former, parts, replay) = find_replay_after_rejection::<T>(
                        &api,
                        &request,
                        &mut payload,
                        received,
                        refusal,
                    )
                    .await?;
                    if let Some(context) = &context {
                        context.caller.set(former.caller.kind());
                        context.rejection.set(None);
                    }
                    (former.caller, parts, Some(replay))
                }
            };
            let idempotency = parts.idempotency().cloned();
            let started = if T::READS_BODY {
                Instant::now()
            } else {
                received
            };
            Ok(Self {
                api,
                caller,
                request,
                parts,
                started,
                idempotency,
                replay,
            })
        })
    }
}

impl RequestPart for () {
    async fn read(_: &Api, _: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        Ok(())
    }
}

impl<A: RequestPart, B: RequestPart> RequestPart for (A, B) {
    const READS_BODY: bool = A::READS_BODY || B::READS_BODY;
    const READS_IDEMPOTENCY_KEY: bool = A::READS_IDEMPOTENCY_KEY || B::READS_IDEMPOTENCY_KEY;

    fn idempotency(&self) -> Option<&Idempotency> {
        self.0.idempotency().or_else(|| self.1.idempotency())
    }

    async fn read(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<Self, Problem> {
        Ok((
            A::read(api, request, payload).await?,
            B::read(api, request, payload).await?,
        ))
    }
}

impl<A: RequestPart, B: RequestPart, C: RequestPart> RequestPart for (A, B, C) {
    const READS_BODY: bool = A::READS_BODY || B::READS_BODY || C::READS_BODY;
    const READS_IDEMPOTENCY_KEY: bool =
        A::READS_IDEMPOTENCY_KEY || B::READS_IDEMPOTENCY_KEY || C::READS_IDEMPOTENCY_KEY;

    fn idempotency(&self) -> Option<&Idempotency> {
        let first = self.0.idempotency().or_else(|| self.1.idempotency());
        first.or_else(|| self.2.idempotency())
    }

    async fn read(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<Self, Problem> {
        let (a, b) = <(A, B)>::read(api, request, payload).await?;
        Ok((a, b, C::read(api, request, payload).await?))
    }
}
