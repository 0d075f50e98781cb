//! The contract of [`crate::ports::Credentials`] and [`crate::ports::LoginAttempts`], and of password writes.

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

/// An empty store, read without a cache, and its ports for passwords.
#[derive(Clone)]
pub struct CredentialsUnderTest {
    /// The store.
    pub store: ImportUnderTest,
    /// Reads stored passwords.
    pub credentials: Arc<dyn Credentials>,
    /// Counts failed logins.
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
    /// Returns an empty [`FakeStore`].
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
        let found = self
            .credentials
            .find_credential(Some(UserKey::Id(id)))
            .await;
        found.expect("a result").and_then(|found| found.password)
    }
}
