//! Signatures and digests (HMAC-SHA-256), with one key for each purpose. All keys are derived from the sealing key.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::etag::EntityTags;
use crate::keyed_digest::{derive_key, digest, with_parts};

/// The keys of cursors, idempotency fingerprints and entity tags.
pub(crate) struct SigningKeys {
    cursors: Hmac<Sha256>,
    fingerprints: Hmac<Sha256>,
    entity_tags: EntityTags,
}

/// The bytes of the signature at the end of a cursor.
pub(crate) const TAG_LENGTH: usize = 16;

/// The fingerprint of a request without its body.
pub(crate) struct Fingerprint(Hmac<Sha256>);

impl SigningKeys {
    /// Derives the keys from the sealing key.
    pub(crate) fn new(sealing_key: &[u8; 32]) -> Self {
        Self {
            cursors: derive_key(sealing_key, "cursor"),
            fingerprints: derive_key(sealing_key, "idempotency fingerprint"),
            entity_tags: EntityTags::new(derive_key(sealing_key, "entity tag")),
        }
    }

    /// Returns the signature of a cursor over its position and the list that it is bound to.
    pub(crate) fn cursor_tag(&self, position: &[u8], bound_to: &[u8]) -> [u8; TAG_LENGTH] {
        let digest = digest(self.cursors.clone(), [position, bound_to]);
        let mut tag = [0; TAG_LENGTH];
        tag.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        tag
    }

    /// Whether a cursor has this signature. The comparison takes constant time.
    pub(crate) fn verify_cursor_tag(&self, position: &[u8], bound_to: &[u8], tag: &[u8]) -> bool {
        with_parts(self.cursors.clone(), [position, bound_to])
            .verify_truncated_left(tag)
            .is_ok()
            && tag.len() == TAG_LENGTH
    }

    /// Returns the generator and parser of entity tags.
    pub(crate) fn entity_tags(&self) -> &EntityTags {
        &self.entity_tags
    }

    /// Returns the fingerprint of a request without its body.
    pub(crate) fn fingerprint(&self, method: &str, path: &str, query: &str) -> Fingerprint {
        let parts = [method.as_bytes(), path.as_bytes(), query.as_bytes()];
        Fingerprint(with_parts(self.fingerprints.clone(), parts))
    }
}

impl Fingerprint {
    /// Returns the fingerprint of the request with this body.
    pub(crate) fn of(self, body: &[u8]) -> [u8; 32] {
        digest(self.0, [body])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_depends_on_each_part_and_its_length() {
        let fingerprint = |key: u8, method: &str, path: &str, query: &str, body: &[u8]| {
            let keys = SigningKeys::new(&[key; 32]);
            keys.fingerprint(method, path, query).of(body)
        };
        let one = fingerprint(7, "POST", "/v1/users", "", b"{}");
        assert_eq!(one, fingerprint(7, "POST", "/v1/users", "", b"{}"));
        assert_ne!(one, fingerprint(7, "PUT", "/v1/users", "", b"{}"));
        assert_ne!(one, fingerprint(7, "POST", "/v1/user", "s", b"{}"));
        assert_ne!(one, fingerprint(7, "POST", "/v1/users", "", b"{} "));
        assert_ne!(one, fingerprint(8, "POST", "/v1/users", "", b"{}"));
    }

    #[test]
    fn a_cursor_tag_is_valid_only_whole_and_for_its_list() {
        let keys = SigningKeys::new(&[7; 32]);
        let tag = keys.cursor_tag(b"here", b"filter");
        assert!(keys.verify_cursor_tag(b"here", b"filter", &tag));
        assert!(!keys.verify_cursor_tag(b"here", b"filters", &tag));
        assert!(!keys.verify_cursor_tag(b"there", b"filter", &tag));
        assert!(!keys.verify_cursor_tag(b"here", b"filter", &tag[..15]));
        assert!(!keys.verify_cursor_tag(b"here", b"filter", b""));
    }
}
