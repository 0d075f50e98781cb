mod credentials;
mod erasures;
mod feed;
mod log;
mod records;
mod relationships;
mod relays;
mod retention;
mod tokens;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use self::erasures::ErasureRecords;
use self::relationships::Block;
use self::relays::Relay;
use crate::StoreError;
use crate::erasure::Erasure;
use crate::import::{self, Import, ImportLedger, Plan, ReleasedUsername, StoreSnapshot};
use crate::lockout::AttemptCounter;
use crate::ports::{EventPosition, SchemaState, StoredServiceToken, UserEvent, UserKey};
use crate::relationship::{Edge, RelationshipEvent};
use crate::service_token::TokenEvent;
use crate::user::{Actor, Applied, Change, Event, PasswordWrite, User};
use crate::values::{
    ExternalId, PasswordOrigin, ServiceTokenId, StoredPassword, Timestamp, UserId,
};
use crate::write::{
    Erased, Idempotency, IdempotencyKey, RecordedWrite, TakenFields, USERNAME_RESERVATION,
    UniqueField, WriteContext, WriteError, Written,
};

/// The content of the store. Each method is one transaction.
#[derive(Debug)]
pub(super) struct State {
    pub(super) schema: SchemaState,
    users: BTreeMap<UserId, Arc<User>>,
    /// The ids of erased users.
    erased: HashSet<UserId>,
    erased_external_ids: HashSet<ExternalId>,
    erasures: ErasureRecords,
    passwords: HashMap<UserId, StoredPassword>,
    /// By account and source. The account of an unknown identifier is its text.
    attempts: HashMap<(String, Option<String>), AttemptCounter>,
    /// Released usernames, by their keys.
    released_names: HashMap<String, ReleasedName>,
    records: HashMap<(Actor, IdempotencyKey), Record>,
    tokens: BTreeMap<ServiceTokenId, StoredServiceToken>,
    /// By pair of users, with the time of the follow.
    follows: BTreeMap<Edge, Timestamp>,
    blocks: BTreeMap<Edge, Block>,
    relays: HashMap<String, Relay>,
    /// By sequence number. Numbers may have gaps.
    events: BTreeMap<usize, LogEntry>,
    /// The sequence number of the next event.
    next: usize,
    /// The sequence number after the last purged event.
    purged: usize,
}

/// An event, by the kind of its subject.
#[derive(Debug)]
enum LogEntry {
    User(Event),
    Token(TokenEvent),
    Relationship(RelationshipEvent),
}

#[derive(Debug)]
struct ReleasedName {
    skeleton: String,
    since: Timestamp,
    /// The user that released the name. Only this user may reclaim it.
    owner: UserId,
}

#[derive(Debug)]
struct Record {
    at: Timestamp,
    fingerprint: [u8; 32],
    write: RecordedWrite,
}

impl Default for State {
    fn default() -> Self {
        Self {
            schema: SchemaState::Ready,
            users: BTreeMap::new(),
            erased: HashSet::new(),
            erased_external_ids: HashSet::new(),
            erasures: ErasureRecords::default(),
            passwords: HashMap::new(),
            attempts: HashMap::new(),
            released_names: HashMap::new(),
            records: HashMap::new(),
            tokens: BTreeMap::new(),
            follows: BTreeMap::new(),
            blocks: BTreeMap::new(),
            relays: HashMap::new(),
            events: BTreeMap::new(),
            next: 0,
            purged: 0,
        }
    }
}

impl State {
    pub(super) fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values().map(AsRef::as_ref)
    }

    pub(super) fn find(&self, key: &UserKey) -> Option<Arc<User>> {
        self.users
            .values()
            .find(|user| key.identifies(user))
            .cloned()
    }

    pub(super) fn add(
        &mut self,
        added: &Applied,
        context: &WriteContext,
    ) -> Result<Written, WriteError> {
        if let Some(write) = self.replay(context)? {
            let user = self.current(UserId::from_uuid(write.subject))?;
            return Ok(Written::Replayed(user));
        }
        if self.users.contains_key(&added.user.id) {
            return Err(StoreError::Internal("the id is taken".to_owned()).into());
        }
        self.check_unique(&added.user, context.at)?;
        self.store(added, context);
        Ok(Written::Applied(added.user.clone()))
    }

    pub(super) fn change(
        &mut self,
        id: UserId,
        change: &Change,
        context: &WriteContext,
    ) -> Result<Written, WriteError> {
        if let Some(write) = self.replay(context)? {
            let user = self.current(UserId::from_uuid(write.subject))?;
            return Ok(Written::Replayed(user));
        }
        let user = self.current(id)?;
        let Some(applied) = user.apply(change, context)? else {
            self.record(id.as_uuid(), context);
            return Ok(Written::Unchanged(user));
        };
        self.check_unique(&applied.user, context.at)?;
        self.store(&applied, context);
        if applied.user.ends_access_of(&context.actor, &user) {
            self.note_ended_access(context);
        }
        Ok(Written::Applied(applied.user))
    }

    pub(super) fn erase(
        &mut self,
        id: UserId,
        context: &WriteContext,
    ) -> Result<Erased, WriteError> {
        if self.replay(context)?.is_some() {
            return Ok(Erased::Replayed);
        }
        let user = self.current(id)?;
        let event = user.erase(context)?;
        self.remove(&user, event, context.at);
        self.record(id.as_uuid(), context);
        Ok(Erased::Applied)
    }

    fn remove(&mut self, user: &User, event: Event, at: Timestamp) {
        self.erasures.record(Erasure {
            user: user.id,
            erased_at: at,
            position: EventPosition::from_store(i64::try_from(self.next).unwrap_or(i64::MAX)),
        });
        self.log_user_event(event);
        self.users.remove(&user.id);
        self.erased.insert(user.id);
        self.erased_external_ids.extend(user.external_id.clone());
        self.passwords.remove(&user.id);
        self.remove_relationships(user.id);
        let account = user.id.to_string();
        self.attempts.retain(|(of, _), _| *of != account);
        self.release(&user.username, user.id, at);
    }

    fn log_user_event(&mut self, event: Event) {
        self.log(LogEntry::User(event));
    }

    fn log(&mut self, entry: LogEntry) {
        self.events.insert(self.next, entry);
        self.next += 1;
    }

    /// Returns the data that an import needs, which here is everything.
    pub(super) fn import_snapshot(&self) -> StoreSnapshot {
        let released_usernames =
            self.released_names
                .iter()
                .map(|(key, released)| ReleasedUsername {
                    key: key.clone(),
                    skeleton: released.skeleton.clone(),
                    owner: released.owner,
                    released_at: released.since,
                });
        StoreSnapshot {
            users: self.users().cloned().collect(),
            released_usernames: released_usernames.collect(),
            erased: self.erased.clone(),
            erased_external_ids: self.erased_external_ids.clone(),
            imported_passwords: self
                .passwords
                .iter()
                .filter(|(_, stored)| stored.origin == PasswordOrigin::Imported)
                .map(|(user, stored)| (*user, stored.hash.clone()))
                .collect(),
        }
    }

    pub(super) fn import(&mut self, batch: &[Import], ledger: &ImportLedger) -> Plan {
        let plan = import::plan(batch, self.import_snapshot(), ledger);
        for user in plan.created.iter().chain(&plan.updated) {
            self.users.insert(user.id, Arc::new(user.clone()));
        }
        self.passwords.extend(plan.passwords.iter().cloned());
        for (name, owner, since) in &plan.released {
            self.release(name, *owner, *since);
        }
        for event in &plan.events {
            self.log_user_event(event.clone());
        }
        plan
    }

    fn current(&self, id: UserId) -> Result<User, WriteError> {
        self.users
            .get(&id)
            .map(|user| user.as_ref().clone())
            .ok_or(WriteError::NotFound)
    }

    /// Returns the record of the same write if it was done before.
    fn replay(&self, context: &WriteContext) -> Result<Option<RecordedWrite>, WriteError> {
        let Some(idempotency) = &context.idempotency else {
            return Ok(None);
        };
        match self.find_record(&context.actor, idempotency, context.at) {
            Some(record) if record.fingerprint != idempotency.fingerprint => {
                Err(WriteError::KeyReused)
            }
            Some(record) => Ok(Some(record.write)),
            None => Ok(None),
        }
    }

    pub(super) fn find_write(
        &self,
        actor: &Actor,
        idempotency: &Idempotency,
        at: Timestamp,
    ) -> Option<RecordedWrite> {
        self.find_record(actor, idempotency, at)
            .filter(|record| record.fingerprint == idempotency.fingerprint)
            .map(|record| record.write)
    }

    fn find_record(
        &self,
        actor: &Actor,
        idempotency: &Idempotency,
        at: Timestamp,
    ) -> Option<&Record> {
        let name = (actor.clone(), idempotency.key.clone());
        let record = self.records.get(&name)?;
        (at < record.at.plus(IdempotencyKey::RETENTION)).then_some(record)
    }

    fn note_ended_access(&mut self, context: &WriteContext) {
        if let Some(idempotency) = &context.idempotency {
            let name = (context.actor.clone(), idempotency.key.clone());
            if let Some(record) = self.records.get_mut(&name) {
                record.write.ended_access = true;
            }
        }
    }

    fn record(&mut self, subject: Uuid, context: &WriteContext) {
        if let Some(idempotency) = &context.idempotency {
            let name = (context.actor.clone(), idempotency.key.clone());
            let record = Record {
                at: context.at,
                fingerprint: idempotency.fingerprint,
                write: RecordedWrite {
                    subject,
                    ended_access: false,
                },
            };
            self.records.insert(name, record);
        }
    }

    fn check_unique(&self, wanted: &User, at: Timestamp) -> Result<(), WriteError> {
        // All spellings of a username have the same skeleton.
        let is_reserved = self.released_names.values().any(|released| {
            released.skeleton == wanted.username.skeleton()
                && released.owner != wanted.id
                && at < released.since.plus(USERNAME_RESERVATION)
        });
        let has = |held: &dyn Fn(&User) -> bool| {
            self.users()
                .any(|other| other.id != wanted.id && held(other))
        };
        let external_id = wanted.external_id.as_ref();
        let is_taken = |field: &UniqueField| match field {
            UniqueField::Username => {
                is_reserved || has(&|other| other.username.skeleton() == wanted.username.skeleton())
            }
            UniqueField::Email => has(&|other| other.email.key() == wanted.email.key()),
            UniqueField::ExternalId => {
                external_id.is_some() && has(&|other| other.external_id.as_ref() == external_id)
            }
        };
        let mut taken = UniqueField::ALL.into_iter().filter(is_taken);
        let Some(first) = taken.next() else {
            return Ok(());
        };
        Err(WriteError::Taken(
            taken.fold(first.into(), TakenFields::and),
        ))
    }

    fn store(&mut self, applied: &Applied, context: &WriteContext) {
        let id = applied.user.id;
        self.users.insert(id, Arc::new(applied.user.clone()));
        self.log_user_event(applied.event.clone());
        match &applied.password {
            Some(PasswordWrite::Set(stored)) => {
                self.passwords.insert(id, stored.clone());
            }
            Some(PasswordWrite::Remove) => {
                self.passwords.remove(&id);
            }
            None => {}
        }
        if let Some(name) = &applied.released {
            self.release(name, id, context.at);
        }
        self.record(id.as_uuid(), context);
    }
}

impl LogEntry {
    fn user(&self) -> Option<&Event> {
        match self {
            Self::User(event) => Some(event),
            Self::Token(_) | Self::Relationship(_) => None,
        }
    }

    /// Returns the event if the user is its subject.
    fn about(&self, user: UserId) -> Option<UserEvent> {
        match self {
            Self::User(event) => (event.subject_id == user).then(|| UserEvent::User(event.clone())),
            Self::Relationship(event) => {
                (event.edge.from() == user).then(|| UserEvent::Relationship(event.clone()))
            }
            Self::Token(_) => None,
        }
    }

    fn token(&self) -> Option<ServiceTokenId> {
        match self {
            Self::User(_) | Self::Relationship(_) => None,
            Self::Token(event) => Some(event.token),
        }
    }

    fn at(&self) -> Timestamp {
        match self {
            Self::User(event) => event.at,
            Self::Token(event) => event.at,
            Self::Relationship(event) => event.at,
        }
    }
}
