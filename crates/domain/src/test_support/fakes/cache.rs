use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::ports::{Hit, Lease, Lookup, Missed, Tier, UserCache, UserKey, Voucher};
use crate::user::User;
use crate::values::{UserId, UsernameKey};

/// A cache in memory that keeps the port's promises; it remembers everything and lets nobody wait for another.
#[derive(Debug, Default)]
pub struct FakeCache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<UserId, Option<Arc<User>>>,
    /// How often each user has been written: a lease taken before is void.
    written: HashMap<UserId, u64>,
    hints: HashMap<UserKey, UserId>,
}

/// The number of writes that the lease has seen.
struct Slip(u64);

impl State {
    fn leased(&self, id: UserId) -> Lease {
        Lease::new(id, Slip(self.written.get(&id).copied().unwrap_or_default()))
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

    /// Drops what is older than a version, and voids the leases.
    fn expect_at_least(&mut self, id: UserId, version: i64) {
        *self.written.entry(id).or_default() += 1;
        let known = self.known.get(&id);
        if known.is_some_and(|known| version_of(known.as_ref()) < version) {
            self.known.remove(&id);
        }
    }
}

impl FakeCache {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version_of(user: Option<&Arc<User>>) -> i64 {
    user.map_or(0, |user| user.version.get())
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
                    vouched_by: Voucher::Store,
                }),
                None => Lookup::Miss(state.leased(*id), Missed::Unknown),
            })
            .collect()
    }

    fn known(&self, id: UserId) -> Option<Hit> {
        let user = self.state().known.get(&id).cloned()?;
        Some(Hit {
            user,
            tier: Tier::Process,
            vouched_by: Voucher::Store,
        })
    }

    fn hint(&self, key: &UserKey) -> Option<UserId> {
        self.state().hints.get(key).copied()
    }

    fn lease(&self, id: UserId) -> Lease {
        self.state().leased(id)
    }

    fn fill(&self, lease: Lease, found: Option<Arc<User>>) {
        let mut state = self.state();
        let id = lease.id();
        let current = state.written.get(&id).copied().unwrap_or_default();
        let older = state
            .known
            .get(&id)
            .is_some_and(|known| version_of(known.as_ref()) > version_of(found.as_ref()));
        if lease
            .into_slip::<Slip>()
            .is_none_or(|slip| slip.0 != current)
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

    fn notice(&self, user: &User) {
        let mut state = self.state();
        state.remember_names(user);
        state.expect_at_least(user.id, user.version.get());
    }

    fn notice_absence(&self, id: UserId) {
        self.state().expect_at_least(id, i64::MAX);
    }

    async fn put(&self, lease: Lease, user: Arc<User>) {
        let mut state = self.state();
        let current = state.written.get(&user.id).copied().unwrap_or_default();
        state.expect_at_least(user.id, user.version.get());
        let is_latest = lease
            .into_slip::<Slip>()
            .is_some_and(|slip| slip.0 == current);
        if is_latest && !state.known.contains_key(&user.id) {
            state.remember(&user);
        }
    }

    async fn forget(&self, id: UserId) {
        self.state().expect_at_least(id, i64::MAX);
    }
}
