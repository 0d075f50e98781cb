//! The background workers of `serve`.

mod cache_refresh;
pub(crate) mod erasures;
pub(crate) mod event_relay;
pub(crate) mod follow_counts;
mod metadata_indexes;
mod metrics_upkeep;
mod migrations;
mod password_samples;
pub(crate) mod retention;
pub(crate) mod suspensions;

use metrics_exporter_prometheus::PrometheusHandle;
use user_domain::use_cases::Ports;

use crate::compose::{ComposeError, Composition};
use crate::lifecycle::WorkerGroup;
use crate::settings::Settings;

/// Starts the workers that keep the state of this process up to date: keys, schema, clock, cache and metrics. Waits a
/// limited time for migrations and for the clock of the database.
///
/// # Errors
/// A permanent failure of the migrations.
pub(crate) async fn start_upkeep(
    group: &WorkerGroup,
    composition: &Composition,
    settings: &Settings,
    metrics: &PrometheusHandle,
) -> Result<(), ComposeError> {
    group.start_cancellable("JWKS refresh", composition.clone().keep_jwks_fresh());
    migrations::start(group, composition, settings).await?;
    if let Err(error) = composition.synchronize_clock().await {
        tracing::debug!(%error, "the clock of the database could not be read");
    }
    let [clock, tokens, events] = std::array::from_fn(|_| composition.clone());
    group.start_cancellable("clock", clock.keep_clock_synchronized());
    group.start_cancellable("cache refresh", cache_refresh::run(composition.clone()));
    group.start_cancellable("event frontier", events.follow_event_frontier());
    group.start_cancellable("service token uses", tokens.run_token_usage_writer());
    group.start_cancellable("metrics upkeep", metrics_upkeep::run(metrics.clone()));
    group.start_cancellable(
        "password samples",
        password_samples::run(composition.clone()),
    );
    if settings.database.migrate_on_start
        && let Some(keys) = settings.database.indexed_metadata.clone()
    {
        let indexes = metadata_indexes::maintain(composition.clone(), keys);
        group.start_cancellable("metadata indexes", indexes);
    }
    Ok(())
}

/// Starts the workers that write to the store in batches, or relay what was written.
pub(crate) fn start_batches(group: &WorkerGroup, ports: &Ports, settings: &Settings) {
    retention::start(group, ports, settings.database.retention);
    follow_counts::start(group, ports);
    erasures::start(group, ports);
    suspensions::start(group, ports);
    event_relay::start(group, ports, &settings.broker);
}
