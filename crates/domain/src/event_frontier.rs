//! The frontier of the event feed: the position up to which every event is visible.
//!
//! A position is drawn when an event is written, but the event becomes visible when its transaction commits. A reader
//! that continues after the greatest visible position would therefore never receive the events of slower transactions.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::ports::{EventPosition, FeedLook};

/// The maximum number of looks that wait for open writes. Further looks are ignored until the oldest one is settled.
const MAX_PENDING: usize = 64;

/// Computes the frontier from consecutive looks at the feed.
///
/// A write that drew a position below the newest event of a look was open when the look then asked for open writes, or
/// had ended. A look is settled once none of its writes is open any more. The frontier is the newest event of the last
/// settled look.
#[derive(Debug, Clone, Default)]
pub struct FrontierTracker {
    history: String,
    settled: Option<Settled>,
    /// Oldest first. Each has all open writes of the one before it.
    pending: VecDeque<Pending>,
}

#[derive(Debug, Clone, Copy)]
struct Settled {
    position: EventPosition,
    at: Duration,
}

#[derive(Debug, Clone)]
struct Pending {
    look: Settled,
    open_writes: HashSet<String>,
}

impl FrontierTracker {
    /// Takes a look into account that was started at `at`, a time since any fixed moment.
    ///
    /// If the database went back, the earlier looks are forgotten.
    pub fn observe(&mut self, look: FeedLook, at: Duration) {
        let FeedLook {
            history,
            last,
            open_writes,
        } = look;
        if self.history != history || self.settled().is_some_and(|settled| last < settled) {
            *self = Self {
                history,
                ..Self::default()
            };
        }
        for pending in &mut self.pending {
            pending
                .open_writes
                .retain(|write| open_writes.contains(write));
        }
        while let Some(pending) = self
            .pending
            .pop_front_if(|pending| pending.open_writes.is_empty())
        {
            self.settled = Some(pending.look);
        }
        let look = Settled { position: last, at };
        if open_writes.is_empty() || self.settled() == Some(last) {
            self.settled = Some(look);
            return;
        }
        let is_new = |pending: &Pending| pending.look.position < last;
        if self.pending.len() < MAX_PENDING && self.pending.back().is_none_or(is_new) {
            self.pending.push_back(Pending { look, open_writes });
        }
    }

    /// The frontier; none if no look is settled.
    pub fn settled(&self) -> Option<EventPosition> {
        self.settled.map(|settled| settled.position)
    }

    /// The start of the last settled look: every event that was visible before it is before the frontier.
    pub fn settled_at(&self) -> Option<Duration> {
        self.settled.map(|settled| settled.at)
    }

    /// Whether events wait for open writes.
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(last: i64, open_writes: &[&str]) -> FeedLook {
        FeedLook {
            history: "one".to_owned(),
            last: EventPosition::from_store(last),
            open_writes: open_writes.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// Observes looks, and returns the frontier after each.
    fn frontiers(looks: impl IntoIterator<Item = FeedLook>) -> Vec<Option<i64>> {
        let mut tracker = FrontierTracker::default();
        let observe = |look| {
            tracker.observe(look, Duration::ZERO);
            tracker.settled().map(EventPosition::get)
        };
        looks.into_iter().map(observe).collect()
    }

    #[test]
    fn without_open_writes_the_newest_event_is_the_frontier() {
        let looks = [look(0, &[]), look(3, &[]), look(3, &[]), look(9, &[])];
        assert_eq!(frontiers(looks), [Some(0), Some(3), Some(3), Some(9)]);
    }

    #[test]
    fn a_look_is_settled_when_all_of_its_writes_have_ended() {
        let looks = [
            look(3, &["a", "b"]),
            look(5, &["b", "c"]),
            look(7, &["c", "d"]),
            look(8, &["d", "e"]),
            look(9, &["e"]),
            look(9, &[]),
        ];
        let expected = [None, None, Some(3), Some(5), Some(7), Some(9)];
        assert_eq!(frontiers(looks), expected);
    }

    #[test]
    fn a_write_that_stays_open_holds_the_frontier_and_its_age() {
        let mut tracker = FrontierTracker::default();
        tracker.observe(look(1, &[]), Duration::ZERO);
        for second in 1..1000 {
            let open = [format!("t{second}"), "prepared".to_owned()];
            let open: Vec<&str> = open.iter().map(String::as_str).collect();
            let last = i64::try_from(second).unwrap();
            tracker.observe(look(last, &open), Duration::from_secs(second));
        }
        assert_eq!(tracker.settled(), Some(EventPosition::from_store(1)));
        // The first look with the prepared transaction had no newer event.
        assert_eq!(tracker.settled_at(), Some(Duration::from_secs(1)));
        assert!(tracker.is_pending() && tracker.pending.len() <= MAX_PENDING);
        tracker.observe(look(1000, &[]), Duration::from_secs(1000));
        assert_eq!(tracker.settled(), Some(EventPosition::from_store(1000)));
        assert!(!tracker.is_pending());
    }

    #[test]
    fn a_database_that_went_back_has_a_new_frontier() {
        let another = FeedLook {
            history: "two".to_owned(),
            ..look(12, &["a"])
        };
        let looks = [look(9, &[]), look(7, &["a"]), look(7, &[]), another];
        assert_eq!(frontiers(looks), [Some(9), None, Some(7), None]);
    }
}
