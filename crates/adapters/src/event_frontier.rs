//! Follows the frontier of the event feed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use metrics::{Unit, describe_gauge, gauge};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use user_domain::event_frontier::FrontierTracker;
use user_domain::ports::{EventFeed, EventFrontier, Frontier};

use crate::failure::failure;

/// The time since the newest look at the feed whose events may all be read.
const FRONTIER_AGE: &str = "event_frontier_age_seconds";

/// The time between two looks while the feed is not read.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// The time between two looks after the frontier has moved. It doubles with each look that finds it unmoved.
const MIN_INTERVAL: Duration = Duration::from_millis(25);
/// The maximum time between two looks while the feed is read.
const MAX_INTERVAL: Duration = Duration::from_millis(200);
/// How long the feed counts as read after a request.
const READ_PERIOD: Duration = Duration::from_mins(1);
/// The time limit of a look.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);

/// The frontier of the event feed in the memory of this process. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct FollowedFrontier {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    settled: watch::Sender<Option<Frontier>>,
    /// The start of the last look that succeeded.
    looked_at: watch::Sender<Option<Instant>>,
    /// The time of the last request for the frontier.
    read_at: watch::Sender<Option<Instant>>,
}

/// Registers the description of the metric.
pub fn describe_metrics() {
    describe_gauge!(
        FRONTIER_AGE,
        Unit::Seconds,
        "Time since the newest look at the event feed whose events may all be read"
    );
}

impl FollowedFrontier {
    /// Follows the frontier for as long as the future is polled.
    pub async fn follow(&self, feed: &dyn EventFeed) {
        let mut tracker = FrontierTracker::default();
        let began = Instant::now();
        let age = gauge!(FRONTIER_AGE);
        let mut interval = MIN_INTERVAL;
        let mut was_reachable = true;
        let mut requests = self.inner.read_at.subscribe();
        loop {
            let started = Instant::now();
            match timeout(LOOK_TIMEOUT, feed.look(tracker.settled().cloned())).await {
                Ok(Ok(look)) => {
                    tracker.observe(look, started.duration_since(began));
                    was_reachable = true;
                }
                failed => {
                    if was_reachable {
                        let cause = failure(failed);
                        tracing::warn!(cause, "event feed could not be looked at");
                    }
                    was_reachable = false;
                }
            }
            let settled = tracker.settled().cloned();
            let has_moved = self.inner.settled.send_if_modified(|known| {
                let has_moved = *known != settled;
                *known = settled;
                has_moved
            });
            if was_reachable {
                self.inner.looked_at.send_replace(Some(started));
            }
            let settled_at = tracker.settled_at().unwrap_or_default();
            age.set(began.elapsed().saturating_sub(settled_at).as_secs_f64());
            interval = if has_moved {
                MIN_INTERVAL
            } else {
                (interval * 2).min(MAX_INTERVAL)
            };
            if is_recent(*requests.borrow_and_update()) {
                sleep(interval.saturating_sub(started.elapsed())).await;
            } else {
                // A request ends the wait. The sender lives as long as this value.
                let _ = timeout(IDLE_INTERVAL, requests.changed()).await;
            }
        }
    }
}

/// Whether the feed counts as read after a request at this time.
fn is_recent(read_at: Option<Instant>) -> bool {
    read_at.is_some_and(|at| at.elapsed() < READ_PERIOD)
}

#[async_trait]
impl EventFrontier for FollowedFrontier {
    async fn settled(&self) -> Frontier {
        let now = Instant::now();
        let was_read = is_recent(self.inner.read_at.send_replace(Some(now)));
        if !was_read {
            // The frontier may be old. Fails only without the sender, which this value owns.
            let mut looked_at = self.inner.looked_at.subscribe();
            let _ = looked_at.wait_for(|at| *at >= Some(now)).await;
        }
        let mut settled = self.inner.settled.subscribe();
        let known = settled.wait_for(Option::is_some).await;
        match known.ok().and_then(|known| known.clone()) {
            Some(known) => known,
            // Unreachable: this value owns the sender.
            None => std::future::pending().await,
        }
    }

    async fn moved_from(&self, frontier: &Frontier) {
        self.inner.read_at.send_replace(Some(Instant::now()));
        let mut settled = self.inner.settled.subscribe();
        // Fails only without the sender, which this value owns.
        let _ = settled
            .wait_for(|known| known.as_ref() != Some(frontier))
            .await;
    }
}
