//! The user store on PostgreSQL and SQLite, through `SeaORM`. One adapter gives the same results on both.
//!
//! Each operation is a function on a connection, in a file of its own, and fails with an `OperationError`.
//! [`SeaOrmUsers`] dispatches to it, and translates the error for the port. What differs between the databases is in
//! `dialect`, `connection` and the codes of `errors`.

pub(crate) mod change_log;
mod connection;
mod consistency;
mod credentials;
mod dialect;
mod digests;
mod directory;
pub(crate) mod entities;
mod erased_ids;
mod erasures;
mod errors;
mod event_feed;
mod event_relays;
mod health;
mod idempotency;
mod keyed_locks;
mod list_params;
mod logins;
mod outbox;
mod raw_sql;
mod relationships;
mod released_usernames;
mod retention;
pub(crate) mod row;
mod service_tokens;
mod suspensions;
mod synchronized_clock;
mod transaction;
mod users;
mod write_locks;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use user_domain::StoreError;
use user_domain::directory::{DirectoryFilter, PageRequest};
use user_domain::import::{Import, ImportLedger, Plan, StoreSnapshot};
use user_domain::ports::{
    Clock, Credentials, ExpiredUser, ImportError, Page, Purged, Records, ReservedName, Retention,
    SchemaState, ServiceTokenRegistry, StoreHealth, StoredCredential, StoredRecords,
    StoredServiceToken, SuspensionEnds, TokenRevocation, TokenUse, UserDirectory, UserImport,
    UserKey, UserKeys, UserReader, UserRecords, UserWriter, WriteRecords,
};
use user_domain::service_token::{AppliedToken, ServiceToken, TokenPosition};
use user_domain::user::{Actor, Applied, Change, User};
use user_domain::values::{PasswordHash, ServiceTokenId, Timestamp, TokenDigest, UserId, Username};
use user_domain::write::{Erased, Idempotency, RecordedWrite, WriteContext, WriteError, Written};

use crate::operations::{Failure, System, timed};
pub use connection::{Connections, PoolOptions};
use connection::{Permit, ReadConnection};
pub use consistency::{StandbyReader, StoreConsistency};
use dialect::Dialect;
use digests::NameDigests;
pub use directory::IndexOutcome;
use errors::OperationError;
pub use errors::is_transient;
use health::SchemaCheck;
pub use logins::SeaOrmLogins;
pub use synchronized_clock::SynchronizedClock;
use write_locks::WriteLocks;

/// The user store. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct SeaOrmUsers {
    connections: Connections,
    system: System,
    write_locks: Arc<WriteLocks>,
    schema: Arc<SchemaCheck>,
    /// Initialised on first use: a database without a schema has no id.
    name_digests: Arc<OnceCell<NameDigests>>,
}

impl SeaOrmUsers {
    /// Creates the store on a database whose schema `user-migrations` has created.
    pub fn new(connections: Connections) -> Self {
        Self {
            system: Dialect::of(&connections.reads).system(),
            connections,
            write_locks: Arc::default(),
            schema: Arc::default(),
            name_digests: Arc::default(),
        }
    }

    /// Creates a clock that follows the database's clock. SQLite has none; there it is the machine's clock.
    pub fn clock(&self, machine: Arc<dyn Clock>) -> SynchronizedClock {
        SynchronizedClock::new(self.connections.reads.clone(), machine)
    }

    /// Returns the unique id of this store.
    ///
    /// # Errors
    /// Those of the database, or if it has no schema.
    pub async fn store_id(&self) -> Result<String, StoreError> {
        Ok(health::store_id(&self.connections.outbox).await?)
    }

    /// Returns the digests for usernames in this store.
    async fn name_digests(&self) -> Result<&NameDigests, StoreError> {
        let of_store = async || {
            let id = health::store_id(&self.connections.writes).await?;
            Ok::<_, StoreError>(NameDigests::of_store(&id))
        };
        self.name_digests.get_or_try_init(of_store).await
    }

    /// Runs an operation, with metrics and a trace span under this name, and translates its error for the port.
    async fn timed<T, E: Failure + From<OperationError>>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, OperationError>>,
    ) -> Result<T, E> {
        let work = async { work.await.map_err(E::from) };
        let has_failed = |result: &Result<T, E>| result.as_ref().is_err_and(Failure::is_failure);
        timed(self.system, name, work, has_failed).await
    }

    /// Runs a read that a standby may answer. On the primary server, a long one waits for admission.
    async fn routed<T, F>(
        &self,
        is_long: bool,
        read: impl Fn(Arc<ReadConnection>) -> F,
    ) -> Result<T, OperationError>
    where
        F: Future<Output = Result<T, OperationError>>,
    {
        let on_primary = async {
            let _permit = if is_long {
                Some(self.admit_listing().await?)
            } else {
                None
            };
            let reads = self.connections.reads.clone();
            read(Arc::new(ReadConnection::Primary(reads))).await
        };
        match &self.connections.standbys {
            // Boxed, since it contains the read several times.
            Some(standbys) => Box::pin(standbys.read(&read, on_primary)).await,
            None => on_primary.await,
        }
    }

    /// Waits for admission of a long query.
    async fn admit_listing(&self) -> Result<Permit, StoreError> {
        let refused = |_| StoreError::Unavailable("too many list requests are waiting".to_owned());
        self.connections.listings.admit().await.map_err(refused)
    }
}

/// Registers the descriptions of the metrics of the store.
pub fn describe_metrics() {
    connection::describe_metrics();
    synchronized_clock::describe_metrics();
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
        let _lock = self.write_locks.lock_for_new_user(user, context).await?;
        let digests = self.name_digests().await?;
        let writes = &self.connections.writes;
        let work = users::add::add(writes, digests, user, context);
        self.timed("add_user", work).await
    }

    async fn change(
        &self,
        id: UserId,
        change: &Change,
        context: &WriteContext,
    ) -> Result<Written, WriteError> {
        let _lock = self.write_locks.lock_user(id).await?;
        let digests = self.name_digests().await?;
        let writes = &self.connections.writes;
        let work = users::change::change(writes, digests, id, change, context);
        self.timed("change_user", work).await
    }

    async fn erase(&self, id: UserId, context: &WriteContext) -> Result<Erased, WriteError> {
        let _lock = self.write_locks.lock_user(id).await?;
        let digests = self.name_digests().await?;
        let writes = &self.connections.writes;
        let work = users::erase::erase(writes, digests, id, context);
        self.timed("erase_user", work).await
    }
}

#[async_trait]
impl WriteRecords for SeaOrmUsers {
    async fn find_write(
        &self,
        actor: &Actor,
        idempotency: &Idempotency,
        at: Timestamp,
    ) -> Result<Option<RecordedWrite>, StoreError> {
        let work = idempotency::find(&self.connections.reads, actor, idempotency, at);
        self.timed("find_recorded_write", work).await
    }
}

#[async_trait]
impl UserDirectory for SeaOrmUsers {
    async fn page(&self, request: &PageRequest) -> Result<Page, StoreError> {
        let work = self.routed(true, |db| async move {
            directory::page::page(&*db, request).await
        });
        self.timed("page_users", work).await
    }

    async fn count(&self, filter: &DirectoryFilter) -> Result<u64, StoreError> {
        let work = self.routed(true, |db| async move {
            directory::count::count(&*db, filter).await
        });
        self.timed("count_users", work).await
    }
}

#[async_trait]
impl UserImport for SeaOrmUsers {
    async fn import(&self, batch: &[Import], ledger: &ImportLedger) -> Result<Plan, ImportError> {
        let digests = self.name_digests().await?;
        let writes = &self.connections.writes;
        let work = users::import::import(writes, digests, batch, ledger);
        self.timed("import_users", work).await
    }

    async fn snapshot(&self, batch: &[Import]) -> Result<StoreSnapshot, StoreError> {
        let digests = self.name_digests().await?;
        let work = users::import::snapshot(&self.connections.writes, digests, batch);
        self.timed("rehearse_import", work).await
    }
}

#[async_trait]
impl Credentials for SeaOrmUsers {
    async fn find_credential(
        &self,
        key: Option<UserKey>,
    ) -> Result<Option<StoredCredential>, StoreError> {
        let work = credentials::find_credential(&self.connections.reads, key.as_ref());
        self.timed("find_credential", work).await
    }

    async fn rehash(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let work = credentials::rehash(&self.connections.writes, user, old, new);
        self.timed("renew_password", work).await
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
        let digests = self.name_digests().await?;
        let writes = &self.connections.writes;
        let work = retention::erase_expired::erase_expired(writes, digests, id, context);
        self.timed("erase_expired_user", work).await
    }

    async fn purge(&self, records: Records, at: Timestamp) -> Result<Purged, StoreError> {
        let work = retention::purge::purge(&self.connections.writes, records, at);
        let purged: Result<Purged, StoreError> = Box::pin(self.timed("purge_records", work)).await;
        let purged = purged?;
        if records == Records::Usernames && !purged.has_more {
            let digests = self.name_digests().await?;
            let Connections { reads, writes, .. } = &self.connections;
            let work = released_usernames::hash_orphaned_names(reads, writes, digests);
            let hashed: Result<_, StoreError> = self.timed("conceal_names", work).await;
            hashed?;
        }
        Ok(purged)
    }
}

#[async_trait]
impl UserRecords for SeaOrmUsers {
    async fn records_of(&self, user: UserId) -> Result<StoredRecords, StoreError> {
        let reads = &self.connections.reads;
        let work = async {
            let actor = Actor::of_user(user);
            Ok(StoredRecords {
                reserved_names: released_usernames::of_user(reads, user).await?,
                idempotency_keys: idempotency::count_of(reads, &actor, StoredRecords::MAX_COUNTED)
                    .await?,
            })
        };
        self.timed("find_user_records", work).await
    }

    async fn release_name(&self, name: &Username) -> Result<Vec<ReservedName>, StoreError> {
        let digests = self.name_digests().await?;
        let work = released_usernames::free_name(&self.connections.writes, digests, name);
        self.timed("release_name", work).await
    }
}

#[async_trait]
impl SuspensionEnds for SeaOrmUsers {
    async fn due(&self, at: Timestamp) -> Result<Vec<UserId>, StoreError> {
        let work = suspensions::due(&self.connections.reads, at);
        self.timed("find_due_suspensions", work).await
    }

    async fn end(&self, id: UserId, context: &WriteContext) -> Result<Option<User>, StoreError> {
        let digests = self.name_digests().await?;
        let writes = &self.connections.writes;
        let work = suspensions::end(writes, digests, id, context);
        self.timed("end_suspension", work).await
    }
}

#[async_trait]
impl StoreHealth for SeaOrmUsers {
    async fn schema(&self) -> Result<SchemaState, StoreError> {
        let check = self.timed("check_schema", health::schema(&self.connections.outbox));
        self.schema.check(check).await
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
        self.timed("add_service_token", work).await
    }

    async fn find_token(
        &self,
        id: ServiceTokenId,
    ) -> Result<Option<StoredServiceToken>, StoreError> {
        let work = service_tokens::find::find(&self.connections.reads, id);
        self.timed("find_service_token", work).await
    }

    async fn list_tokens(
        &self,
        after: Option<TokenPosition>,
        limit: u16,
    ) -> Result<Vec<ServiceToken>, StoreError> {
        let work = service_tokens::list::list(&self.connections.reads, after, limit);
        self.timed("list_service_tokens", work).await
    }

    async fn revoke_token(
        &self,
        id: ServiceTokenId,
        context: &WriteContext,
    ) -> Result<TokenRevocation, WriteError> {
        let writes = &self.connections.writes;
        let work = service_tokens::revoke::revoke(writes, id, context);
        self.timed("revoke_service_token", work).await
    }

    async fn note_used(&self, uses: &[TokenUse]) -> Result<(), StoreError> {
        let work = service_tokens::note_used::note_used(&self.connections.writes, uses);
        self.timed("note_token_uses", work).await
    }
}
