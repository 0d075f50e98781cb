use async_trait::async_trait;

use crate::ports::{DummyHashes, HashingError, PasswordHasher, Verdict};
use crate::values::{
    PasswordHash, PasswordOrigin, PreparedPassword, StoredPassword, SubmittedPassword,
};

/// A hasher whose hash is the plain password with the prefix `own:`, or `old:` for an imported password.
#[derive(Debug, Clone, Copy, Default)]
pub struct FakeHasher;

impl FakeHasher {
    /// Returns the stored form of a password.
    pub fn stored(password: &str) -> StoredPassword {
        StoredPassword {
            hash: PasswordHash::from_store(format!("own:{password}")),
            origin: PasswordOrigin::Own,
        }
    }

    /// Returns the stored form of a password that was imported from an older platform.
    pub fn imported(password: &str) -> StoredPassword {
        StoredPassword {
            hash: PasswordHash::from_store(format!("old:{password}")),
            origin: PasswordOrigin::Imported,
        }
    }
}

#[async_trait]
impl PasswordHasher for FakeHasher {
    async fn hash(&self, password: PreparedPassword) -> Result<PasswordHash, HashingError> {
        Ok(Self::stored(password.expose()).hash)
    }

    async fn verify(
        &self,
        password: SubmittedPassword,
        stored: StoredPassword,
    ) -> Result<Verdict, HashingError> {
        let hash = stored.hash.expose();
        let known = hash.split_once(':').map(|(_, known)| known);
        Ok(Verdict {
            matches: known == Some(password.expose()),
            is_outdated: !hash.starts_with("own:"),
        })
    }
}

impl DummyHashes for FakeHasher {
    fn for_identifier(&self, _: &str) -> StoredPassword {
        Self::stored("dummy")
    }
}
