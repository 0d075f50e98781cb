//! Times and traces what the adapters ask of databases and Redis, by OpenTelemetry's names.
//!
//! Neither holds a value of a statement: an operation is known by its name, a statement by its verb and its table.

use std::time::Instant;

use metrics::{Unit, describe_histogram};
use tracing::field::Empty;
use tracing::{Instrument, Span};
use user_domain::StoreError;
use user_domain::ports::ImportError;
use user_domain::write::WriteError;

/// The target of all spans that make a trace; no line of the log has it.
const TRACE: &str = "traces";

/// A histogram of seconds by `system`, `operation` and `outcome`, waits for a connection included.
pub const OPERATION_DURATION: &str = "db_client_operation_duration_seconds";

/// The upper bounds, in seconds, that [`OPERATION_DURATION`] is to be recorded with.
pub const OPERATION_DURATION_BUCKETS: [f64; 14] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Says what is recorded, for whoever reads it.
pub fn describe_metrics() {
    describe_histogram!(
        OPERATION_DURATION,
        Unit::Seconds,
        "Time that an operation of the database or of Redis took, by its outcome"
    );
}

/// What is asked (OpenTelemetry, `db.system.name`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    Postgres,
    Sqlite,
    Redis,
}

impl System {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::Sqlite => "sqlite",
            Self::Redis => "redis",
        }
    }
}

/// Whether an error is the system's, and not an answer to the question.
pub(crate) trait Failure {
    /// Tells whether the system failed.
    fn is_failure(&self) -> bool;
}

impl Failure for StoreError {
    fn is_failure(&self) -> bool {
        true
    }
}

impl Failure for WriteError {
    fn is_failure(&self) -> bool {
        match self {
            Self::Store(_) => true,
            Self::NotFound | Self::Taken(_) | Self::KeyReused | Self::Refused(_) => false,
        }
    }
}

impl Failure for ImportError {
    fn is_failure(&self) -> bool {
        match self {
            Self::Store(_) => true,
            Self::Raced(_) => false,
        }
    }
}

/// An operation that is under way. One that is dropped was given up by whoever waited, and counts as failed.
struct Operation {
    system: System,
    name: &'static str,
    begun: Instant,
    ended: bool,
    span: Span,
}

impl Operation {
    fn begin(system: System, name: &'static str) -> Self {
        Self {
            system,
            name,
            begun: Instant::now(),
            ended: false,
            span: span(system, name),
        }
    }

    fn end(mut self, failed: bool) {
        self.ended = true;
        self.record(failed);
    }

    fn record(&self, failed: bool) {
        if failed {
            mark_failed(&self.span);
        }
        metrics::histogram!(
            OPERATION_DURATION,
            "system" => self.system.as_str(),
            "operation" => self.name,
            "outcome" => if failed { "error" } else { "ok" }
        )
        .record(self.begun.elapsed());
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if !self.ended {
            self.record(true);
        }
    }
}

/// Waits for an operation, timed and traced under its name.
pub(crate) async fn timed<T>(
    system: System,
    name: &'static str,
    work: impl Future<Output = T>,
    has_failed: impl FnOnce(&T) -> bool,
) -> T {
    let operation = Operation::begin(system, name);
    let answer = work.instrument(operation.span.clone()).await;
    let failed = has_failed(&answer);
    operation.end(failed);
    answer
}

/// Makes the span of something asked of a system, in the trace there is; what happens in none, such as the outbox's
/// being followed, is no trace of its own.
pub(crate) fn span(system: System, name: &str) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    tracing::info_span!(
        target: TRACE,
        "client",
        otel.name = name,
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = system.as_str(),
        db.operation.name = name,
    )
}

/// Notes on a span that the system failed; why stands in the log, which knows what it must not say.
pub(crate) fn mark_failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use metrics_exporter_prometheus::PrometheusBuilder;
    use tokio::time::timeout;

    use super::*;

    /// What is recorded of operations.
    async fn recorded(work: impl Future<Output = ()>) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        {
            let _guard = metrics::set_default_local_recorder(&recorder);
            work.await;
        }
        let counts = |line: &&str| line.contains("_count{");
        handle.render().lines().filter(counts).collect()
    }

    #[tokio::test]
    async fn an_operation_is_recorded_with_its_outcome() {
        let told = recorded(async {
            let refused = async { Err::<(), _>(WriteError::NotFound) };
            let has_failed =
                |answer: &Result<(), WriteError>| answer.as_ref().is_err_and(Failure::is_failure);
            let answer = timed(System::Sqlite, "change_user", refused, has_failed).await;
            assert_eq!(answer, Err(WriteError::NotFound));
        });
        assert_eq!(
            told.await,
            format!(
                r#"{OPERATION_DURATION}_count{{system="sqlite",operation="change_user",outcome="ok"}} 1"#
            ),
            "a refusal is an answer"
        );
        let told = recorded(async {
            let failed = async { Err::<(), ()>(()) };
            let _ = timed(System::Redis, "read", failed, Result::is_err).await;
        });
        assert!(told.await.contains(r#"outcome="error""#));
    }

    #[tokio::test]
    async fn an_operation_that_nobody_waits_for_any_more_is_an_error() {
        let told = recorded(async {
            let never = std::future::pending::<()>();
            let waited = timed(System::Postgres, "find_user", never, |()| false);
            assert!(timeout(Duration::from_millis(5), waited).await.is_err());
        });
        assert!(told.await.contains(r#"outcome="error""#));
    }

    #[test]
    fn what_happens_in_no_request_is_no_trace() {
        assert!(span(System::Postgres, "follow_outbox").is_none());
    }
}
