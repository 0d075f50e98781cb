//! Aggregates the samples of the metrics.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::time::sleep;

/// How often the metrics recorder aggregates samples. It must, even if metrics are never scraped: samples use memory.
const INTERVAL: Duration = Duration::from_secs(5);

/// Aggregates recorded samples, so that they do not accumulate in memory.
pub(crate) async fn run(metrics: PrometheusHandle) {
    loop {
        sleep(INTERVAL).await;
        metrics.run_upkeep();
    }
}
