//! Checks whether the database is usable.

use std::time::Duration;

use super::errors::OperationError;
use super::raw_sql;

use sea_orm::ConnectionTrait;
use tokio::sync::Mutex;
use tokio::time::Instant;
use user_domain::StoreError;
use user_domain::ports::SchemaState;

/// Returns the id of the store, which the first migration created.
pub(super) async fn store_id(db: &impl ConnectionTrait) -> Result<String, OperationError> {
    let row = raw_sql::query_one(db, "SELECT id FROM store")
        .await?
        .ok_or_else(|| StoreError::Internal("the store has no id".to_owned()))?;
    Ok(row.try_get("", "id")?)
}

/// The time for which a result is reused.
const RESULT_TTL: Duration = Duration::from_millis(250);

/// Shares one schema check between concurrent callers. Any number of probes use the outbox connection, and must not
/// delay the outbox poller.
#[derive(Default)]
pub(super) struct SchemaCheck {
    last: Mutex<Option<(Instant, Result<SchemaState, StoreError>)>>,
}

impl SchemaCheck {
    /// Returns a recent result, or runs the check.
    pub(super) async fn check(
        &self,
        check: impl Future<Output = Result<SchemaState, StoreError>>,
    ) -> Result<SchemaState, StoreError> {
        let mut last = self.last.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < RESULT_TTL
        {
            return found.clone();
        }
        let found = check.await;
        *last = Some((Instant::now(), found.clone()));
        found
    }
}

/// Returns whether migrations are pending.
pub(super) async fn schema(db: &impl ConnectionTrait) -> Result<SchemaState, OperationError> {
    let pending = user_migrations::pending(db).await?;
    Ok(if pending.is_empty() {
        SchemaState::Ready
    } else {
        SchemaState::Pending
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_share_one_check() {
        let (check, runs) = (SchemaCheck::default(), AtomicUsize::new(0));
        let run = async || {
            runs.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(100)).await;
            Ok(SchemaState::Ready)
        };
        let results = join_all((0..50).map(|_| check.check(run()))).await;
        assert!(results.iter().all(|found| *found == Ok(SchemaState::Ready)));
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        sleep(RESULT_TTL).await;
        assert_eq!(check.check(run()).await, Ok(SchemaState::Ready));
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_check_does_not_block_the_next() {
        let check = SchemaCheck::default();
        let never = check.check(std::future::pending());
        assert!(tokio::time::timeout(RESULT_TTL, never).await.is_err());
        let found = check.check(async { Ok(SchemaState::Pending) }).await;
        assert_eq!(found, Ok(SchemaState::Pending));
    }
}
