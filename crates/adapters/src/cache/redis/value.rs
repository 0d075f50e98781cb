//! What Redis keeps of a user: a line that says what it is, and the user's row as JSON.
//!
//! The line is sealed: whoever may write into Redis makes nobody an administrator.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use user_domain::user::User;
use user_domain::values::UserId;

use crate::cache::first_tier::version_of;
use crate::sea_orm::entities::users::Model;
use crate::sea_orm::row;

/// The form of a value. A release that changes it raises it; rows of other columns are refused besides.
const SCHEMA: &str = "3";
/// The bytes of a seal (HMAC-SHA-256, truncated).
const SEAL: usize = 16;

/// What a value says: a user, or that there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept(pub(super) Option<Arc<User>>);

/// Writes and reads values under one key.
#[derive(Clone)]
pub(super) struct Values {
    seal: Hmac<Sha256>,
}

impl Values {
    /// Seals with a key that the replicas share.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        // HMAC fills a shorter key up with zeros.
        let mut block = [0; 64];
        for (place, byte) in block.iter_mut().zip(key) {
            *place = *byte;
        }
        Self {
            seal: Hmac::<Sha256>::new(&block.into()),
        }
    }

    /// Writes `schema epoch id version seal`, and the row of a user that exists.
    pub(super) fn encode(
        &self,
        epoch: &str,
        id: UserId,
        user: Option<&Arc<User>>,
    ) -> Option<Vec<u8>> {
        let head = format!("{SCHEMA} {epoch} {id} {}", version_of(user));
        let row = match user {
            Some(user) => serde_json::to_vec(&row::to_row(user)).ok()?,
            None => Vec::new(),
        };
        let seal = seal_text(self.sealing(head.as_bytes(), &row))?;
        Some([head.as_bytes(), b" ", seal.as_bytes(), b"\n", &row].concat())
    }

    /// Reads a value. Whatever is not exactly what this release wrote, in this epoch, about this user, is nothing.
    pub(super) fn decode(&self, value: &[u8], epoch: &str, id: UserId) -> Option<Kept> {
        let split = value.iter().position(|byte| *byte == b'\n')?;
        let (line, row) = value.split_at_checked(split)?;
        let row = row.get(1..).unwrap_or_default();
        let (head, seal) = std::str::from_utf8(line).ok()?.rsplit_once(' ')?;
        self.sealing(head.as_bytes(), row)
            .verify_truncated_left(&seal_bytes(seal)?)
            .ok()?;
        let mut words = head.split(' ');
        if words.next() != Some(SCHEMA) || words.next() != Some(epoch) {
            return None;
        }
        let named = words.next()?;
        let version: i64 = words.next()?.parse().ok()?;
        if named != id.to_string() || words.next().is_some() {
            return None;
        }
        if version == 0 {
            return row.is_empty().then_some(Kept(None));
        }
        let row: Model = serde_json::from_slice(row).ok()?;
        let user = row::to_user(row).ok()?;
        (user.id == id && user.version.get() == version).then(|| Kept(Some(Arc::new(user))))
    }

    /// The line's end keeps the two apart.
    fn sealing(&self, head: &[u8], row: &[u8]) -> Hmac<Sha256> {
        let mut seal = self.seal.clone();
        for part in [head, b"\n", row] {
            seal.update(part);
        }
        seal
    }
}

/// Writes a seal.
fn seal_text(seal: Hmac<Sha256>) -> Option<String> {
    let bytes = seal.finalize().into_bytes();
    bytes.get(..SEAL).map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads a seal, which is of one length.
fn seal_bytes(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    (bytes.len() == SEAL).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use user_domain::test_support::samples;

    use super::*;

    fn values() -> Values {
        Values::new(&[7; 32])
    }

    fn written() -> (Arc<User>, Vec<u8>) {
        let user = samples::registered(&samples::awkward_user("alice"), &samples::context()).user;
        let user = Arc::new(user);
        let value = values().encode("e/1", user.id, Some(&user)).unwrap();
        (user, value)
    }

    /// Seals what the test has made of a line and a row.
    fn sealed(head: &str, row: &str) -> String {
        let seal = seal_text(values().sealing(head.as_bytes(), row.as_bytes())).unwrap();
        format!("{head} {seal}\n{row}")
    }

    #[test]
    fn a_user_survives_exactly() {
        let (user, value) = written();
        assert_eq!(
            values().decode(&value, "e/1", user.id),
            Some(Kept(Some(user)))
        );
    }

    #[test]
    fn an_absence_survives() {
        let id = samples::user_id();
        let value = values().encode("e/1", id, None).unwrap();
        assert_eq!(values().decode(&value, "e/1", id), Some(Kept(None)));
        let with_more = sealed(&format!("3 e/1 {id} 0"), "{}");
        assert_eq!(values().decode(with_more.as_bytes(), "e/1", id), None);
    }

    #[test]
    fn whatever_is_not_sealed_is_nothing() {
        let (user, value) = written();
        for place in 0..value.len() {
            let mut spoilt = value.clone();
            spoilt[place] ^= 1;
            assert_eq!(
                values().decode(&spoilt, "e/1", user.id),
                None,
                "byte {place}"
            );
            assert_eq!(
                values().decode(&value[..place], "e/1", user.id),
                None,
                "to {place}"
            );
        }
        let other = Values::new(&[8; 32]);
        assert_eq!(other.decode(&value, "e/1", user.id), None, "another key");
        for text in ["", "\n", "garbage", "3 e/1 x 1\n{}", "2 e/1 x 1 \n{}"] {
            assert_eq!(
                values().decode(text.as_bytes(), "e/1", user.id),
                None,
                "{text}"
            );
        }
        assert_eq!(values().decode(&[0xff, 0xfe, b'\n'], "e/1", user.id), None);
    }

    #[test]
    fn what_is_sealed_and_something_else_is_nothing() {
        let (user, value) = written();
        assert_eq!(
            values().decode(&value, "e/2", user.id),
            None,
            "another epoch"
        );
        let other = UserId::from_uuid(uuid::Uuid::nil());
        assert_eq!(
            values().decode(&value, "e/1", other),
            None,
            "another user's"
        );
        let text = String::from_utf8(value).unwrap();
        let row = text.split_once('\n').unwrap().1;
        let id = user.id;
        let later_row = row.replacen("{\"id\"", "{\"new_in_the_next_release\":1,\"id\"", 1);
        let others_row = row.replacen(&id.to_string(), &other.to_string(), 1);
        let broken_row = row.replacen("\"standing\":\"suspended\"", "\"standing\":\"wobbly\"", 1);
        for (head, row) in [
            (format!("1 e/1 {id} 1"), row),
            (format!("3 e/1 {id} 2"), row),
            (format!("3 e/1 {id} 0"), row),
            (format!("3 e/1 {id} x"), row),
            (format!("3 e/1 {id} 1 1"), row),
            (format!("3 e/1 {id}"), row),
            (format!("3 e/1 {id} 1"), ""),
            (format!("3 e/1 {id} 1"), "[]"),
            (format!("3 e/1 {id} 1"), &later_row),
            (format!("3 e/1 {id} 1"), &others_row),
            (format!("3 e/1 {id} 1"), &broken_row),
        ] {
            let value = sealed(&head, row);
            assert_ne!(value, text, "nothing was spoilt");
            assert_eq!(
                values().decode(value.as_bytes(), "e/1", id),
                None,
                "{value}"
            );
        }
        let same = sealed(&format!("3 e/1 {id} 1"), row);
        assert!(values().decode(same.as_bytes(), "e/1", id).is_some());
    }
}
