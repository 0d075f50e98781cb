use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use user_domain::import::{ImportOutcome, Imported, Plan, StoreSnapshot};
use user_domain::ports::{ImportError, UserImport};
use user_domain::test_support::fakes::Fakes;
use user_domain::test_support::mocks::untouched_ports;
use user_domain::test_support::samples::{import, new_user, record};
use user_domain::use_cases::{Ports, UseCases};
use user_domain::values::UserId;

use super::*;

/// A store that fails for batches above a size. Every fifth call fails after it has written.
#[derive(Default)]
struct LimitedStore {
    max_batch: usize,
    written: Mutex<BTreeSet<UserId>>,
    calls: Mutex<Vec<usize>>,
}

#[async_trait]
impl UserImport for LimitedStore {
    async fn import(&self, batch: &[Import], _: &ImportLedger) -> Result<Plan, ImportError> {
        let call = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(batch.len());
            calls.len()
        };
        if batch.len() > self.max_batch {
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
        Ok(plan(outcomes))
    }

    async fn snapshot(&self, _: &[Import]) -> Result<StoreSnapshot, StoreError> {
        Err(StoreError::Internal("broken".to_owned()))
    }
}

fn plan(outcomes: Vec<ImportOutcome>) -> Plan {
    Plan {
        outcomes,
        ..Plan::default()
    }
}

fn writer(
    store: &Arc<impl UserImport + 'static>,
    mode: ImportMode,
    policy: BatchPolicy,
) -> AdaptiveBatchWriter {
    let fakes = Fakes::default();
    let ports = Ports {
        import: store.clone(),
        clock: fakes.clock,
        ids: fakes.ids,
        ..untouched_ports()
    };
    let use_case = UseCases::new(&ports).import_users;
    AdaptiveBatchWriter::new(use_case, ImportLedger::default(), mode, policy)
}

fn records(count: usize) -> Vec<Import> {
    let record = |n| import(record(new_user(&format!("user{n}"))));
    (0..count).map(record).collect()
}

#[tokio::test(start_paused = true)]
async fn failing_batches_shrink_and_no_record_is_lost_or_reordered() {
    let store = Arc::new(LimitedStore {
        max_batch: 7,
        ..LimitedStore::default()
    });
    let mut records = records(100);
    let mut writer = writer(&store, ImportMode::Write, BatchPolicy::SHARED);
    let ImportRun {
        outcomes, stopped, ..
    } = writer.write(&mut records).await;
    assert_eq!(stopped, None);
    let ids: Vec<UserId> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Ok(Imported::Created(id) | Imported::Unchanged(id)) => *id,
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<UserId> = records.iter().map(|import| import.fresh_id).collect();
    assert_eq!(ids, expected);
    assert_eq!(store.written.lock().unwrap().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_unavailable_stops_the_import() {
    let store = Arc::new(LimitedStore::default());
    let mut writer = writer(&store, ImportMode::Write, BatchPolicy::SHARED);
    let ImportRun {
        outcomes, stopped, ..
    } = writer.write(&mut records(3)).await;
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
async fn permanent_errors_are_not_retried() {
    let store = Arc::new(LimitedStore::default());
    let mut writer = writer(&store, ImportMode::DryRun, BatchPolicy::EXCLUSIVE);
    let ImportRun {
        outcomes, stopped, ..
    } = writer.write(&mut records(3)).await;
    assert_eq!(outcomes, []);
    assert_eq!(stopped, Some(StoreError::Internal("broken".to_owned())));
}

#[test]
fn slow_batches_shrink_and_fast_batches_grow() {
    for policy in [BatchPolicy::SHARED, BatchPolicy::EXCLUSIVE] {
        let BatchPolicy {
            slow_above,
            fast_below,
            min_size,
            ..
        } = policy;
        let mut writer = writer(
            &Arc::new(LimitedStore::default()),
            ImportMode::Write,
            policy,
        );
        writer.adapt(slow_above * 2);
        assert_eq!(writer.size, 250);
        writer.adapt((fast_below + slow_above) / 2);
        assert_eq!(writer.size, 250);
        writer.adapt(fast_below / 2);
        writer.adapt(fast_below / 2);
        assert_eq!(writer.size, MAX_IMPORT_BATCH);
        for _ in 0..20 {
            writer.adapt(slow_above * 2);
        }
        assert_eq!(writer.size, min_size);
        writer.size = 1;
        for _ in 0..20 {
            writer.adapt(slow_above * 2);
        }
        assert!(
            writer.size >= min_size,
            "a batch that failures made smaller than the minimum grows again"
        );
    }
}

/// Returns the total pause between three batches that take no time.
async fn total_pause(mode: ImportMode, policy: BatchPolicy) -> Duration {
    let store = Arc::new(LimitedStore {
        max_batch: MAX_IMPORT_BATCH,
        ..LimitedStore::default()
    });
    let mut writer = writer(&store, mode, policy);
    let started = Instant::now();
    for _ in 0..3 {
        writer.write(&mut records(2)).await;
    }
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn an_import_pauses_between_batches_only_for_databases_with_one_writer() {
    let (min_pause, max_pause) = BatchPolicy::EXCLUSIVE.pause.unwrap();
    let paused = total_pause(ImportMode::Write, BatchPolicy::EXCLUSIVE).await;
    assert!(paused >= min_pause * 2, "{paused:?}");
    for (mode, policy) in [
        (ImportMode::Write, BatchPolicy::SHARED),
        (ImportMode::DryRun, BatchPolicy::EXCLUSIVE),
    ] {
        assert_eq!(total_pause(mode, policy).await, Duration::ZERO, "{mode:?}");
    }
    let mut writer = writer(
        &Arc::new(LimitedStore::default()),
        ImportMode::Write,
        BatchPolicy::EXCLUSIVE,
    );
    writer.pause_after(Duration::from_millis(80));
    assert_eq!(
        writer.paused_until - Instant::now(),
        Duration::from_millis(80)
    );
    writer.pause_after(max_pause * 4);
    assert_eq!(
        writer.paused_until - Instant::now(),
        max_pause,
        "the pause is limited"
    );
}

/// A store with one writer at a time.
struct OneWriter {
    batch_duration: Duration,
    is_locked: AtomicBool,
}

#[async_trait]
impl UserImport for OneWriter {
    async fn import(&self, batch: &[Import], _: &ImportLedger) -> Result<Plan, ImportError> {
        self.is_locked.store(true, Ordering::Relaxed);
        sleep(self.batch_duration).await;
        self.is_locked.store(false, Ordering::Relaxed);
        let outcomes = batch
            .iter()
            .map(|import| Ok(Imported::Created(import.fresh_id)));
        Ok(plan(outcomes.collect()))
    }

    async fn snapshot(&self, _: &[Import]) -> Result<StoreSnapshot, StoreError> {
        Err(StoreError::Internal("broken".to_owned()))
    }
}

impl OneWriter {
    /// Polls the lock at the intervals of SQLite. Returns whether it was free within SQLite's busy timeout.
    async fn can_be_locked(&self) -> bool {
        const PAUSES: [u64; 11] = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50];
        const BUSY_TIMEOUT: Duration = Duration::from_millis(1500);
        let started = Instant::now();
        let mut pauses = PAUSES.into_iter();
        while self.is_locked.load(Ordering::Relaxed) {
            if started.elapsed() >= BUSY_TIMEOUT {
                return false;
            }
            sleep(Duration::from_millis(pauses.next().unwrap_or(100))).await;
        }
        true
    }
}

#[tokio::test(start_paused = true)]
async fn another_sqlite_writer_always_gets_the_lock_between_batches() {
    for batch_duration in [1, 40, 75, 100, 400, 1000].map(Duration::from_millis) {
        let store = Arc::new(OneWriter {
            batch_duration,
            is_locked: AtomicBool::default(),
        });
        let mut writer = writer(&store, ImportMode::Write, BatchPolicy::EXCLUSIVE);
        let import =
            tokio::spawn(
                async move { while writer.write(&mut records(1)).await.stopped.is_none() {} },
            );
        for _ in 0..60 {
            assert!(store.can_be_locked().await, "{batch_duration:?}");
            sleep(Duration::from_millis(37)).await;
        }
        import.abort();
    }
}
