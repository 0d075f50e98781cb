use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use user_domain::import::Imported;
use user_domain::ports::{ImportError, UserImport};
use user_domain::test_support::fakes::Fakes;
use user_domain::test_support::mocks::untouched_ports;
use user_domain::test_support::samples::{import, new_user, record};
use user_domain::use_cases::{Ports, UseCases};
use user_domain::values::UserId;

use super::*;

/// A store that takes so many records at once and fails at more; it also fails now and then after it has written.
#[derive(Default)]
struct Slow {
    most: usize,
    written: Mutex<BTreeSet<UserId>>,
    calls: Mutex<Vec<usize>>,
}

#[async_trait]
impl UserImport for Slow {
    async fn import(&self, batch: &[Import]) -> Result<Vec<ImportOutcome>, ImportError> {
        let call = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(batch.len());
            calls.len()
        };
        if batch.len() > self.most {
            return Err(StoreError::Unavailable("too slow".to_owned()).into());
        }
        let mut written = self.written.lock().unwrap();
        let outcomes = batch.iter().map(|import| {
            let id = import.fresh_id;
            Ok(if written.insert(id) {
                Imported::Created(id)
            } else {
                Imported::Unchanged(id)
            })
        });
        let outcomes = outcomes.collect();
        if call.is_multiple_of(5) {
            return Err(StoreError::OutcomeUnknown("lost".to_owned()).into());
        }
        Ok(outcomes)
    }

    async fn rehearse(&self, _: &[Import]) -> Result<Vec<ImportOutcome>, ImportError> {
        Err(StoreError::Internal("broken".to_owned()).into())
    }
}

fn pace(store: &Arc<impl UserImport + 'static>, mode: ImportMode, rhythm: Rhythm) -> Pace {
    let fakes = Fakes::default();
    let ports = Ports {
        import: store.clone(),
        clock: fakes.clock,
        ids: fakes.ids,
        ..untouched_ports()
    };
    Pace::new(UseCases::new(&ports).import_users, mode, rhythm)
}

fn records(count: usize) -> Vec<Import> {
    let record = |n| import(record(new_user(&format!("user{n}"))));
    (0..count).map(record).collect()
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_at_many_records_is_given_fewer_and_none_is_lost_or_out_of_order() {
    let store = Arc::new(Slow {
        most: 7,
        ..Slow::default()
    });
    let mut records = records(100);
    let mut pace = pace(&store, ImportMode::Write, Rhythm::SHARED);
    let (outcomes, stopped) = pace.write(&mut records).await;
    assert_eq!(stopped, None);
    let ids: Vec<UserId> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Ok(Imported::Created(id) | Imported::Unchanged(id)) => *id,
            other => panic!("{other:?}"),
        })
        .collect();
    let wanted: Vec<UserId> = records.iter().map(|import| import.fresh_id).collect();
    assert_eq!(ids, wanted);
    assert_eq!(store.written.lock().unwrap().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_is_given_up_with_what_was_done_before() {
    let store = Arc::new(Slow::default());
    let mut pace = pace(&store, ImportMode::Write, Rhythm::SHARED);
    let (outcomes, stopped) = pace.write(&mut records(3)).await;
    assert_eq!(outcomes, []);
    assert_eq!(
        stopped,
        Some(StoreError::Unavailable("too slow".to_owned()))
    );
    let calls = store.calls.lock().unwrap();
    assert_eq!(calls.len(), 13);
    assert_eq!(calls.last(), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_not_tried_again() {
    let store = Arc::new(Slow::default());
    let mut pace = pace(&store, ImportMode::Rehearse, Rhythm::EXCLUSIVE);
    let (outcomes, stopped) = pace.write(&mut records(3)).await;
    assert_eq!(outcomes, []);
    assert_eq!(stopped, Some(StoreError::Internal("broken".to_owned())));
}

#[test]
fn batches_shrink_when_they_are_slow_and_grow_when_they_are_fast() {
    for rhythm in [Rhythm::SHARED, Rhythm::EXCLUSIVE] {
        let Rhythm {
            slow, fast, least, ..
        } = rhythm;
        let mut pace = pace(&Arc::new(Slow::default()), ImportMode::Write, rhythm);
        pace.adapt(slow * 2);
        assert_eq!(pace.size, 250);
        pace.adapt((fast + slow) / 2);
        assert_eq!(pace.size, 250);
        pace.adapt(fast / 2);
        pace.adapt(fast / 2);
        assert_eq!(pace.size, MAX_IMPORT_BATCH);
        for _ in 0..20 {
            pace.adapt(slow * 2);
        }
        assert_eq!(pace.size, least);
        pace.size = 1;
        for _ in 0..20 {
            pace.adapt(slow * 2);
        }
        assert!(
            pace.size >= least,
            "what was made small by failures grows again"
        );
    }
}

/// Tells how long others had a store for themselves between batches that took no time.
async fn rests(mode: ImportMode, rhythm: Rhythm) -> Duration {
    let store = Arc::new(Slow {
        most: MAX_IMPORT_BATCH,
        ..Slow::default()
    });
    let mut pace = pace(&store, mode, rhythm);
    let begun = Instant::now();
    for _ in 0..3 {
        pace.write(&mut records(2)).await;
    }
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn others_get_their_turn_between_batches_where_there_is_one_writer() {
    let (least, most) = Rhythm::EXCLUSIVE.rest.unwrap();
    let rested = rests(ImportMode::Write, Rhythm::EXCLUSIVE).await;
    assert!(rested >= least * 2, "{rested:?}");
    for (mode, rhythm) in [
        (ImportMode::Write, Rhythm::SHARED),
        (ImportMode::Rehearse, Rhythm::EXCLUSIVE),
    ] {
        assert_eq!(rests(mode, rhythm).await, Duration::ZERO, "{mode:?}");
    }
    let mut pace = pace(
        &Arc::new(Slow::default()),
        ImportMode::Write,
        Rhythm::EXCLUSIVE,
    );
    pace.rest_after(Duration::from_millis(80));
    assert_eq!(pace.rested - Instant::now(), Duration::from_millis(80));
    pace.rest_after(most * 4);
    assert_eq!(pace.rested - Instant::now(), most, "nobody waits for ever");
}

/// A store that nobody else writes to while a batch is written.
struct OneWriter {
    takes: Duration,
    is_held: AtomicBool,
}

#[async_trait]
impl UserImport for OneWriter {
    async fn import(&self, batch: &[Import]) -> Result<Vec<ImportOutcome>, ImportError> {
        self.is_held.store(true, Ordering::Relaxed);
        sleep(self.takes).await;
        self.is_held.store(false, Ordering::Relaxed);
        let outcomes = batch
            .iter()
            .map(|import| Ok(Imported::Created(import.fresh_id)));
        Ok(outcomes.collect())
    }

    async fn rehearse(&self, _: &[Import]) -> Result<Vec<ImportOutcome>, ImportError> {
        Err(StoreError::Internal("broken".to_owned()).into())
    }
}

impl OneWriter {
    /// Looks as often as SQLite does whether the lock is free, and tells whether it ever was.
    async fn comes_free(&self) -> bool {
        const PAUSES: [u64; 11] = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50];
        const PATIENCE: Duration = Duration::from_millis(1500);
        let begun = Instant::now();
        let mut pauses = PAUSES.into_iter();
        while self.is_held.load(Ordering::Relaxed) {
            if begun.elapsed() >= PATIENCE {
                return false;
            }
            sleep(Duration::from_millis(pauses.next().unwrap_or(100))).await;
        }
        true
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_as_sqlite_does_gets_the_lock_whenever_it_comes_and_however_long_a_batch_takes() {
    for takes in [1, 40, 75, 100, 400, 1000].map(Duration::from_millis) {
        let store = Arc::new(OneWriter {
            takes,
            is_held: AtomicBool::default(),
        });
        let mut pace = pace(&store, ImportMode::Write, Rhythm::EXCLUSIVE);
        let import =
            tokio::spawn(async move { while pace.write(&mut records(1)).await.1.is_none() {} });
        for _ in 0..60 {
            assert!(store.comes_free().await, "{takes:?}");
            sleep(Duration::from_millis(37)).await;
        }
        import.abort();
    }
}
