//! Turns for writers of one user, taken before a connection is: a queue for one popular row must not hold the pool.
//!
//! Gates order nothing that correctness needs; the database's locks do that, between replicas too.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use user_domain::StoreError;
use user_domain::user::Applied;
use user_domain::values::UserId;
use user_domain::write::WriteContext;

const GATES: usize = 1024;
const PATIENCE: Duration = Duration::from_millis(1500);

/// A fixed number of gates; users whose hashes meet share one.
pub(super) struct Gates {
    hasher: RandomState,
    gates: Vec<Mutex<()>>,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            gates: (0..GATES).map(|_| Mutex::new(())).collect(),
        }
    }
}

impl Gates {
    /// Waits for a turn to write one user.
    pub(super) async fn pass_for_user(&self, id: UserId) -> Result<MutexGuard<'_, ()>, StoreError> {
        self.pass(id).await
    }

    /// Waits for a turn to add a user: twins of one idempotency key in turn, and otherwise rivals for one name.
    pub(super) async fn pass_for_addition(
        &self,
        user: &Applied,
        context: &WriteContext,
    ) -> Result<MutexGuard<'_, ()>, StoreError> {
        match &context.idempotency {
            Some(idempotency) => self.pass((&context.actor, &idempotency.key)).await,
            None => self.pass(user.user.username.key()).await,
        }
    }

    async fn pass(&self, whom: impl Hash) -> Result<MutexGuard<'_, ()>, StoreError> {
        let place = usize::try_from(self.hasher.hash_one(whom)).unwrap_or_default() % GATES;
        let busy = || StoreError::Unavailable("too many writes wait for one user".to_owned());
        let gate = self.gates.get(place).ok_or_else(busy)?;
        tokio::time::timeout(PATIENCE, gate.lock())
            .await
            .map_err(|_| busy())
    }
}
