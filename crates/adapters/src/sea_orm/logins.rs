//! Those who try to be let in: their failures, their turns, and whom a password is compared with where there is nobody.

pub(super) mod attempts;
mod decoys;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::time::timeout;
use user_domain::StoreError;
use user_domain::lockout::{Lockout, LoginAttempt, Tries};
use user_domain::ports::{Decoys, HashingError, LoginAttempts, LoginTurn};
use user_domain::values::{StoredPassword, Timestamp, UserId};

use super::{Connections, SeaOrmUsers, errors};
use attempts::Places;
use decoys::Sample;
use turns::Turns;

/// How long somebody waits for those who try as the same from the same source.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The logins of a store of users. Cheap to clone; clones share all.
#[derive(Clone)]
pub struct SeaOrmLogins {
    users: SeaOrmUsers,
    key: Hmac<Sha256>,
    turns: Arc<Turns>,
    sample: Arc<Sample>,
}

impl SeaOrmLogins {
    /// Counts failures beside the users of a store, and knows sources and strangers by digests under this key, which all
    /// replicas share. Until a sample is taken, the stand-in is of these costs.
    pub fn new(users: SeaOrmUsers, key: &[u8; 64], stand_in: StoredPassword) -> Self {
        Self {
            users,
            key: Hmac::<Sha256>::new(key.into()),
            turns: Arc::default(),
            sample: Arc::new(Sample::of(stand_in)),
        }
    }

    /// Takes a new sample of the passwords that users have, for [`Decoys`].
    ///
    /// # Errors
    /// The store's; the sample stays as it was.
    pub async fn sample(&self) -> Result<(), StoreError> {
        let passwords = decoys::look(&self.connections().reads);
        self.sample
            .replace(self.users.timed("sample_passwords", passwords).await?);
        Ok(())
    }

    fn connections(&self) -> &Connections {
        &self.users.connections
    }

    async fn change(
        &self,
        name: &'static str,
        attempt: &LoginAttempt,
        at: Timestamp,
        become_: impl FnOnce(Lockout) -> Lockout,
    ) -> Result<Lockout, StoreError> {
        let places = Places::of(&self.key, attempt);
        let work = attempts::change(&self.connections().writes, &places, at, become_);
        self.users
            .timed(name, work)
            .await
            .map_err(errors::unrefused)
    }
}

#[async_trait]
impl LoginAttempts for SeaOrmLogins {
    async fn enter(&self, attempt: &LoginAttempt) -> Result<LoginTurn, HashingError> {
        let place = attempts::turn(&self.key, attempt);
        timeout(PATIENCE, self.turns.enter(place))
            .await
            .map(LoginTurn::holding)
            .map_err(|_| HashingError::Busy)
    }

    async fn lockout(&self, attempt: &LoginAttempt) -> Result<Lockout, StoreError> {
        let places = Places::of(&self.key, attempt);
        let work = attempts::look(&self.connections().reads, &places);
        self.users.timed("find_login_attempts", work).await
    }

    async fn fail(&self, attempt: &LoginAttempt, at: Timestamp) -> Result<Lockout, StoreError> {
        self.change("count_login_failure", attempt, at, |lockout| {
            lockout.failed(at)
        })
        .await
    }

    async fn succeed(&self, attempt: &LoginAttempt, at: Timestamp) -> Result<bool, StoreError> {
        let mut is_admitted = false;
        let become_ = |lockout: Lockout| {
            is_admitted = lockout.admits(at);
            if is_admitted {
                lockout.succeeded(at)
            } else {
                lockout
            }
        };
        self.change("note_login", attempt, at, become_).await?;
        Ok(is_admitted)
    }

    async fn of_user(&self, user: UserId, at: Timestamp) -> Result<(Tries, u64), StoreError> {
        let work = attempts::of_user(&self.connections().reads, user, at);
        self.users.timed("find_login_attempts", work).await
    }

    async fn clear(&self, user: UserId) -> Result<(), StoreError> {
        let work = attempts::clear(&self.connections().writes, user);
        let cleared = self.users.timed("clear_login_attempts", work).await;
        cleared.map_err(errors::unrefused)
    }
}

impl Decoys for SeaOrmLogins {
    fn stand_in(&self, identifier: &str) -> StoredPassword {
        let mut digest = self.key.clone();
        digest.update(b"decoy\n");
        digest.update(identifier.as_bytes());
        self.sample.pick(&digest.finalize().into_bytes())
    }
}
