//! Reading one's own writes from any replica, and reading users while the primary server is unavailable.

use std::sync::Arc;

use async_trait::async_trait;
use user_domain::StoreError;
use user_domain::ports::{Consistency, UserKey, UserKeys, UserReader, WritePosition};
use user_domain::user::User;

use super::connection::ReadConnection;
use super::errors::OperationError;
use super::{SeaOrmUsers, change_log, users};
use crate::cache::TieredUserCache;

/// The consistency of a store with standbys, and of the cache before it.
pub struct StoreConsistency {
    users: SeaOrmUsers,
    cache: TieredUserCache,
}

/// Reads users from standbys while the primary server is unavailable.
pub struct StandbyReader(SeaOrmUsers);

impl StoreConsistency {
    /// Creates the consistency of a store, if it has standbys.
    pub fn of(users: &SeaOrmUsers, cache: &TieredUserCache) -> Option<Self> {
        users.connections.standbys.as_ref()?;
        Some(Self {
            users: users.clone(),
            cache: cache.clone(),
        })
    }
}

#[async_trait]
impl Consistency for StoreConsistency {
    async fn position(&self) -> Result<WritePosition, StoreError> {
        let work = change_log::write_position(&self.users.connections.reads);
        self.users.timed("find_write_position", work).await
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        if self.cache.catch_up().await {
            return Ok(());
        }
        let cause = "the outbox was not polled in time";
        Err(StoreError::Unavailable(cause.to_owned()))
    }
}

impl StandbyReader {
    /// Creates the reader of a store, if it has standbys.
    pub fn of(users: &SeaOrmUsers) -> Option<Self> {
        users.connections.standbys.as_ref()?;
        Some(Self(users.clone()))
    }

    async fn read<T, F>(
        &self,
        name: &'static str,
        read: impl Fn(Arc<ReadConnection>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, OperationError>>,
    {
        let work = async {
            let answer = match &self.0.connections.standbys {
                Some(standbys) => standbys.without_primary(&read).await,
                None => None,
            };
            answer.unwrap_or_else(|| {
                let cause = "neither the primary server nor a standby may answer";
                Err(StoreError::Unavailable(cause.to_owned()).into())
            })
        };
        self.0.timed(name, work).await
    }
}

#[async_trait]
impl UserReader for StandbyReader {
    async fn find(&self, key: &UserKey) -> Result<Option<Arc<User>>, StoreError> {
        let read = |db: Arc<ReadConnection>| async move { users::find::find(&*db, key).await };
        self.read("find_user_on_standby", read).await
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        let read =
            |db: Arc<ReadConnection>| async move { users::find::find_many(&*db, keys).await };
        self.read("find_users_on_standby", read).await
    }
}
