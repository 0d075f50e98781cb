//! Digests that are stored instead of texts that must not be readable in the database.
//!
//! Their key is the id of the store, which lives as long as the database and its copies. The digests therefore stay
//! comparable after any change of settings.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use user_domain::user::Actor;
use user_domain::values::Username;
use user_domain::write::IdempotencyKey;

/// The prefix of the digest of a name. No name starts with it, and it sorts before all names.
const NAME_PREFIX: &str = "#hmac-sha256:";
/// Sorts after every digest of a name and before every username.
pub(super) const AFTER_DIGESTS: &str = "$";
/// The prefix of the digest of an idempotency key. No key contains a space.
const KEY_PREFIX: &str = "sha256 ";

/// The digests of the names in one store.
#[derive(Clone)]
pub(super) struct NameDigests(Hmac<Sha256>);

impl NameDigests {
    /// Creates the digests of a store, keyed by its id.
    pub(super) fn of_store(id: &str) -> Self {
        let mut key = [0; 64];
        for (target, byte) in key.iter_mut().zip(Sha256::digest(id)) {
            *target = byte;
        }
        Self(Hmac::<Sha256>::new(&key.into()))
    }

    /// Returns the digest of a name's key.
    pub(super) fn key(&self, key: &str) -> String {
        self.of("username key", key)
    }

    /// Returns the digest of a name's skeleton.
    pub(super) fn skeleton(&self, skeleton: &str) -> String {
        self.of("username skeleton", skeleton)
    }

    /// Returns both stored forms of a name's key: while its former owner exists, and after its erasure.
    pub(super) fn keys(&self, name: &Username) -> [String; 2] {
        [name.key().to_owned(), self.key(name.key())]
    }

    /// Returns both stored forms of a name's skeleton.
    pub(super) fn skeletons(&self, name: &Username) -> [String; 2] {
        [name.skeleton().to_owned(), self.skeleton(name.skeleton())]
    }

    fn of(&self, kind: &str, text: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(kind.as_bytes());
        mac.update(b"\n");
        mac.update(text.as_bytes());
        hexadecimal(NAME_PREFIX, &mac.finalize().into_bytes())
    }
}

/// Whether a column holds the digest of a name.
pub(super) fn is_name_digest(text: &str) -> bool {
    text.starts_with(NAME_PREFIX)
}

/// Returns the digest of an idempotency key. It includes the caller, so that equal keys of two callers differ.
pub(super) fn idempotency_key(actor: &Actor, key: &IdempotencyKey) -> String {
    let digest = Sha256::new()
        .chain_update(actor.as_str())
        .chain_update(b"\n")
        .chain_update(key.as_str())
        .finalize();
    hexadecimal(KEY_PREFIX, &digest)
}

/// Returns bytes as hexadecimal digits after a prefix.
pub(super) fn hexadecimal(prefix: &str, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(prefix.len() + 2 * bytes.len());
    text.push_str(prefix);
    for byte in bytes {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use user_domain::test_support::samples::{user_id, username};

    use super::*;

    #[test]
    fn a_digest_depends_on_store_kind_and_text() {
        let (one, other) = (NameDigests::of_store("a"), NameDigests::of_store("b"));
        assert_eq!(one.key("ann"), NameDigests::of_store("a").key("ann"));
        assert_ne!(one.key("ann"), other.key("ann"));
        assert_ne!(one.key("ann"), one.skeleton("ann"));
        assert_ne!(one.key("ann"), one.key("anna"));
        assert!(!one.key("ann").contains("ann"));
    }

    #[test]
    fn digests_sort_before_all_names() {
        let digests = NameDigests::of_store("a");
        for name in ["ann", "0.9", "\u{e5}sa"] {
            let name = username(name);
            let [clear, digest] = digests.keys(&name);
            assert!(!is_name_digest(&clear) && is_name_digest(&digest));
            assert!(digest.as_str() < AFTER_DIGESTS && AFTER_DIGESTS < clear.as_str());
            assert!(is_name_digest(&digests.skeletons(&name)[1]));
        }
    }

    #[test]
    fn the_digest_of_a_key_is_no_key_and_depends_on_the_caller() {
        let (ann, bob) = (Actor::of_user(user_id()), Actor::of_user(user_id()));
        let key = IdempotencyKey::parse("secret").unwrap();
        let digest = idempotency_key(&ann, &key);
        assert!(IdempotencyKey::parse(&digest).is_err());
        assert!(!digest.contains("secret"));
        assert_eq!(digest, idempotency_key(&ann, &key));
        assert_ne!(digest, idempotency_key(&bob, &key));
    }
}
