//! Keyed digests: one key for each purpose, all derived from the sealing key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The keys of this service's sealed values.
pub(crate) struct Seal {
    cursors: Hmac<Sha256>,
    fingerprints: Hmac<Sha256>,
}

/// The bytes of a tag at the end of a cursor.
pub(crate) const TAG_LENGTH: usize = 16;

impl Seal {
    /// Derives the keys.
    pub(crate) fn new(sealing_key: &[u8; 32]) -> Self {
        Self {
            cursors: derived(sealing_key, "cursor"),
            fingerprints: derived(sealing_key, "idempotency fingerprint"),
        }
    }

    /// Gives the tag of a cursor, over its own bytes and what it is bound to.
    pub(crate) fn cursor_tag(&self, position: &[u8], bound_to: &[u8]) -> [u8; TAG_LENGTH] {
        let digest = digest(self.cursors.clone(), [position, bound_to]);
        let mut tag = [0; TAG_LENGTH];
        tag.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        tag
    }

    /// Tells whether a cursor has the right tag, in a time that does not tell how much of it is right.
    pub(crate) fn is_cursor_tag(&self, position: &[u8], bound_to: &[u8], tag: &[u8]) -> bool {
        fed(self.cursors.clone(), [position, bound_to])
            .verify_truncated_left(tag)
            .is_ok()
            && tag.len() == TAG_LENGTH
    }

    /// Gives the fingerprint of a request.
    pub(crate) fn fingerprint(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &[u8],
    ) -> [u8; 32] {
        digest(
            self.fingerprints.clone(),
            [method.as_bytes(), path.as_bytes(), query.as_bytes(), body],
        )
    }
}

fn derived(sealing_key: &[u8; 32], purpose: &str) -> Hmac<Sha256> {
    let key = digest(
        keyed(sealing_key),
        [b"user-service http".as_slice(), purpose.as_bytes()],
    );
    keyed(&key)
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    Hmac::<Sha256>::new(&block)
}

fn digest<const N: usize>(mac: Hmac<Sha256>, parts: [&[u8]; N]) -> [u8; 32] {
    fed(mac, parts).finalize().into_bytes().into()
}

/// Feeds the parts, each behind its length, so that no two lists of parts are alike.
fn fed<const N: usize>(mut mac: Hmac<Sha256>, parts: [&[u8]; N]) -> Hmac<Sha256> {
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_depends_on_each_part_and_on_where_it_ends() {
        let seal = Seal::new(&[7; 32]);
        let one = seal.fingerprint("POST", "/v1/users", "", b"{}");
        assert_eq!(one, seal.fingerprint("POST", "/v1/users", "", b"{}"));
        assert_ne!(one, seal.fingerprint("PUT", "/v1/users", "", b"{}"));
        assert_ne!(one, seal.fingerprint("POST", "/v1/user", "s", b"{}"));
        assert_ne!(one, seal.fingerprint("POST", "/v1/users", "", b"{} "));
        assert_ne!(
            one,
            Seal::new(&[8; 32]).fingerprint("POST", "/v1/users", "", b"{}")
        );
    }

    #[test]
    fn a_cursors_tag_is_bound_and_whole() {
        let seal = Seal::new(&[7; 32]);
        let tag = seal.cursor_tag(b"here", b"filter");
        assert!(seal.is_cursor_tag(b"here", b"filter", &tag));
        assert!(!seal.is_cursor_tag(b"here", b"filters", &tag));
        assert!(!seal.is_cursor_tag(b"there", b"filter", &tag));
        assert!(!seal.is_cursor_tag(b"here", b"filter", &tag[..15]));
        assert!(!seal.is_cursor_tag(b"here", b"filter", b""));
    }
}
