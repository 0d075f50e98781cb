use std::time::{Duration, Instant};

use tokio::time::error::Elapsed;
use tokio::time::timeout;
use user_domain::StoreError;
use user_domain::ports::{ChangeLog, EventPosition, PastChanges};

use super::{RecentChanges, TOLERANCE, USER_TTL, span};
use crate::failure::failure;

/// The number of events in one query, as long as the database answers in time.
const MAX_PAGE_SIZE: u16 = 5000;
/// The lower limit of the events in one query, however slow the database is.
const MIN_PAGE_SIZE: u16 = 250;
/// The maximum number of events of a scan. Older changes stay unknown.
const MAX_EVENTS: u32 = 500_000;
/// The time limit of a query. It uses the connection that the outbox poller needs for its next poll.
const QUERY_TIMEOUT: Duration = Duration::from_millis(250);

/// A backward scan of the outbox, from the newest event to the events older than every value in Redis.
pub(in crate::cache) struct BackwardScan {
    position: Option<EventPosition>,
    /// The number of events in the next query.
    page_size: u16,
    /// The number of events that have been scanned.
    events: u32,
    has_failed: bool,
    is_finished: bool,
}

impl Default for BackwardScan {
    fn default() -> Self {
        Self {
            position: None,
            page_size: MAX_PAGE_SIZE,
            events: 0,
            has_failed: false,
            is_finished: false,
        }
    }
}

impl BackwardScan {
    /// Returns a scan that has finished.
    pub(in crate::cache) fn finished() -> Self {
        Self {
            is_finished: true,
            ..Self::default()
        }
    }

    /// Continues until the scan is finished, a query fails, or this moment is reached.
    pub(in crate::cache) async fn run_until(
        &mut self,
        log: &dyn ChangeLog,
        recent: &RecentChanges,
        until: Instant,
    ) {
        while !self.is_finished && Instant::now() < until {
            let page = match timeout(QUERY_TIMEOUT, log.before(self.position, self.page_size)).await
            {
                Ok(Ok(page)) => page,
                failed => {
                    self.record_failure(failed);
                    return;
                }
            };
            recent.record_page(&page);
            self.events += u32::from(self.page_size);
            self.position = page.next;
            let oldest_needed = recent.now() - span(USER_TTL) - 2 * TOLERANCE;
            let is_far_enough = page
                .latest
                .is_some_and(|latest| super::micros(latest) < oldest_needed);
            self.is_finished = page.next.is_none() || is_far_enough || self.events >= MAX_EVENTS;
        }
    }

    /// Logs a failed query. After a timeout, the next queries read fewer events.
    fn record_failure(&mut self, failed: Result<Result<PastChanges, StoreError>, Elapsed>) {
        let page_size = self.page_size;
        if failed.is_err() {
            self.page_size = (page_size / 2).max(MIN_PAGE_SIZE);
        }
        let cause = failure(failed);
        if self.has_failed {
            tracing::debug!(cause, page_size, "backward scan of the outbox failed");
        } else {
            tracing::warn!(
                cause,
                page_size,
                "backward scan of the outbox failed and is retried: until then, older values in Redis are ignored"
            );
        }
        self.has_failed = true;
    }
}

#[cfg(test)]
mod tests;
