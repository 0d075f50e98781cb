use std::sync::{Arc, Mutex};

use user_domain::ports::{Changes, EventPage, EventsRequest, LogPosition};
use user_domain::test_support::fakes::FixedClock;
use user_domain::test_support::samples::start;

use super::*;
use crate::guards::Guards;

/// An endless log that answers queries of up to this number of events in time.
struct Slow {
    largest_answered: u16,
    asked: Mutex<Vec<u16>>,
}

impl Slow {
    fn new(largest_answered: u16) -> Self {
        Self {
            largest_answered,
            asked: Mutex::default(),
        }
    }

    fn asked(&self) -> Vec<u16> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl ChangeLog for Slow {
    async fn about(&self, _: &EventsRequest) -> Result<EventPage, StoreError> {
        unreachable!("a scan reads pages of the past only")
    }

    async fn position(&self) -> Result<LogPosition, StoreError> {
        unreachable!("a scan reads pages of the past only")
    }

    async fn since(&self, _: &LogPosition) -> Result<Changes, StoreError> {
        unreachable!("a scan reads pages of the past only")
    }

    async fn before(
        &self,
        _: Option<EventPosition>,
        limit: u16,
    ) -> Result<PastChanges, StoreError> {
        self.asked.lock().unwrap().push(limit);
        if limit > self.largest_answered {
            std::future::pending::<()>().await;
        }
        Ok(PastChanges {
            changed: Vec::new(),
            latest: Some(start()),
            next: Some(EventPosition::from_store(1)),
        })
    }
}

/// Continues a scan once, without a time limit.
async fn run_until(scan: &mut BackwardScan, log: &Slow) {
    let clock = Arc::new(FixedClock::from(start()));
    let recent = RecentChanges::new(clock, Guards::default());
    let until = Instant::now() + Duration::from_mins(1);
    scan.run_until(log, &recent, until).await;
}

#[tokio::test]
async fn a_timeout_halves_the_page_and_the_scan_stays_bounded() {
    let (mut scan, log) = (BackwardScan::default(), Slow::new(1250));
    for _ in 0..3 {
        assert!(!scan.is_finished);
        run_until(&mut scan, &log).await;
    }
    assert!(scan.is_finished);
    let asked = log.asked();
    assert_eq!(asked[..3], [5000, 2500, 1250]);
    let looked_at: u32 = asked[2..].iter().map(|limit| u32::from(*limit)).sum();
    assert_eq!(looked_at, MAX_EVENTS);
    run_until(&mut scan, &log).await;
    assert_eq!(log.asked(), asked, "it is over");
}

#[tokio::test]
async fn a_page_has_at_least_250_events() {
    let (mut scan, log) = (BackwardScan::default(), Slow::new(0));
    for _ in 0..7 {
        run_until(&mut scan, &log).await;
    }
    assert_eq!(log.asked(), [5000, 2500, 1250, 625, 312, 250, 250]);
}
