//! Samples the cost of stored password hashes.

use std::time::Duration;

use tokio::time::sleep;

use crate::compose::Composition;

/// How often password hashes of users are sampled.
const INTERVAL: Duration = Duration::from_mins(5);
/// How long to wait after sampling has failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Samples the cost of stored password hashes, so that logins to unknown accounts take as long as logins to real ones.
pub(crate) async fn run(composition: Composition) {
    loop {
        match composition.sample_passwords().await {
            Ok(()) => sleep(INTERVAL).await,
            Err(error) => {
                tracing::debug!(%error, "password hashes could not be sampled");
                sleep(RETRY_INTERVAL).await;
            }
        }
    }
}
