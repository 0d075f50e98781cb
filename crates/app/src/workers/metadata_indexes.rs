//! Maintains the indexes of the metadata keys in `INDEXED_METADATA`.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::sleep;
use user_adapters::sea_orm::IndexOutcome;
use user_domain::directory::MetadataKey;

use crate::compose::Composition;

/// How often the indexes are checked. A replica with other settings may have dropped one in the meantime.
const INTERVAL: Duration = Duration::from_hours(1);
/// How long the worker waits while another replica creates indexes, and after the first failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// The waits after consecutive failures. They grow, because an attempt may read all users before it fails.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(RETRY_INTERVAL)
    .with_max_delay(INTERVAL)
    .without_max_times();

/// Drops the indexes of all other keys once, and then creates missing indexes of these keys for as long as it is
/// polled.
pub(crate) async fn maintain(composition: Composition, keys: Vec<MetadataKey>) {
    let mut drop_others = true;
    let mut backoff = BACKOFF.build();
    let mut last_warning = None;
    loop {
        match composition
            .update_metadata_indexes(&keys, drop_others)
            .await
        {
            Ok(IndexOutcome::Ready(made)) => {
                if made > 0 {
                    tracing::info!(made, "metadata indexes created");
                }
                drop_others = false;
                backoff = BACKOFF.build();
                last_warning = None;
                sleep(INTERVAL).await;
            }
            Ok(IndexOutcome::Deferred) => sleep(RETRY_INTERVAL).await,
            Err(error) => {
                // Other components log that the database is unavailable.
                let text = Some(error.to_string());
                if text != last_warning && !error.is_transient() {
                    tracing::warn!(%error, "metadata indexes cannot be created at the moment");
                    last_warning = text;
                }
                sleep(backoff.next().unwrap_or(INTERVAL)).await;
            }
        }
    }
}
