//! The deadline of a use case.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use crate::problem::Problem;
use crate::trace;

/// Runs a use case until a deadline, in a span of its name.
///
/// # Errors
/// An overload, if the use case does not end in time.
pub(crate) async fn run_until<T>(
    deadline: Instant,
    name: &'static str,
    mut use_case: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Problem> {
    let span = trace::use_case_span(name);
    // A use case that only needs what is in memory needs no timer.
    let first = poll_fn(|context| Poll::Ready(span.in_scope(|| use_case.as_mut().poll(context))));
    if let Poll::Ready(result) = first.await {
        return Ok(result);
    }
    timeout_at(deadline, use_case.instrument(span))
        .await
        .map_err(|_| Problem::overloaded())
}
