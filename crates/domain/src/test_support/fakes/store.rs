mod directory;
mod erasures;
mod event_relays;
mod relationships;
mod state;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use state::State;

use crate::StoreError;
use crate::directory::{DirectoryFilter, PageRequest};
use crate::import::{Import, ImportLedger, Plan, StoreSnapshot};
use crate::lockout::{AccountAttempts, Lockout, LoginAttempt};
use crate::ports::{
    ChangeLog, Changes, Credentials, EventFeed, EventFrontier, EventPage, EventPosition,
    EventsRequest, ExpiredUser, FeedError, FeedLook, FeedPage, FeedRequest, Frontier, HashingError,
    ImportError, LogPosition, LoginAttempts, LoginLock, Page, PastChanges, Purged, Records,
    ReservedName, Retention, SchemaState, ServiceTokenRegistry, StoreHealth, StoredCredential,
    StoredRecords, StoredServiceToken, SuspensionEnds, TokenRevocation, TokenUse, UserDirectory,
    UserImport, UserKey, UserKeys, UserReader, UserRecords, UserWriter, WriteRecords,
};
use crate::service_token::{AppliedToken, ServiceToken, TokenPosition};
use crate::user::{Actor, Applied, Change, User};
use crate::values::{PasswordHash, ServiceTokenId, Timestamp, TokenDigest, UserId, Username};
use crate::write::{Erased, Idempotency, RecordedWrite, WriteContext, WriteError, Written};

/// An in-memory store that fulfills the contracts of all storage ports.
///
/// One lock makes each write atomic and serializes racing writes.
#[derive(Debug, Default)]
pub struct FakeStore {
    state: Mutex<State>,
}

impl FakeStore {
    /// Stores a user as it is, together with its event.
    ///
    /// # Panics
    /// If a unique value is taken.
    pub fn put(&self, applied: &Applied) {
        let context = WriteContext {
            actor: applied.event.actor.clone(),
            at: applied.event.at,
            event_id: applied.event.id,
            precondition: crate::write::Precondition::None,
            idempotency: None,
        };
        self.state()
            .add(applied, &context)
            .expect("a store without this user");
    }

    /// Returns an existing user.
    ///
    /// # Panics
    /// If no user has this id.
    pub fn find_by_id(&self, id: UserId) -> Arc<User> {
        self.state().find(&UserKey::Id(id)).expect("a user")
    }

    /// Sets the schema state that the store reports.
    pub fn set_schema(&self, schema: SchemaState) {
        self.state().schema = schema;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl UserReader for FakeStore {
    async fn find(&self, key: &UserKey) -> Result<Option<Arc<User>>, StoreError> {
        Ok(self.state().find(key))
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        let keys = keys.each();
        let state = self.state();
        Ok(keys.iter().map(|key| state.find(key)).collect())
    }
}

#[async_trait]
impl UserWriter for FakeStore {
    async fn add(&self, user: &Applied, context: &WriteContext) -> Result<Written, WriteError> {
        self.state().add(user, context)
    }

    async fn change(
        &self,
        id: UserId,
        change: &Change,
        context: &WriteContext,
    ) -> Result<Written, WriteError> {
        self.state().change(id, change, context)
    }

    async fn erase(&self, id: UserId, context: &WriteContext) -> Result<Erased, WriteError> {
        self.state().erase(id, context)
    }
}

#[async_trait]
impl WriteRecords for FakeStore {
    async fn find_write(
        &self,
        actor: &Actor,
        idempotency: &Idempotency,
        at: Timestamp,
    ) -> Result<Option<RecordedWrite>, StoreError> {
        Ok(self.state().find_write(actor, idempotency, at))
    }
}

#[async_trait]
impl UserDirectory for FakeStore {
    async fn page(&self, request: &PageRequest) -> Result<Page, StoreError> {
        directory::page(self.state().users(), request)
    }

    async fn count(&self, filter: &DirectoryFilter) -> Result<u64, StoreError> {
        Ok(directory::count(self.state().users(), filter))
    }
}

#[async_trait]
impl ChangeLog for FakeStore {
    async fn about(&self, request: &EventsRequest) -> Result<EventPage, StoreError> {
        Ok(self.state().events_about(request))
    }

    async fn position(&self) -> Result<LogPosition, StoreError> {
        Ok(self.state().position())
    }

    async fn since(&self, position: &LogPosition) -> Result<Changes, StoreError> {
        Ok(self.state().changes_since(position))
    }

    async fn before(
        &self,
        position: Option<EventPosition>,
        limit: u16,
    ) -> Result<PastChanges, StoreError> {
        Ok(self.state().changes_before(position, limit))
    }
}

#[async_trait]
impl EventFeed for FakeStore {
    async fn look(&self, _: Option<Frontier>) -> Result<FeedLook, StoreError> {
        Ok(FeedLook {
            newest: self.state().frontier(),
            open_writes: HashSet::new(),
        })
    }

    async fn page(&self, request: &FeedRequest) -> Result<FeedPage, FeedError> {
        self.state().feed_page(request)
    }
}

/// Every write is visible when it has ended.
#[async_trait]
impl EventFrontier for FakeStore {
    async fn settled(&self) -> Frontier {
        self.state().frontier()
    }

    async fn moved_from(&self, frontier: &Frontier) {
        while self.state().frontier() == *frontier {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[async_trait]
impl UserRecords for FakeStore {
    async fn records_of(&self, user: UserId) -> Result<StoredRecords, StoreError> {
        Ok(self.state().records_of(user))
    }

    async fn release_name(&self, name: &Username) -> Result<Vec<ReservedName>, StoreError> {
        Ok(self.state().release_name(name))
    }
}

#[async_trait]
impl Retention for FakeStore {
    async fn expired(
        &self,
        at: Timestamp,
        after: Option<ExpiredUser>,
    ) -> Result<Vec<ExpiredUser>, StoreError> {
        Ok(self.state().expired(at, after))
    }

    async fn erase_expired(&self, id: UserId, context: &WriteContext) -> Result<bool, StoreError> {
        Ok(self.state().erase_expired(id, context))
    }

    async fn purge(&self, records: Records, at: Timestamp) -> Result<Purged, StoreError> {
        Ok(self.state().purge(records, at))
    }
}

#[async_trait]
impl SuspensionEnds for FakeStore {
    async fn due(&self, at: Timestamp) -> Result<Vec<UserId>, StoreError> {
        Ok(self.state().due_suspensions(at))
    }

    async fn end(&self, id: UserId, context: &WriteContext) -> Result<Option<User>, StoreError> {
        Ok(self.state().end_suspension(id, context))
    }
}

#[async_trait]
impl StoreHealth for FakeStore {
    async fn schema(&self) -> Result<SchemaState, StoreError> {
        Ok(self.state().schema)
    }
}

#[async_trait]
impl UserImport for FakeStore {
    async fn import(&self, batch: &[Import], ledger: &ImportLedger) -> Result<Plan, ImportError> {
        Ok(self.state().import(batch, ledger))
    }

    async fn snapshot(&self, _: &[Import]) -> Result<StoreSnapshot, StoreError> {
        Ok(self.state().import_snapshot())
    }
}

#[async_trait]
impl Credentials for FakeStore {
    async fn find_credential(
        &self,
        key: Option<UserKey>,
    ) -> Result<Option<StoredCredential>, StoreError> {
        Ok(key.and_then(|key| self.state().credential(&key)))
    }

    async fn rehash(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        Ok(self.state().rehash(user, old, new))
    }
}

#[async_trait]
impl LoginAttempts for FakeStore {
    /// Never waits. Tests of racing logins use real stores.
    async fn lock(&self, _: &LoginAttempt) -> Result<LoginLock, HashingError> {
        Ok(LoginLock::new(()))
    }

    async fn lockout(&self, attempt: &LoginAttempt) -> Result<Lockout, StoreError> {
        Ok(self.state().lockout(attempt))
    }

    async fn fail(&self, attempt: &LoginAttempt, at: Timestamp) -> Result<Lockout, StoreError> {
        let mut state = self.state();
        let lockout = state.lockout(attempt).failed(at);
        state.set_lockout(attempt, lockout);
        Ok(lockout)
    }

    async fn succeed(&self, attempt: &LoginAttempt, at: Timestamp) -> Result<bool, StoreError> {
        let mut state = self.state();
        let lockout = state.lockout(attempt);
        if lockout.admits(at) {
            state.set_lockout(attempt, lockout.succeeded(at));
        }
        Ok(lockout.admits(at))
    }

    async fn of_user(&self, user: UserId, at: Timestamp) -> Result<AccountAttempts, StoreError> {
        Ok(self.state().attempts_of(user, at))
    }

    async fn clear(&self, user: UserId) -> Result<(), StoreError> {
        self.state().clear_attempts(user);
        Ok(())
    }
}

#[async_trait]
impl ServiceTokenRegistry for FakeStore {
    async fn add_token(
        &self,
        issued: &AppliedToken,
        digest: &TokenDigest,
    ) -> Result<(), StoreError> {
        self.state().add_token(issued, digest)
    }

    async fn find_token(
        &self,
        id: ServiceTokenId,
    ) -> Result<Option<StoredServiceToken>, StoreError> {
        Ok(self.state().find_token(id))
    }

    async fn list_tokens(
        &self,
        after: Option<TokenPosition>,
        limit: u16,
    ) -> Result<Vec<ServiceToken>, StoreError> {
        Ok(self.state().list_tokens(after, limit))
    }

    async fn revoke_token(
        &self,
        id: ServiceTokenId,
        context: &WriteContext,
    ) -> Result<TokenRevocation, WriteError> {
        self.state().revoke_token(id, context)
    }

    async fn note_used(&self, uses: &[TokenUse]) -> Result<(), StoreError> {
        self.state().note_used(uses);
        Ok(())
    }
}
