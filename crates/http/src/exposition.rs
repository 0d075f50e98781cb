//! The content of `/metrics`.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;

/// The content of `/metrics`: recorded metrics, and gauges that are measured at the time of the scrape.
#[derive(Clone)]
pub struct Exposition {
    recorder: PrometheusHandle,
    measure: Arc<dyn Fn() + Send + Sync>,
}

impl Exposition {
    /// Creates the exposition of this recorder. `measure` updates gauges before each scrape.
    pub fn new(recorder: PrometheusHandle, measure: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            recorder,
            measure: Arc::new(measure),
        }
    }

    /// Returns the content.
    pub(crate) fn render(&self) -> String {
        (self.measure)();
        self.recorder.render()
    }
}
