mod directory;
mod relationships;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use state::State;

use crate::StoreError;
use crate::directory::{DirectoryFilter, PageRequest};
use crate::import::{Import, ImportOutcome};
use crate::lockout::{Lockout, LoginAttempt, Tries};
use crate::ports::{
    ChangeLog, Changes, Credentials, ExpiredUser, HashingError, ImportError, KeptToken,
    LogPosition, LoginAttempts, LoginTurn, Page, Purged, Records, Retention, SchemaState,
    ServiceTokenRegistry, StoreHealth, StoredCredential, TokenUse, UserDirectory, UserImport,
    UserKey, UserKeys, UserReader, UserWriter,
};
use crate::service_token::{AppliedToken, ServiceToken};
use crate::user::{Applied, Change, Event, User};
use crate::values::{PasswordHash, ServiceTokenId, Timestamp, TokenDigest, UserId};
use crate::write::{Erased, WriteContext, WriteError, Written};

/// A store in memory, which keeps every promise of the ports it stands for.
///
/// One lock makes each write whole and puts racing writes one after another.
#[derive(Debug, Default)]
pub struct FakeStore {
    state: Mutex<State>,
}

impl FakeStore {
    /// Puts a user in as it is, with the event that tells of it.
    ///
    /// # Panics
    /// When something that only one may have is taken.
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

    /// Gives a user that is there.
    ///
    /// # Panics
    /// When there is none of this id.
    pub fn find_by_id(&self, id: UserId) -> Arc<User> {
        self.state().find(&UserKey::Id(id)).expect("a user")
    }

    /// Answers so from now on when asked for the state of its schema.
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
    async fn about(&self, user: UserId) -> Result<Vec<Event>, StoreError> {
        Ok(self.state().events_about(user))
    }

    async fn position(&self) -> Result<LogPosition, StoreError> {
        Ok(self.state().position())
    }

    async fn since(&self, position: &LogPosition) -> Result<Changes, StoreError> {
        Ok(self.state().changes_since(position))
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
impl StoreHealth for FakeStore {
    async fn schema(&self) -> Result<SchemaState, StoreError> {
        Ok(self.state().schema)
    }
}

#[async_trait]
impl UserImport for FakeStore {
    async fn import(&self, batch: &[Import]) -> Result<Vec<ImportOutcome>, ImportError> {
        Ok(self.state().import(batch))
    }

    async fn rehearse(&self, batch: &[Import]) -> Result<Vec<ImportOutcome>, ImportError> {
        Ok(self.state().plan(batch).outcomes)
    }
}

#[async_trait]
impl Credentials for FakeStore {
    async fn find_credential(&self, key: &UserKey) -> Result<Option<StoredCredential>, StoreError> {
        Ok(self.state().credential(key))
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
    /// Lets everybody in at once: tests that race do so on real stores.
    async fn enter(&self, _: &LoginAttempt) -> Result<LoginTurn, HashingError> {
        Ok(LoginTurn::holding(()))
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

    async fn of_user(&self, user: UserId, at: Timestamp) -> Result<(Tries, u64), StoreError> {
        Ok(self.state().tries_of(user, at))
    }

    async fn clear(&self, user: UserId) -> Result<(), StoreError> {
        self.state().clear_tries(user);
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

    async fn find_token(&self, id: ServiceTokenId) -> Result<Option<KeptToken>, StoreError> {
        Ok(self.state().find_token(id))
    }

    async fn list_tokens(&self) -> Result<Vec<ServiceToken>, StoreError> {
        Ok(self.state().list_tokens())
    }

    async fn revoke_token(
        &self,
        id: ServiceTokenId,
        context: &WriteContext,
    ) -> Result<Option<ServiceToken>, StoreError> {
        Ok(self.state().revoke_token(id, context))
    }

    async fn note_used(&self, uses: &[TokenUse]) -> Result<(), StoreError> {
        self.state().note_used(uses);
        Ok(())
    }
}
