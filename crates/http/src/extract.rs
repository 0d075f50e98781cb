//! What handlers ask of a request.

mod body;
mod caller;
mod conditions;
mod freshness;
mod path;
mod selection;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use tokio::time::Instant;
use tracing::Instrument;
use user_domain::caller::Caller;

use crate::api::Api;
use crate::frame::Frame;
use crate::problem::{Code, Problem};
use crate::trace;

pub(crate) use body::{Ignored, JsonDocument, MergePatch};
pub(crate) use caller::{Shown, shown};
pub(crate) use conditions::{IfNoneMatch, Keyed, Write};
pub(crate) use freshness::{Fresh, freshness};
pub(crate) use path::{Pair, Segment, Target, TargetToken};
pub(crate) use selection::{Include, Selection};

/// A request whose caller is known.
///
/// The framework reads several extractors at once, so that a bad body might be told before a bad token. A handler
/// therefore takes this alone: who asks is found out first, and then the parts `T` are read, one after another.
pub(crate) struct Call<T = ()> {
    pub(crate) api: Api,
    pub(crate) caller: Caller,
    pub(crate) request: HttpRequest,
    pub(crate) parts: T,
    begun: Instant,
}

/// A part of a request.
pub(crate) trait Part: Sized {
    /// Whether the time until here was the client's own.
    const AWAITS_CLIENT: bool = false;

    /// Reads the part.
    async fn read(api: &Api, request: &HttpRequest, payload: &mut Payload)
    -> Result<Self, Problem>;
}

impl<T> Call<T> {
    /// Takes the parts out.
    pub(crate) fn split(self) -> (Call, T) {
        let Self {
            api,
            caller,
            request,
            parts,
            begun,
        } = self;
        (
            Call {
                api,
                caller,
                request,
                parts: (),
                begun,
            },
            parts,
        )
    }

    /// Waits for a use case that reads no longer than its deadline.
    pub(crate) async fn within_deadline<R, E: Into<Problem>>(
        &self,
        name: &'static str,
        read: impl Future<Output = Result<R, E>>,
    ) -> Result<R, Problem> {
        let deadline = self.begun + self.api.settings().deadlines.request;
        tokio::time::timeout_at(deadline, read.instrument(trace::use_case(name)))
            .await
            .map_err(|_| Problem::overloaded())?
            .map_err(Into::into)
    }

    /// Waits for a use case that lists no longer than its deadline.
    pub(crate) async fn within_listing_deadline<R, E: Into<Problem>>(
        &self,
        name: &'static str,
        read: impl Future<Output = Result<R, E>>,
    ) -> Result<R, Problem> {
        let deadline = self.begun + self.api.settings().deadlines.listing;
        tokio::time::timeout_at(deadline, read.instrument(trace::use_case(name)))
            .await
            .map_err(|_| Problem::overloaded())?
            .map_err(Into::into)
    }

    /// Runs a use case in a task of its own that counts what it is asked, and waits for it no longer than its deadline:
    /// whoever leaves is counted all the same, and whoever waited in vain may ask again.
    pub(crate) async fn counted<R, E>(
        &self,
        name: &'static str,
        question: impl Future<Output = Result<R, E>> + Send + 'static,
    ) -> Result<R, Problem>
    where
        R: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        let answered = self.detached(name, question).await;
        answered.map_err(|problem| match problem.code() {
            Code::OutcomeUnknown => Problem::overloaded(),
            _ => problem,
        })
    }

    /// Runs a use case that writes in a task of its own, and waits for it no longer than its deadline. It is not begun if
    /// its time is over already.
    pub(crate) async fn detached<R, E>(
        &self,
        name: &'static str,
        write: impl Future<Output = Result<R, E>> + Send + 'static,
    ) -> Result<R, Problem>
    where
        R: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        let patience = self
            .api
            .settings()
            .deadlines
            .request
            .saturating_sub(self.begun.elapsed());
        if patience.is_zero() {
            return Err(Problem::overloaded());
        }
        self.api
            .writes()
            .run(patience, write.instrument(trace::use_case(name)))
            .await?
            .map_err(Into::into)
    }
}

impl<T: Part + 'static> FromRequest for Call<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let Some(api) = request.app_data::<Data<Api>>().map(|api| Api::clone(api)) else {
                return Err(Problem::internal("the app was built without its data"));
            };
            let frame = Frame::of(&request);
            let received = frame
                .as_ref()
                .map_or_else(Instant::now, |frame| frame.received);
            if let Some(frame) = &frame {
                frame.note_route(&request);
            }
            let caller = caller::authenticate(&api, &request, received).await?;
            if let Some(frame) = &frame {
                frame.caller.set(caller.kind());
            }
            let parts = T::read(&api, &request, &mut payload).await?;
            let begun = if T::AWAITS_CLIENT {
                Instant::now()
            } else {
                received
            };
            Ok(Self {
                api,
                caller,
                request,
                parts,
                begun,
            })
        })
    }
}

impl Part for () {
    async fn read(_: &Api, _: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        Ok(())
    }
}

impl<A: Part, B: Part> Part for (A, B) {
    const AWAITS_CLIENT: bool = A::AWAITS_CLIENT || B::AWAITS_CLIENT;

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

impl<A: Part, B: Part, C: Part> Part for (A, B, C) {
    const AWAITS_CLIENT: bool = A::AWAITS_CLIENT || B::AWAITS_CLIENT || C::AWAITS_CLIENT;

    async fn read(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<Self, Problem> {
        let (a, b) = <(A, B)>::read(api, request, payload).await?;
        Ok((a, b, C::read(api, request, payload).await?))
    }
}
