use async_trait::async_trait;

use crate::ports::{Decoys, HashingError, PasswordHasher, Verdict};
use crate::values::{
    PasswordHash, PasswordOrigin, PreparedPassword, StoredPassword, TypedPassword,
};

/// Hashes nothing: a hash is the password behind a mark, `own:` or, of an older platform, `old:`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FakeHasher;

impl FakeHasher {
    /// Gives what is stored of a password.
    pub fn stored(password: &str) -> StoredPassword {
        StoredPassword {
            hash: PasswordHash::from_store(format!("own:{password}")),
            origin: PasswordOrigin::Own,
        }
    }

    /// Gives what is stored of a password that an older platform hashed.
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
        password: TypedPassword,
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

impl Decoys for FakeHasher {
    fn stand_in(&self, _: &str) -> StoredPassword {
        Self::stored("of nobody")
    }
}
