//! Tells whether the database can be used.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement};
use tokio::sync::Mutex;
use tokio::time::Instant;
use user_domain::StoreError;
use user_domain::ports::SchemaState;

use super::errors;

/// Gives the store's own name, which its first migration made.
pub(super) async fn store_id(db: &impl ConnectionTrait) -> Result<String, StoreError> {
    let statement = Statement::from_string(db.get_database_backend(), "SELECT id FROM store");
    let row = db
        .query_one_raw(statement)
        .await
        .map_err(|error| errors::store(&error))?
        .ok_or_else(|| StoreError::Internal("the store has no id".to_owned()))?;
    row.try_get("", "id").map_err(|error| errors::store(&error))
}

/// How long an answer is given to those who ask next.
const KEPT: Duration = Duration::from_millis(250);

/// One look at the schema for all who ask at the same time: probes, of which there may be any number, share the connection
/// that follows the outbox, and must not keep it from that.
#[derive(Default)]
pub(super) struct SchemaCheck {
    last: Mutex<Option<(Instant, Result<SchemaState, StoreError>)>>,
}

impl SchemaCheck {
    /// Gives what was found just now, or looks.
    pub(super) async fn look(
        &self,
        look: impl Future<Output = Result<SchemaState, StoreError>>,
    ) -> Result<SchemaState, StoreError> {
        let mut last = self.last.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < KEPT
        {
            return found.clone();
        }
        let found = look.await;
        *last = Some((Instant::now(), found.clone()));
        found
    }
}

/// Asks the database which migrations it has.
pub(super) async fn schema(db: &impl ConnectionTrait) -> Result<SchemaState, StoreError> {
    let pending = user_migrations::pending(db)
        .await
        .map_err(|error| errors::store(&error))?;
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
    async fn those_who_ask_together_share_one_look() {
        let (check, looks) = (SchemaCheck::default(), AtomicUsize::new(0));
        let look = async || {
            looks.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(100)).await;
            Ok(SchemaState::Ready)
        };
        let asked = join_all((0..50).map(|_| check.look(look()))).await;
        assert!(asked.iter().all(|found| *found == Ok(SchemaState::Ready)));
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        sleep(KEPT).await;
        assert_eq!(check.look(look()).await, Ok(SchemaState::Ready));
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_looking_keeps_nobody_from_it() {
        let check = SchemaCheck::default();
        let never = check.look(std::future::pending());
        assert!(tokio::time::timeout(KEPT, never).await.is_err());
        let found = check.look(async { Ok(SchemaState::Pending) }).await;
        assert_eq!(found, Ok(SchemaState::Pending));
    }
}
