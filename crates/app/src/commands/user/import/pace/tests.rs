use std::collections::BTreeSet;
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

fn pace(store: &Arc<Slow>, mode: ImportMode) -> Pace {
    let fakes = Fakes::default();
    let ports = Ports {
        import: store.clone(),
        clock: fakes.clock,
        ids: fakes.ids,
        ..untouched_ports()
    };
    Pace::new(UseCases::new(&ports).import_users, mode)
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
    let (outcomes, stopped) = pace(&store, ImportMode::Write).write(&mut records).await;
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
    let (outcomes, stopped) = pace(&store, ImportMode::Write).write(&mut records(3)).await;
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
    let mut pace = pace(&store, ImportMode::Rehearse);
    let (outcomes, stopped) = pace.write(&mut records(3)).await;
    assert_eq!(outcomes, []);
    assert_eq!(stopped, Some(StoreError::Internal("broken".to_owned())));
}

#[test]
fn batches_shrink_when_they_are_slow_and_grow_when_they_are_fast() {
    let mut pace = pace(&Arc::new(Slow::default()), ImportMode::Write);
    pace.adapt(SLOW * 2);
    assert_eq!(pace.size, 250);
    pace.adapt((FAST + SLOW) / 2);
    assert_eq!(pace.size, 250);
    pace.adapt(FAST / 2);
    pace.adapt(FAST / 2);
    assert_eq!(pace.size, MAX_IMPORT_BATCH);
    for _ in 0..20 {
        pace.adapt(SLOW * 2);
    }
    assert_eq!(pace.size, 1);
}
