//! Login attempts: failure counters, locks per identifier and source, and dummy hashes for unknown accounts.

pub(super) mod attempts;
mod dummy_hashes;

use std::sync::Arc;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use sea_orm::prelude::Uuid;
use sha2::Sha256;
use user_domain::StoreError;
use user_domain::lockout::{AccountAttempts, Lockout, LoginAttempt};
use user_domain::ports::{DummyHashes, HashingError, LoginAttempts, LoginLock};
use user_domain::values::{StoredPassword, Timestamp, UserId};

use super::keyed_locks::KeyedLocks;
use super::{Connections, SeaOrmUsers};
use attempts::CounterKey;
use dummy_hashes::HashSample;

/// The login attempts of a user store. Cheap to clone; clones share the locks and the sample.
#[derive(Clone)]
pub struct SeaOrmLogins {
    users: SeaOrmUsers,
    key: Hmac<Sha256>,
    locks: Arc<KeyedLocks<Uuid>>,
    sample: Arc<HashSample>,
}

impl SeaOrmLogins {
    /// Creates the login attempts of a store. Sources and unknown identifiers are stored as digests under `key`, which
    /// all replicas share. `dummy_hash` is used until the first sample is taken.
    pub fn new(users: SeaOrmUsers, key: &[u8; 64], dummy_hash: StoredPassword) -> Self {
        Self {
            users,
            key: Hmac::<Sha256>::new(key.into()),
            locks: Arc::default(),
            sample: Arc::new(HashSample::new(dummy_hash)),
        }
    }

    /// Replaces the sample of stored password hashes, for [`DummyHashes`].
    ///
    /// # Errors
    /// Those of the store; the previous sample stays.
    pub async fn refresh_dummy_hashes(&self) -> Result<(), StoreError> {
        let passwords = dummy_hashes::read_sample(&self.connections().reads);
        let sampled = self.users.timed("sample_passwords", passwords).await;
        sampled.map(|passwords| self.sample.replace(passwords))
    }

    fn connections(&self) -> &Connections {
        &self.users.connections
    }

    async fn update_counters(
        &self,
        name: &'static str,
        attempt: &LoginAttempt,
        at: Timestamp,
        update: impl FnOnce(Lockout) -> Lockout,
    ) -> Result<Lockout, StoreError> {
        let counters = CounterKey::of(&self.key, attempt);
        let work = attempts::update(&self.connections().writes, &counters, at, update);
        self.users.timed(name, work).await
    }
}

#[async_trait]
impl LoginAttempts for SeaOrmLogins {
    async fn lock(&self, attempt: &LoginAttempt) -> Result<LoginLock, HashingError> {
        let key = attempts::lock_key(&self.key, attempt);
        let lock = self.locks.lock(key).await;
        lock.map(LoginLock::new).map_err(|_| HashingError::Busy)
    }

    async fn lockout(&self, attempt: &LoginAttempt) -> Result<Lockout, StoreError> {
        let counters = CounterKey::of(&self.key, attempt);
        let work = attempts::lockout(&self.connections().reads, &counters);
        self.users.timed("find_login_attempts", work).await
    }

    async fn fail(&self, attempt: &LoginAttempt, at: Timestamp) -> Result<Lockout, StoreError> {
        self.update_counters("count_login_failure", attempt, at, |lockout| {
            lockout.failed(at)
        })
        .await
    }

    async fn succeed(&self, attempt: &LoginAttempt, at: Timestamp) -> Result<bool, StoreError> {
        let mut is_admitted = false;
        let update = |lockout: Lockout| {
            is_admitted = lockout.admits(at);
            if is_admitted {
                lockout.succeeded(at)
            } else {
                lockout
            }
        };
        self.update_counters("note_login", attempt, at, update)
            .await?;
        Ok(is_admitted)
    }

    async fn of_user(&self, user: UserId, at: Timestamp) -> Result<AccountAttempts, StoreError> {
        let work = attempts::of_user(&self.connections().reads, user, at);
        self.users.timed("find_login_attempts", work).await
    }

    async fn clear(&self, user: UserId) -> Result<(), StoreError> {
        let work = attempts::clear(&self.connections().writes, user);
        self.users.timed("clear_login_attempts", work).await
    }
}

impl DummyHashes for SeaOrmLogins {
    fn for_identifier(&self, identifier: &str) -> StoredPassword {
        // The prefix predates the name of the trait; a change would change the hash of each identifier.
        let mut digest = self.key.clone();
        digest.update(b"decoy\n");
        digest.update(identifier.as_bytes());
        self.sample.pick(&digest.finalize().into_bytes())
    }
}
