//! Whom a password is compared with where there is nobody.
//!
//! A platform that moved here has hashes of several costs for a while. A stranger's name must not be known by how long its
//! refusal takes: it is compared with a password of somebody, drawn from a sample of all by a keyed digest of the name, so
//! that each name has one cost and all names have the costs that users have. What comes out of it is thrown away.

use std::sync::{Arc, PoisonError, RwLock};

use sea_orm::ConnectionTrait;
use user_domain::StoreError;
use user_domain::values::StoredPassword;

use crate::sea_orm::credentials;

/// How many passwords a sample has at most.
const SIZE: i64 = 64;
/// How many numbers there are to be drawn.
const DRAWS: i64 = 1 << 32;

/// Some of the passwords that users have, in an order that puts those of one cost together: names keep their costs while
/// the sample changes a little.
pub(super) struct Sample(RwLock<Arc<[StoredPassword]>>, StoredPassword);

impl Sample {
    /// A sample of this one.
    pub(super) fn of(one: StoredPassword) -> Self {
        Self(RwLock::new(Arc::new([one.clone()])), one)
    }

    /// Puts another sample in the place of this one; an empty one says nothing.
    pub(super) fn replace(&self, mut passwords: Vec<StoredPassword>) {
        if passwords.is_empty() {
            passwords.push(self.1.clone());
        }
        // The text of a hash begins with its algorithm and parameters.
        passwords.sort_by(|one, other| one.hash.expose().cmp(other.hash.expose()));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = passwords.into();
    }

    /// Draws one by a digest.
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
        let place = usize::try_from((number * length) >> 32).unwrap_or_default();
        sample.get(place).unwrap_or(&self.1).clone()
    }
}

/// Looks at passwords at even distances over all draws, which are spread evenly over all users: on every replica at
/// nearly the same.
pub(super) async fn look(db: &impl ConnectionTrait) -> Result<Vec<StoredPassword>, StoreError> {
    let mut sample = Vec::new();
    for number in 0..SIZE {
        match credentials::drawn(db, number * (DRAWS / SIZE)).await? {
            Some(password) => sample.push(password),
            // Behind the last draw comes the first.
            None => sample.extend(credentials::drawn(db, 0).await?),
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
    fn costs_are_drawn_as_often_as_users_have_them_and_stay_with_their_names() {
        let sample = Sample::of(stored("$argon2id$v=19$none"));
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
