//! Locks for writers of one user, taken before a connection.

use std::sync::Arc;

use user_domain::StoreError;
use user_domain::user::{Actor, Applied};
use user_domain::values::UserId;
use user_domain::write::{IdempotencyKey, WriteContext};

use super::keyed_locks::{KeyedLocks, LockGuard};

/// The locks of all writers of users in this process.
#[derive(Default)]
pub(super) struct WriteLocks(Arc<KeyedLocks<WriteKey>>);

/// What writers that wait for each other have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum WriteKey {
    User(UserId),
    Idempotency(Actor, IdempotencyKey),
    Username(String),
}

impl WriteLocks {
    /// Waits for the lock of a user.
    pub(super) async fn lock_user(&self, id: UserId) -> Result<LockGuard<WriteKey>, StoreError> {
        self.lock(WriteKey::User(id)).await
    }

    /// Waits for the lock of a new user: that of its idempotency key, or without a key that of its username.
    pub(super) async fn lock_for_new_user(
        &self,
        user: &Applied,
        context: &WriteContext,
    ) -> Result<LockGuard<WriteKey>, StoreError> {
        let key = match &context.idempotency {
            Some(idempotency) => {
                WriteKey::Idempotency(context.actor.clone(), idempotency.key.clone())
            }
            None => WriteKey::Username(user.user.username.key().to_owned()),
        };
        self.lock(key).await
    }

    async fn lock(&self, key: WriteKey) -> Result<LockGuard<WriteKey>, StoreError> {
        let busy = |_| StoreError::Unavailable("too many writes wait for one user".to_owned());
        self.0.lock(key).await.map_err(busy)
    }
}
