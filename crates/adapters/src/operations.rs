//! Measures and traces the operations on databases and Redis, with the attribute names of OpenTelemetry.
//!
//! Metrics and traces contain no values: an operation is identified by its name, a statement by its verb and table.

use std::time::Instant;

use metrics::{Unit, describe_histogram};
use tracing::field::Empty;
use tracing::{Instrument, Span};
use user_domain::StoreError;
use user_domain::ports::ImportError;
use user_domain::write::WriteError;

/// The target of all spans that are exported as traces. No log line has it.
const TRACE: &str = "traces";

/// A histogram of seconds by `system`, `operation` and `outcome`, including the wait for a connection.
pub const OPERATION_DURATION: &str = "db_client_operation_duration_seconds";

/// The histogram buckets of [`OPERATION_DURATION`] in seconds.
pub const OPERATION_DURATION_BUCKETS: [f64; 14] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Registers the description of the metric.
pub fn describe_metrics() {
    describe_histogram!(
        OPERATION_DURATION,
        Unit::Seconds,
        "Duration of operations on the database and on Redis, by outcome"
    );
}

/// The system of an operation (OpenTelemetry, `db.system.name`).
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

/// Distinguishes a failure of the system from an error that is a valid answer.
pub(crate) trait Failure {
    /// Whether the system failed.
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

/// A running operation. If it is dropped before its end, its caller has cancelled it, and it counts as failed.
struct Operation {
    system: System,
    name: &'static str,
    started: Instant,
    is_recorded: bool,
    span: Span,
}

impl Operation {
    fn start(system: System, name: &'static str) -> Self {
        Self {
            system,
            name,
            started: Instant::now(),
            is_recorded: false,
            span: span(system, name),
        }
    }

    fn end(mut self, failed: bool) {
        self.is_recorded = true;
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
        .record(self.started.elapsed());
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if !self.is_recorded {
            self.record(true);
        }
    }
}

/// Runs an operation, and records its duration and its span.
pub(crate) async fn timed<T>(
    system: System,
    name: &'static str,
    work: impl Future<Output = T>,
    has_failed: impl FnOnce(&T) -> bool,
) -> T {
    let operation = Operation::start(system, name);
    let answer = work.instrument(operation.span.clone()).await;
    let failed = has_failed(&answer);
    operation.end(failed);
    answer
}

/// Creates the span of an operation within the current trace. Without one there is no span: background work, such as
/// outbox polls, makes no traces of its own.
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

/// Marks a span as failed. It contains no cause: only the log has the cause, without personal data.
pub(crate) fn mark_failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use metrics_exporter_prometheus::PrometheusBuilder;
    use tokio::time::timeout;

    use super::*;

    /// Returns the metrics that are recorded while some work runs.
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
        let metrics = recorded(async {
            let refused = async { Err::<(), _>(WriteError::NotFound) };
            let has_failed =
                |answer: &Result<(), WriteError>| answer.as_ref().is_err_and(Failure::is_failure);
            let answer = timed(System::Sqlite, "change_user", refused, has_failed).await;
            assert_eq!(answer, Err(WriteError::NotFound));
        });
        assert_eq!(
            metrics.await,
            format!(
                r#"{OPERATION_DURATION}_count{{system="sqlite",operation="change_user",outcome="ok"}} 1"#
            ),
            "a refusal is an answer"
        );
        let metrics = recorded(async {
            let failed = async { Err::<(), ()>(()) };
            let _ = timed(System::Redis, "read", failed, Result::is_err).await;
        });
        assert!(metrics.await.contains(r#"outcome="error""#));
    }

    #[tokio::test]
    async fn a_cancelled_operation_is_recorded_as_an_error() {
        let metrics = recorded(async {
            let never = std::future::pending::<()>();
            let waited = timed(System::Postgres, "find_user", never, |()| false);
            assert!(timeout(Duration::from_millis(5), waited).await.is_err());
        });
        assert!(metrics.await.contains(r#"outcome="error""#));
    }

    #[test]
    fn an_operation_outside_a_request_has_no_span() {
        assert!(span(System::Postgres, "follow_outbox").is_none());
    }
}
