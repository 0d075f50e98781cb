//! Derives one key per purpose from the secret in the settings.

use hkdf::Hkdf;
use secrecy::ExposeSecret;
use sha2::Sha256;

use crate::settings::TokenSettings;

/// Derives a key (HKDF, RFC 5869) from `SEALING_KEY`, or else from `JWT_SECRET_KEY`.
pub(crate) fn derive<const BYTES: usize>(tokens: &TokenSettings, purpose: &str) -> [u8; BYTES] {
    let secret = tokens.root();
    let mut key = [0; BYTES];
    // It fails only for outputs of more than 255 blocks.
    let _ = Hkdf::<Sha256>::new(None, secret.expose_secret().as_bytes())
        .expand(purpose.as_bytes(), &mut key);
    key
}
