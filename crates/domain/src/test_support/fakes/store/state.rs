mod credentials;
mod relationships;
mod retention;
mod tokens;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::StoreError;
use crate::import::{self, Import, ImportOutcome, Known, Plan, RestingName};
use crate::lockout::Tries;
use crate::ports::{Changed, Changes, KeptToken, LogPosition, SchemaState, UserKey};
use crate::relationship::{Edge, RelationshipEvent};
use crate::service_token::TokenEvent;
use crate::user::{Actor, Applied, Change, Event, EventKind, PasswordWrite, User};
use crate::values::{PasswordOrigin, ServiceTokenId, StoredPassword, Timestamp, UserId, Username};
use crate::write::{
    Erased, IdempotencyKey, NAME_REST, UniqueField, WriteContext, WriteError, Written,
};

/// All that the fake keeps; each method is one transaction.
#[derive(Debug)]
pub(super) struct State {
    pub(super) schema: SchemaState,
    users: BTreeMap<UserId, Arc<User>>,
    passwords: HashMap<UserId, StoredPassword>,
    /// By account and source; of an identifier that nobody has by its text.
    tries: HashMap<(String, Option<String>), Tries>,
    /// Names that were given up, by their keys.
    resting: HashMap<String, Rest>,
    records: HashMap<(Actor, IdempotencyKey), Record>,
    tokens: BTreeMap<ServiceTokenId, KeptToken>,
    /// Since when.
    follows: BTreeMap<Edge, Timestamp>,
    blocks: BTreeMap<Edge, Timestamp>,
    /// By their numbers, of which some may be missing.
    events: BTreeMap<usize, Told>,
    /// The number of the next event.
    next: usize,
    /// The number behind the last event that was purged.
    purged: usize,
}

/// An event, by what it is about.
#[derive(Debug)]
enum Told {
    User(Event),
    Token(TokenEvent),
    Relationship(RelationshipEvent),
}

#[derive(Debug)]
struct Rest {
    skeleton: String,
    since: Timestamp,
    /// Who gave the name up, and alone may take it back.
    owner: UserId,
}

#[derive(Debug)]
struct Record {
    at: Timestamp,
    fingerprint: [u8; 32],
    user: UserId,
}

impl Default for State {
    fn default() -> Self {
        Self {
            schema: SchemaState::Ready,
            users: BTreeMap::new(),
            passwords: HashMap::new(),
            tries: HashMap::new(),
            resting: HashMap::new(),
            records: HashMap::new(),
            tokens: BTreeMap::new(),
            follows: BTreeMap::new(),
            blocks: BTreeMap::new(),
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
        self.users.values().find(|user| key.names(user)).cloned()
    }

    pub(super) fn events_about(&self, user: UserId) -> Vec<Event> {
        self.user_events()
            .filter(|event| event.subject_id == user)
            .cloned()
            .collect()
    }

    fn user_events(&self) -> impl Iterator<Item = &Event> {
        self.events.values().filter_map(Told::user)
    }

    /// Gives the number of the next event.
    pub(super) fn position(&self) -> LogPosition {
        LogPosition::from_store(self.next.to_string())
    }

    /// Gives the changes from the number of an event.
    pub(super) fn changes_since(&self, position: &LogPosition) -> Changes {
        let from = position.as_str().parse().ok();
        let known = from.filter(|from: &usize| (self.purged..=self.next).contains(from));
        let from = from.filter(|from| *from <= self.next).unwrap_or(self.next);
        let later = self.events.range(from..).map(|(_, told)| told);
        let later = later.filter(|told| !matches!(told, Told::Relationship(_)));
        let complete = known.is_some() && later.clone().count() <= Changes::MOST;
        let later = later.take(Changes::MOST);
        let changed = later.clone().filter_map(Told::user).map(|event| Changed {
            id: event.subject_id,
            version: event.version,
            at: event.at,
        });
        Changes {
            complete,
            changed: changed.collect(),
            tokens: later.filter_map(Told::token).collect(),
            position: self.position(),
        }
    }

    pub(super) fn add(
        &mut self,
        added: &Applied,
        context: &WriteContext,
    ) -> Result<Written, WriteError> {
        if let Some(user) = self.replay(context)? {
            return self.current(user).map(Written::Replayed);
        }
        if self.users.contains_key(&added.user.id) {
            return Err(StoreError::Internal("the id is taken".to_owned()).into());
        }
        self.expect_free(&added.user, context.at)?;
        self.store(added, context);
        Ok(Written::Applied(added.user.clone()))
    }

    pub(super) fn change(
        &mut self,
        id: UserId,
        change: &Change,
        context: &WriteContext,
    ) -> Result<Written, WriteError> {
        if let Some(user) = self.replay(context)? {
            return self.current(user).map(Written::Replayed);
        }
        let user = self.current(id)?;
        let Some(applied) = user.apply(change, context)? else {
            self.record(id, context);
            return Ok(Written::Unchanged(user));
        };
        self.expect_free(&applied.user, context.at)?;
        self.store(&applied, context);
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
        self.record(id, context);
        Ok(Erased::Applied)
    }

    fn remove(&mut self, user: &User, event: Event, at: Timestamp) {
        self.tell(event);
        self.users.remove(&user.id);
        self.passwords.remove(&user.id);
        self.forget_relationships(user.id);
        let account = user.id.to_string();
        self.tries.retain(|(of, _), _| *of != account);
        self.rest(&user.username, user.id, at);
    }

    fn tell(&mut self, event: Event) {
        self.number(Told::User(event));
    }

    fn number(&mut self, told: Told) {
        self.events.insert(self.next, told);
        self.next += 1;
    }

    /// Decides what becomes of a batch; all that is stored is known.
    pub(super) fn plan(&self, batch: &[Import]) -> Plan {
        let resting = self.resting.iter().map(|(key, rest)| RestingName {
            key: key.clone(),
            skeleton: rest.skeleton.clone(),
            owner: rest.owner,
            since: rest.since,
        });
        let erased = self
            .user_events()
            .filter(|event| event.kind == EventKind::Erased);
        let known = Known {
            users: self.users().cloned().collect(),
            resting: resting.collect(),
            erased: erased.map(|event| event.subject_id).collect(),
            imported_passwords: self
                .passwords
                .iter()
                .filter(|(_, stored)| stored.origin == PasswordOrigin::Imported)
                .map(|(user, stored)| (*user, stored.hash.clone()))
                .collect(),
        };
        import::plan(batch, known)
    }

    pub(super) fn import(&mut self, batch: &[Import]) -> Vec<ImportOutcome> {
        let plan = self.plan(batch);
        for user in plan.created.into_iter().chain(plan.updated) {
            self.users.insert(user.id, Arc::new(user));
        }
        self.passwords.extend(plan.passwords);
        for (name, owner, since) in &plan.released {
            self.rest(name, *owner, *since);
        }
        for event in plan.events {
            self.tell(event);
        }
        plan.outcomes
    }

    fn current(&self, id: UserId) -> Result<User, WriteError> {
        self.users
            .get(&id)
            .map(|user| user.as_ref().clone())
            .ok_or(WriteError::NotFound)
    }

    /// Finds whom the same write was about when it was done before.
    fn replay(&self, context: &WriteContext) -> Result<Option<UserId>, WriteError> {
        let Some(idempotency) = &context.idempotency else {
            return Ok(None);
        };
        let name = (context.actor.clone(), idempotency.key.clone());
        match self.records.get(&name) {
            Some(record) if context.at >= record.at.plus(IdempotencyKey::KEPT) => Ok(None),
            Some(record) if record.fingerprint != idempotency.fingerprint => {
                Err(WriteError::KeyReused)
            }
            Some(record) => Ok(Some(record.user)),
            None => Ok(None),
        }
    }

    fn record(&mut self, user: UserId, context: &WriteContext) {
        if let Some(idempotency) = &context.idempotency {
            let name = (context.actor.clone(), idempotency.key.clone());
            let record = Record {
                at: context.at,
                fingerprint: idempotency.fingerprint,
                user,
            };
            self.records.insert(name, record);
        }
    }

    fn expect_free(&self, wanted: &User, at: Timestamp) -> Result<(), WriteError> {
        // One name, however typed, has one skeleton.
        let rests = self.resting.values().any(|rest| {
            rest.skeleton == wanted.username.skeleton()
                && rest.owner != wanted.id
                && at < rest.since.plus(NAME_REST)
        });
        if rests {
            return Err(WriteError::Taken(UniqueField::Username));
        }
        let has = |held: &dyn Fn(&User) -> bool| {
            self.users()
                .any(|other| other.id != wanted.id && held(other))
        };
        let external_id = wanted.external_id.as_ref();
        if has(&|other| other.username.skeleton() == wanted.username.skeleton()) {
            Err(WriteError::Taken(UniqueField::Username))
        } else if has(&|other| other.email.key() == wanted.email.key()) {
            Err(WriteError::Taken(UniqueField::Email))
        } else if external_id.is_some() && has(&|other| other.external_id.as_ref() == external_id) {
            Err(WriteError::Taken(UniqueField::ExternalId))
        } else {
            Ok(())
        }
    }

    fn store(&mut self, applied: &Applied, context: &WriteContext) {
        let id = applied.user.id;
        self.users.insert(id, Arc::new(applied.user.clone()));
        self.tell(applied.event.clone());
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
            self.rest(name, id, context.at);
        }
        self.record(id, context);
    }

    fn rest(&mut self, name: &Username, owner: UserId, since: Timestamp) {
        let rest = Rest {
            skeleton: name.skeleton().to_owned(),
            since,
            owner,
        };
        self.resting.insert(name.key().to_owned(), rest);
    }
}

impl Told {
    fn user(&self) -> Option<&Event> {
        match self {
            Self::User(event) => Some(event),
            Self::Token(_) | Self::Relationship(_) => None,
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
