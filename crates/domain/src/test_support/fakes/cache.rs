use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::ports::{FreshnessSource, Hit, Lease, Lookup, MissReason, Tier, UserCache, UserKey};
use crate::user::User;
use crate::values::{UserId, UsernameKey};

/// An in-memory cache that fulfills the contract. It never evicts, and no reader waits for another.
#[derive(Debug, Default)]
pub struct FakeCache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<UserId, Option<Arc<User>>>,
    /// The number of writes to each user. A lease from before the latest write is invalid.
    writes: HashMap<UserId, u64>,
    hints: HashMap<UserKey, UserId>,
}

/// The number of writes to the user when the lease was taken.
struct LeaseToken(u64);

impl State {
    fn lease_for(&self, id: UserId) -> Lease {
        Lease::new(
            id,
            LeaseToken(self.writes.get(&id).copied().unwrap_or_default()),
        )
    }

    fn remember(&mut self, user: &Arc<User>) {
        self.known.insert(user.id, Some(user.clone()));
        self.remember_names(user);
    }

    fn remember_names(&mut self, user: &User) {
        let key = UsernameKey::from(&user.username);
        self.hints.insert(UserKey::Username(key), user.id);
        if let Some(id) = &user.external_id {
            self.hints.insert(UserKey::ExternalId(id.clone()), user.id);
        }
    }

    /// Removes a value older than a revision and invalidates all leases of the user.
    fn require_revision(&mut self, id: UserId, revision: i64) {
        *self.writes.entry(id).or_default() += 1;
        let known = self.known.get(&id);
        if known.is_some_and(|known| revision_of(known.as_ref()) < revision) {
            self.known.remove(&id);
        }
    }
}

impl FakeCache {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn revision_of(user: Option<&Arc<User>>) -> i64 {
    user.map_or(0, |user| user.revision.get())
}

#[async_trait]
impl UserCache for FakeCache {
    async fn look_up(&self, ids: &[UserId]) -> Vec<Lookup> {
        let state = self.state();
        ids.iter()
            .map(|id| match state.known.get(id) {
                Some(user) => Lookup::Hit(Hit {
                    user: user.clone(),
                    tier: Tier::Process,
                    freshness_source: FreshnessSource::Store,
                }),
                None => Lookup::Miss(state.lease_for(*id), MissReason::Unknown),
            })
            .collect()
    }

    fn peek(&self, id: UserId) -> Option<Hit> {
        let user = self.state().known.get(&id).cloned()?;
        Some(Hit {
            user,
            tier: Tier::Process,
            freshness_source: FreshnessSource::Store,
        })
    }

    fn hint(&self, key: &UserKey) -> Option<UserId> {
        self.state().hints.get(key).copied()
    }

    fn lease(&self, id: UserId) -> Lease {
        self.state().lease_for(id)
    }

    fn fill(&self, lease: Lease, found: Option<Arc<User>>) {
        let mut state = self.state();
        let id = lease.id();
        let current = state.writes.get(&id).copied().unwrap_or_default();
        let older = state
            .known
            .get(&id)
            .is_some_and(|known| revision_of(known.as_ref()) > revision_of(found.as_ref()));
        if lease
            .into_token::<LeaseToken>()
            .is_none_or(|token| token.0 != current)
            || older
        {
            return;
        }
        match found {
            Some(user) => state.remember(&user),
            None => {
                state.known.insert(id, None);
            }
        }
    }

    fn observe(&self, user: &User) {
        let mut state = self.state();
        state.remember_names(user);
        state.require_revision(user.id, user.revision.get());
    }

    fn observe_absence(&self, id: UserId) {
        self.state().require_revision(id, i64::MAX);
    }

    async fn put(&self, lease: Lease, user: Arc<User>) {
        let mut state = self.state();
        let current = state.writes.get(&user.id).copied().unwrap_or_default();
        state.require_revision(user.id, user.revision.get());
        let is_latest = lease
            .into_token::<LeaseToken>()
            .is_some_and(|token| token.0 == current);
        if is_latest && !state.known.contains_key(&user.id) {
            state.remember(&user);
        }
    }

    async fn forget(&self, id: UserId) {
        self.state().require_revision(id, i64::MAX);
    }
}
