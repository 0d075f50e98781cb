//! Users on PostgreSQL and SQLite, by sea-orm: one adapter, the same answers.
//!
//! Each operation is a function in a file of its own over a connection; [`SeaOrmUsers`] only says which. The two
//! databases differ in [`connect`], in the codes of `errors`, in how a `transaction` begins, and in the locking read of
//! `users::change`.

mod change_log;
pub mod connect;
mod directory;
pub(crate) mod entities;
mod errors;
mod gates;
mod health;
mod idempotency;
mod many;
mod names;
mod outbox;
pub(crate) mod row;
mod transaction;
mod users;

use std::sync::Arc;

use async_trait::async_trait;
use user_domain::StoreError;
use user_domain::directory::{DirectoryFilter, PageRequest};
use user_domain::import::{Import, ImportOutcome};
use user_domain::ports::{
    ChangeLog, Changes, ImportError, LogPosition, Page, SchemaState, StoreHealth, UserDirectory,
    UserImport, UserKey, UserKeys, UserReader, UserWriter,
};
use user_domain::user::{Applied, Change, Event, User};
use user_domain::values::UserId;
use user_domain::write::{Erased, WriteContext, WriteError, Written};

use crate::guards::Guards;
pub use connect::{Connections, PoolOptions};
pub use errors::is_passing;
use gates::Gates;

/// The store of users. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct SeaOrmUsers {
    connections: Connections,
    gates: Arc<Gates>,
    guards: Guards,
}

impl SeaOrmUsers {
    /// Keeps users in the database of these connections, whose schema `user-migrations` has made.
    pub fn new(connections: Connections) -> Self {
        Self {
            guards: connections.guards,
            connections,
            gates: Arc::default(),
        }
    }

    /// Gives the store's own name, which no other store has.
    ///
    /// # Errors
    /// The database's; a database without a schema has none.
    pub async fn store_id(&self) -> Result<String, StoreError> {
        health::store_id(&self.connections.tail).await
    }
}

#[async_trait]
impl UserReader for SeaOrmUsers {
    async fn find(&self, key: &UserKey) -> Result<Option<Arc<User>>, StoreError> {
        users::find::find(&self.connections.reads, key).await
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        users::find::find_many(&self.connections.reads, keys).await
    }
}

#[async_trait]
impl UserWriter for SeaOrmUsers {
    async fn add(&self, user: &Applied, context: &WriteContext) -> Result<Written, WriteError> {
        let _turn = self.gates.pass_for_addition(user, context).await?;
        users::add::add(&self.connections.writes, self.guards, user, context).await
    }

    async fn change(
        &self,
        id: UserId,
        change: &Change,
        context: &WriteContext,
    ) -> Result<Written, WriteError> {
        let _turn = self.gates.pass_for_user(id).await?;
        users::change::change(&self.connections.writes, self.guards, id, change, context).await
    }

    async fn erase(&self, id: UserId, context: &WriteContext) -> Result<Erased, WriteError> {
        let _turn = self.gates.pass_for_user(id).await?;
        users::erase::erase(&self.connections.writes, self.guards, id, context).await
    }
}

#[async_trait]
impl UserDirectory for SeaOrmUsers {
    async fn page(&self, request: &PageRequest) -> Result<Page, StoreError> {
        directory::page::page(&self.connections.reads, request).await
    }

    async fn count(&self, filter: &DirectoryFilter) -> Result<u64, StoreError> {
        directory::count::count(&self.connections.reads, filter).await
    }
}

#[async_trait]
impl UserImport for SeaOrmUsers {
    async fn import(&self, batch: &[Import]) -> Result<Vec<ImportOutcome>, ImportError> {
        users::import::import(&self.connections.writes, self.guards, batch).await
    }

    async fn rehearse(&self, batch: &[Import]) -> Result<Vec<ImportOutcome>, ImportError> {
        users::import::rehearse(&self.connections.writes, batch).await
    }
}

#[async_trait]
impl ChangeLog for SeaOrmUsers {
    async fn about(&self, user: UserId) -> Result<Vec<Event>, StoreError> {
        change_log::about(&self.connections.reads, user).await
    }

    async fn position(&self) -> Result<LogPosition, StoreError> {
        change_log::position(&self.connections.tail).await
    }

    async fn since(&self, position: &LogPosition) -> Result<Changes, StoreError> {
        change_log::since(&self.connections.tail, position).await
    }
}

#[async_trait]
impl StoreHealth for SeaOrmUsers {
    async fn schema(&self) -> Result<SchemaState, StoreError> {
        health::schema(&self.connections.reads).await
    }
}
