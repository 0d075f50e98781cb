//! Digests under a key (HMAC-SHA-256).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Derives the key for one purpose.
pub(crate) fn derive_key(sealing_key: &[u8; 32], purpose: &str) -> Hmac<Sha256> {
    let key = digest(
        new_hmac(sealing_key),
        [b"user-service http".as_slice(), purpose.as_bytes()],
    );
    new_hmac(&key)
}

fn new_hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    Hmac::<Sha256>::new(&block)
}

/// Returns the digest of these parts under a key.
pub(crate) fn digest<const N: usize>(mac: Hmac<Sha256>, parts: [&[u8]; N]) -> [u8; 32] {
    with_parts(mac, parts).finalize().into_bytes().into()
}

/// Adds the parts, each after its length, so that different lists of parts have different input.
pub(crate) fn with_parts<const N: usize>(mut mac: Hmac<Sha256>, parts: [&[u8]; N]) -> Hmac<Sha256> {
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}
