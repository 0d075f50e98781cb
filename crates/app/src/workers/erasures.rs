//! Reports the erasures that consumers have not confirmed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Unit, describe_gauge, gauge};
use user_domain::caller::Caller;
use user_domain::erasure::PendingSummary;
use user_domain::ports::Clock;
use user_domain::use_cases::{ConfirmErasures, Ports, UseCases};
use user_domain::values::Timestamp;

use crate::lifecycle::{StopSignal, WorkerGroup};

/// How often the gauges are refreshed.
const INTERVAL: Duration = Duration::from_secs(15);
/// The time from the start to the first refresh.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// A gauge of the erasures that a consumer has not confirmed, by consumer.
const PENDING: &str = "erasures_pending";
/// A gauge of the age of the oldest of them, by consumer.
const OLDEST: &str = "erasures_pending_oldest_seconds";

/// Starts the worker.
pub(crate) fn start(group: &WorkerGroup, ports: &Ports) {
    let reporter = Reporter {
        erasures: UseCases::new(ports).confirm_erasures,
        clock: ports.clock.clone(),
        reported: BTreeSet::new(),
        has_failed: false,
    };
    let stop_signal = group.stop_signal(Duration::ZERO);
    group.start("erasures", reporter.run(stop_signal));
}

struct Reporter {
    erasures: ConfirmErasures,
    clock: Arc<dyn Clock>,
    /// The consumers that have gauges.
    reported: BTreeSet<String>,
    has_failed: bool,
}

impl Reporter {
    async fn run(mut self, stop_signal: StopSignal) {
        let mut wait = FIRST_DELAY;
        while stop_signal.wait(wait).await {
            match self.erasures.summarize(&Caller::Operator).await {
                Ok(summaries) => {
                    self.report(&summaries);
                    self.has_failed = false;
                }
                Err(error) => {
                    // A failure of the store is logged once, not at every attempt. The gauges keep their values.
                    if !self.has_failed {
                        tracing::warn!(%error, "pending erasures cannot be counted at the moment");
                    }
                    self.has_failed = true;
                }
            }
            wait = INTERVAL;
        }
    }

    fn report(&mut self, summaries: &[PendingSummary]) {
        let now = self.clock.now();
        let mut reported = BTreeSet::new();
        for summary in summaries {
            let consumer = summary.consumer.to_string();
            set(&consumer, summary.pending, age(summary.oldest, now));
            reported.insert(consumer);
        }
        // A gauge cannot be removed. That of a removed consumer must not keep an alert firing.
        for consumer in self.reported.difference(&reported) {
            set(consumer, 0, Duration::ZERO);
        }
        self.reported.append(&mut reported);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the count is at most PendingSummary::MAX_COUNTED"
)]
fn set(consumer: &str, pending: u64, oldest: Duration) {
    gauge!(PENDING, "consumer" => consumer.to_owned()).set(pending as f64);
    gauge!(OLDEST, "consumer" => consumer.to_owned()).set(oldest.as_secs_f64());
}

fn age(oldest: Option<Timestamp>, now: Timestamp) -> Duration {
    let elapsed = oldest.map(|oldest| now.as_utc() - oldest.as_utc());
    elapsed
        .and_then(|elapsed| elapsed.to_std().ok())
        .unwrap_or_default()
}

/// Registers the descriptions of the metrics of the worker.
pub(crate) fn describe_metrics() {
    describe_gauge!(
        PENDING,
        Unit::Count,
        "Erasures that a consumer has not confirmed, by consumer; counted up to 10,000"
    );
    describe_gauge!(
        OLDEST,
        Unit::Seconds,
        "Age of the oldest erasure that a consumer has not confirmed, by consumer; 0 if there is none"
    );
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use user_domain::ports::{Erasures as _, UserWriter as _};
    use user_domain::test_support::fakes::Fakes;
    use user_domain::test_support::samples;
    use user_domain::values::ConsumerName;

    use super::*;

    #[tokio::test]
    async fn each_consumer_has_gauges_and_a_removed_one_has_none_pending() {
        let fakes = Fakes::default();
        let [posts, mail] = ["posts", "mail"].map(|name| ConsumerName::parse(name).unwrap());
        for name in [&posts, &mail] {
            let registered = fakes
                .store
                .register_consumer(name, &samples::context())
                .await;
            registered.unwrap();
        }
        let user = samples::registered(&samples::new_user("ann"), &samples::context());
        fakes.store.put(&user);
        let erased = fakes.store.erase(user.user.id, &samples::context()).await;
        erased.unwrap();
        let mut reporter = Reporter {
            erasures: fakes.use_cases().confirm_erasures,
            clock: fakes.clock.clone(),
            reported: BTreeSet::new(),
            has_failed: false,
        };
        // The erasure is a second old.
        fakes.clock.now();
        let recorder = PrometheusBuilder::new().build_recorder();
        let mut report = async || {
            let summaries = reporter
                .erasures
                .summarize(&Caller::Operator)
                .await
                .unwrap();
            metrics::with_local_recorder(&recorder, || reporter.report(&summaries));
            recorder.handle().render()
        };
        let metrics = report().await;
        for consumer in ["posts", "mail"] {
            let pending = format!("{PENDING}{{consumer=\"{consumer}\"}} 1\n");
            assert!(metrics.contains(&pending), "{metrics}");
        }
        let none = |consumer| format!("{OLDEST}{{consumer=\"{consumer}\"}} 0\n");
        assert!(!metrics.contains(&none("posts")), "{metrics}");
        let context = samples::context();
        let confirmed = fakes
            .store
            .acknowledge(user.user.id, &posts, &context)
            .await;
        confirmed.unwrap();
        let removed = fakes.store.remove_consumer(&mail, &context).await;
        removed.unwrap();
        let metrics = report().await;
        for consumer in ["posts", "mail"] {
            let pending = format!("{PENDING}{{consumer=\"{consumer}\"}} 0\n");
            assert!(metrics.contains(&pending), "{metrics}");
            assert!(metrics.contains(&none(consumer)), "{metrics}");
        }
    }
}
