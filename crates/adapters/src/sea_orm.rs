//! Users on PostgreSQL and SQLite, by sea-orm: one adapter, the same answers.
//!
//! Each operation is a function in a file of its own over a connection; [`SeaOrmUsers`] only says which. The two
//! databases differ in [`connect`], in the codes of `errors`, in how a `transaction` begins, and in the locking read of
//! `users::change`.

mod change_log;
pub mod connect;
mod credentials;
mod directory;
mod door;
pub(crate) mod entities;
mod errors;
mod gates;
mod given;
mod health;
mod idempotency;
mod kept;
mod logins;
mod many;
mod names;
mod outbox;
mod pool;
mod presence;
mod relationships;
mod retention;
pub(crate) mod row;
mod service_tokens;
mod transaction;
mod users;

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::ConnectionTrait;
use user_domain::StoreError;
use user_domain::directory::{DirectoryFilter, PageRequest};
use user_domain::import::{Import, ImportOutcome};
use user_domain::ports::{
    ChangeLog, Changes, Credentials, ExpiredUser, ImportError, KeptToken, LogPosition, Page,
    Purged, Records, Retention, SchemaState, ServiceTokenRegistry, StoreHealth, StoredCredential,
    TokenUse, UserDirectory, UserImport, UserKey, UserKeys, UserReader, UserWriter,
};
use user_domain::service_token::{AppliedToken, ServiceToken};
use user_domain::user::{Applied, Change, Event, User};
use user_domain::values::{PasswordHash, ServiceTokenId, Timestamp, TokenDigest, UserId};
use user_domain::write::{Erased, WriteContext, WriteError, Written};

use crate::guards::Guards;
use crate::operations::{Failure, System, timed};
pub use connect::{Connections, PoolOptions};
use door::Turn;
pub use errors::is_passing;
use gates::Gates;
use health::SchemaCheck;
pub use logins::SeaOrmLogins;

/// The store of users. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct SeaOrmUsers {
    connections: Connections,
    system: System,
    gates: Arc<Gates>,
    schema: Arc<SchemaCheck>,
    guards: Guards,
}

impl SeaOrmUsers {
    /// Keeps users in the database of these connections, whose schema `user-migrations` has made.
    pub fn new(connections: Connections) -> Self {
        Self {
            system: pool::system(connections.reads.get_database_backend()),
            guards: connections.guards,
            connections,
            gates: Arc::default(),
            schema: Arc::default(),
        }
    }

    /// Gives the store's own name, which no other store has.
    ///
    /// # Errors
    /// The database's; a database without a schema has none.
    pub async fn store_id(&self) -> Result<String, StoreError> {
        health::store_id(&self.connections.tail).await
    }

    /// Waits for an operation, timed and traced under its name.
    async fn timed<T, E: Failure>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let has_failed = |answer: &Result<T, E>| answer.as_ref().is_err_and(Failure::is_failure);
        timed(self.system, name, work, has_failed).await
    }

    /// Waits for a turn at what takes long.
    async fn listing(&self) -> Result<Turn, StoreError> {
        let refused = |_| StoreError::Unavailable("too many lists wait".to_owned());
        self.connections.listings.enter().await.map_err(refused)
    }
}

/// Says what the store's figures are, for whoever reads them.
pub fn describe_metrics() {
    door::describe_metrics();
    pool::describe_metrics();
}

#[async_trait]
impl UserReader for SeaOrmUsers {
    async fn find(&self, key: &UserKey) -> Result<Option<Arc<User>>, StoreError> {
        let work = users::find::find(&self.connections.reads, key);
        self.timed("find_user", work).await
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        let work = users::find::find_many(&self.connections.reads, keys);
        self.timed("find_users", work).await
    }
}

#[async_trait]
impl UserWriter for SeaOrmUsers {
    async fn add(&self, user: &Applied, context: &WriteContext) -> Result<Written, WriteError> {
        let _turn = self.gates.pass_for_addition(user, context).await?;
        let work = Box::pin(users::add::add(
            &self.connections.writes,
            self.guards,
            user,
            context,
        ));
        self.timed("add_user", work).await
    }

    async fn change(
        &self,
        id: UserId,
        change: &Change,
        context: &WriteContext,
    ) -> Result<Written, WriteError> {
        let _turn = self.gates.pass_for_user(id).await?;
        let work =
            users::change::change(&self.connections.writes, self.guards, id, change, context);
        self.timed("change_user", work).await
    }

    async fn erase(&self, id: UserId, context: &WriteContext) -> Result<Erased, WriteError> {
        let _turn = self.gates.pass_for_user(id).await?;
        let work = Box::pin(users::erase::erase(
            &self.connections.writes,
            self.guards,
            id,
            context,
        ));
        self.timed("erase_user", work).await
    }
}

#[async_trait]
impl UserDirectory for SeaOrmUsers {
    async fn page(&self, request: &PageRequest) -> Result<Page, StoreError> {
        let work = async {
            let _turn = self.listing().await?;
            directory::page::page(&self.connections.reads, request).await
        };
        self.timed("page_users", work).await
    }

    async fn count(&self, filter: &DirectoryFilter) -> Result<u64, StoreError> {
        let work = async {
            let _turn = self.listing().await?;
            directory::count::count(&self.connections.reads, filter).await
        };
        self.timed("count_users", work).await
    }
}

#[async_trait]
impl UserImport for SeaOrmUsers {
    async fn import(&self, batch: &[Import]) -> Result<Vec<ImportOutcome>, ImportError> {
        let work = users::import::import(&self.connections.writes, self.guards, batch);
        self.timed("import_users", work).await
    }

    async fn rehearse(&self, batch: &[Import]) -> Result<Vec<ImportOutcome>, ImportError> {
        let work = users::import::rehearse(&self.connections.writes, batch);
        self.timed("rehearse_import", work).await
    }
}

#[async_trait]
impl Credentials for SeaOrmUsers {
    async fn find_credential(&self, key: &UserKey) -> Result<Option<StoredCredential>, StoreError> {
        let work = credentials::find_credential(&self.connections.reads, key);
        self.timed("find_credential", work).await
    }

    async fn rehash(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let work = credentials::rehash(&self.connections.writes, user, old, new);
        let rehashed = self.timed("renew_password", work).await;
        rehashed.map_err(errors::unrefused)
    }
}

#[async_trait]
impl ChangeLog for SeaOrmUsers {
    async fn about(&self, user: UserId) -> Result<Vec<Event>, StoreError> {
        let work = change_log::about(&self.connections.reads, user);
        self.timed("find_events", work).await
    }

    async fn position(&self) -> Result<LogPosition, StoreError> {
        let work = change_log::position(&self.connections.tail);
        self.timed("find_position", work).await
    }

    async fn since(&self, position: &LogPosition) -> Result<Changes, StoreError> {
        let work = change_log::since(&self.connections.tail, position);
        self.timed("follow_outbox", work).await
    }
}

#[async_trait]
impl Retention for SeaOrmUsers {
    async fn expired(
        &self,
        at: Timestamp,
        after: Option<ExpiredUser>,
    ) -> Result<Vec<ExpiredUser>, StoreError> {
        let work = retention::expired::expired(&self.connections.reads, at, after);
        self.timed("find_expired_users", work).await
    }

    async fn erase_expired(&self, id: UserId, context: &WriteContext) -> Result<bool, StoreError> {
        let (writes, guards) = (&self.connections.writes, self.guards);
        let work = retention::erase_expired::erase_expired(writes, guards, id, context);
        self.timed("erase_expired_user", work).await
    }

    async fn purge(&self, records: Records, at: Timestamp) -> Result<Purged, StoreError> {
        let work = retention::purge::purge(&self.connections.writes, records, at);
        self.timed("purge_records", work).await
    }
}

#[async_trait]
impl StoreHealth for SeaOrmUsers {
    async fn schema(&self) -> Result<SchemaState, StoreError> {
        let look = self.timed("check_schema", health::schema(&self.connections.tail));
        self.schema.look(look).await
    }
}

#[async_trait]
impl ServiceTokenRegistry for SeaOrmUsers {
    async fn add_token(
        &self,
        issued: &AppliedToken,
        digest: &TokenDigest,
    ) -> Result<(), StoreError> {
        let work = service_tokens::add::add(&self.connections.writes, issued, digest);
        let added = self.timed("add_service_token", work).await;
        added.map_err(errors::unrefused)
    }

    async fn find_token(&self, id: ServiceTokenId) -> Result<Option<KeptToken>, StoreError> {
        let work = service_tokens::find::find(&self.connections.reads, id);
        self.timed("find_service_token", work).await
    }

    async fn list_tokens(&self) -> Result<Vec<ServiceToken>, StoreError> {
        let work = service_tokens::list::list(&self.connections.reads);
        self.timed("list_service_tokens", work).await
    }

    async fn revoke_token(
        &self,
        id: ServiceTokenId,
        context: &WriteContext,
    ) -> Result<Option<ServiceToken>, StoreError> {
        let work = service_tokens::revoke::revoke(&self.connections.writes, id, context);
        let revoked = self.timed("revoke_service_token", work).await;
        revoked.map_err(errors::unrefused)
    }

    async fn note_used(&self, uses: &[TokenUse]) -> Result<(), StoreError> {
        let work = service_tokens::note_used::note_used(&self.connections.writes, uses);
        let noted = self.timed("note_token_uses", work).await;
        noted.map_err(errors::unrefused)
    }
}
