//! The frontier of the event feed: the position up to which every event is visible.
//!
//! A position is drawn when an event is written, but the event becomes visible when its transaction commits. A reader
//! that continues after the greatest visible position would therefore never receive the events of slower transactions.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::ports::{FeedLook, Frontier};

/// The maximum number of looks that wait for open writes. Further looks are ignored until the oldest one is settled.
const MAX_PENDING: usize = 64;

/// Computes the frontier from consecutive looks at the feed.
///
/// A write that drew a position below the newest event of a look was open when the look then asked for open writes, or
/// had ended. A look is settled once none of its writes is open any more. The frontier is the newest event of the last
/// settled look.
#[derive(Debug, Clone, Default)]
pub struct FrontierTracker {
    settled: Option<Settled>,
    /// Oldest first. Each has all open writes of the one before it.
    pending: VecDeque<Pending>,
}

#[derive(Debug, Clone)]
struct Settled {
    frontier: Frontier,
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
            newest,
            open_writes,
        } = look;
        let last = self.pending.back().map(|pending| &pending.look);
        let last = last.or(self.settled.as_ref());
        if last.is_some_and(|last| !newest.continues(&last.frontier)) {
            *self = Self::default();
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
        let is_settled = open_writes.is_empty() || self.settled() == Some(&newest);
        let look = Settled {
            frontier: newest,
            at,
        };
        if is_settled {
            self.settled = Some(look);
            return;
        }
        let is_new = |pending: &Pending| pending.look.frontier.at < look.frontier.at;
        if self.pending.len() < MAX_PENDING && self.pending.back().is_none_or(is_new) {
            self.pending.push_back(Pending { look, open_writes });
        }
    }

    /// The frontier; none if no look is settled.
    pub fn settled(&self) -> Option<&Frontier> {
        self.settled.as_ref().map(|settled| &settled.frontier)
    }

    /// The start of the last settled look: every event that was visible before it is before the frontier.
    pub fn settled_at(&self) -> Option<Duration> {
        self.settled.as_ref().map(|settled| settled.at)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ports::EventPosition;

    fn frontier(history: &str, at: i64, event: u128) -> Frontier {
        Frontier {
            history: history.to_owned(),
            at: EventPosition::from_store(at),
            event: Some(Uuid::from_u128(event)),
        }
    }

    fn look(last: i64, open_writes: &[&str]) -> FeedLook {
        FeedLook {
            newest: frontier("one", last, last.try_into().unwrap()),
            open_writes: open_writes.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// Observes looks, and returns the frontier after each.
    fn frontiers(looks: impl IntoIterator<Item = FeedLook>) -> Vec<Option<i64>> {
        let mut tracker = FrontierTracker::default();
        let observe = |look| {
            tracker.observe(look, Duration::ZERO);
            tracker.settled().map(|frontier| frontier.at.get())
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
        assert_eq!(tracker.settled(), Some(&look(1, &[]).newest));
        // The first look with the prepared transaction had no newer event.
        assert_eq!(tracker.settled_at(), Some(Duration::from_secs(1)));
        assert_eq!(tracker.pending.len(), MAX_PENDING);
        tracker.observe(look(1000, &[]), Duration::from_secs(1000));
        assert_eq!(tracker.settled(), Some(&look(1000, &[]).newest));
        assert!(tracker.pending.is_empty());
    }

    #[test]
    fn a_database_that_went_back_has_a_new_frontier() {
        let newest = |newest| FeedLook {
            newest,
            ..look(12, &["a"])
        };
        let another_history = newest(frontier("two", 12, 12));
        let looks = [look(9, &[]), look(7, &["a"]), look(7, &[]), another_history];
        assert_eq!(frontiers(looks), [Some(9), None, Some(7), None]);
        let another_event = newest(frontier("one", 9, 77));
        let looks = [look(9, &[]), another_event];
        assert_eq!(frontiers(looks), [Some(9), None]);
        // The look that waits for `a` is not of this history.
        let looks = [look(100, &[]), look(150, &["a"]), look(120, &["b"])];
        assert_eq!(frontiers(looks), [Some(100), Some(100), None]);
    }
}
