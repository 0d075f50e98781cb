//! Keeps the cache fresh.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::compose::Composition;

/// How long to wait before the cache refresh task is started again after it ended unexpectedly.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// Refreshes the cache, and restarts the task if it ends, which is a defect. Until then every read uses the database.
pub(crate) async fn run(composition: Composition) {
    loop {
        let cached = composition.clone();
        // Dropping the set aborts the task.
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { cached.keep_cache_fresh().await });
        let cause = match tasks.join_next().await {
            Some(Err(error)) => error.to_string(),
            Some(Ok(())) | None => "it returned".to_owned(),
        };
        tracing::error!(
            cause,
            "cache refresh task ended unexpectedly; it is restarted"
        );
        sleep(RESTART_DELAY).await;
    }
}
