//! Dummy hashes with which the passwords of unknown accounts are compared.
//!
//! After an import, stored hashes have several costs. The duration of a failed login must not reveal that an identifier
//! is unknown. Its password is therefore compared with a stored hash, and the result is discarded. A keyed digest of
//! the identifier selects the hash from a sample of all users. Each identifier has one cost, and the costs of all
//! identifiers are distributed like those of the users.

use std::sync::{Arc, PoisonError, RwLock};

use sea_orm::ConnectionTrait;
use user_domain::values::StoredPassword;

use crate::sea_orm::credentials;
use crate::sea_orm::errors::OperationError;

/// The maximum size of a sample.
const SAMPLE_SIZE: i64 = 64;
/// The number of possible values of the column `draw`.
const DRAWS: i64 = 1 << 32;

/// A sample of stored passwords, sorted by cost, so that most identifiers keep their cost when the sample changes a
/// little; and the hash that is used while no user has a password.
pub(super) struct HashSample(RwLock<Arc<[StoredPassword]>>, StoredPassword);

impl HashSample {
    /// Creates a sample that contains only the default.
    pub(super) fn new(default: StoredPassword) -> Self {
        Self(RwLock::new(Arc::new([default.clone()])), default)
    }

    /// Replaces the sample; an empty one is replaced by the default.
    pub(super) fn replace(&self, mut passwords: Vec<StoredPassword>) {
        if passwords.is_empty() {
            passwords.push(self.1.clone());
        }
        // A hash starts with its algorithm and parameters.
        passwords.sort_by(|one, other| one.hash.expose().cmp(other.hash.expose()));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = passwords.into();
    }

    /// Returns the password that a digest selects.
    pub(super) fn pick(&self, digest: &[u8]) -> StoredPassword {
        let sample = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let number = digest
            .iter()
            .take(4)
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let length = u64::try_from(sample.len()).unwrap_or(u64::MAX);
        let index = usize::try_from((number * length) >> 32).unwrap_or_default();
        sample.get(index).unwrap_or(&self.1).clone()
    }
}

/// Reads passwords at equal distances over the values of `draw`, which are distributed evenly over all users. All
/// replicas read nearly the same sample.
pub(super) async fn read_sample(
    db: &impl ConnectionTrait,
) -> Result<Vec<StoredPassword>, OperationError> {
    let mut sample = Vec::new();
    for number in 0..SAMPLE_SIZE {
        match credentials::first_from_draw(db, number * (DRAWS / SAMPLE_SIZE)).await? {
            Some(password) => sample.push(password),
            // After the last draw the first follows.
            None => sample.extend(credentials::first_from_draw(db, 0).await?),
        }
    }
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use user_domain::values::{PasswordHash, PasswordOrigin};

    use super::*;

    fn stored(hash: &str) -> StoredPassword {
        StoredPassword {
            hash: PasswordHash::from_store(hash.to_owned()),
            origin: PasswordOrigin::Imported,
        }
    }

    #[test]
    fn identifiers_keep_their_cost_and_are_distributed_like_users() {
        let sample = HashSample::new(stored("$argon2id$v=19$none"));
        assert_eq!(sample.pick(&[255; 32]), stored("$argon2id$v=19$none"));
        let with = |scrypts: usize| {
            let kind = |number| {
                if number < scrypts {
                    "scrypt:32768:8:1$"
                } else {
                    "$argon2id$"
                }
            };
            let hash = |number: usize| stored(&format!("{}{number}", kind(number)));
            sample.replace((0..64).map(hash).collect());
            let mut drawn = HashMap::new();
            for number in 0..=255_u8 {
                let picked = sample.pick(&[number, 0, 0, 0, 9]);
                drawn.insert(number, picked.hash.expose().starts_with("scrypt"));
            }
            drawn
        };
        let first = with(16);
        assert_eq!(first.values().filter(|is_scrypt| **is_scrypt).count(), 64);
        let second = with(15);
        let moved = first.iter().filter(|(name, kind)| second[name] != **kind);
        assert_eq!(moved.count(), 4);
        sample.replace(Vec::new());
        assert_eq!(sample.pick(&[0; 32]), stored("$argon2id$v=19$none"));
    }
}
