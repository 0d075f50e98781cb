//! The deadline of a use case.

use std::future::poll_fn;
use std::pin::pin;
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
    use_case: impl Future<Output = T>,
) -> Result<T, Problem> {
    let mut use_case = pin!(use_case.instrument(trace::use_case_span(name)));
    // A use case that only needs what is in memory needs no timer.
    let first = poll_fn(|context| Poll::Ready(use_case.as_mut().poll(context))).await;
    if let Poll::Ready(result) = first {
        return Ok(result);
    }
    timeout_at(deadline, use_case)
        .await
        .map_err(|_| Problem::overloaded())
}
