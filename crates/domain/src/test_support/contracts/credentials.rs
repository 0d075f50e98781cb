//! The promises of [`crate::ports::Credentials`] and [`crate::ports::LoginAttempts`], and of the writes of passwords.

mod attempts;
mod passwords;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

pub use attempts::*;
pub use passwords::*;

use super::{ImportUnderTest, StoreUnderTest};
use crate::ports::{Credentials, LoginAttempts, UserKey};
use crate::test_support::fakes::FakeStore;
use crate::values::{StoredPassword, UserId};

/// An empty store, read without a cache, and the ports of passwords on it.
#[derive(Clone)]
pub struct CredentialsUnderTest {
    /// The store.
    pub store: ImportUnderTest,
    /// What reads passwords.
    pub credentials: Arc<dyn Credentials>,
    /// What counts failures.
    pub attempts: Arc<dyn LoginAttempts>,
}

impl fmt::Debug for CredentialsUnderTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialsUnderTest")
    }
}

impl AsRef<Self> for CredentialsUnderTest {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Deref for CredentialsUnderTest {
    type Target = StoreUnderTest;

    fn deref(&self) -> &StoreUnderTest {
        &self.store
    }
}

impl Default for CredentialsUnderTest {
    /// Gives an empty [`FakeStore`].
    fn default() -> Self {
        let store = Arc::new(FakeStore::default());
        Self {
            credentials: store.clone(),
            attempts: store.clone(),
            store: store.into(),
        }
    }
}

impl CredentialsUnderTest {
    async fn password(&self, id: UserId) -> Option<StoredPassword> {
        let found = self.credentials.find_credential(&UserKey::Id(id)).await;
        found.expect("an answer").and_then(|found| found.password)
    }
}
