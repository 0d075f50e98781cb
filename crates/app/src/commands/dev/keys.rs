//! The signing key and the service token of `dev`. They are stored, so that tokens stay valid after a restart.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::sample::Sample;
use crate::compose::{ComposeError, create_folder};

const FILE: &str = "dev-keys";
/// Ten years, so that the tokens do not expire while the folder is in use.
const TOKEN_SECONDS: i64 = 10 * 366 * 24 * 60 * 60;

/// The keys of `dev`.
pub(super) struct Keys {
    signing_key: String,
    service_token: String,
}

/// Why the keys cannot be loaded or created.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    #[error(transparent)]
    Folder(#[from] ComposeError),
    #[error("data/{FILE} cannot be read or written: {0}")]
    File(#[from] io::Error),
    #[error("data/{FILE} is corrupt; remove it to create new keys")]
    Corrupt,
}

impl Keys {
    /// Loads the keys from a folder, or creates them there.
    pub(super) fn load_or_create(folder: &Path) -> Result<Self, KeysError> {
        create_folder(folder)?;
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).ok_or(KeysError::Corrupt),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(&path),
            Err(error) => Err(error.into()),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (signing_key, service_token) = text.trim_end().split_once('\n')?;
        let is_valid = signing_key.len() >= 32 && service_token.len() >= 16;
        is_valid.then(|| Self {
            signing_key: signing_key.to_owned(),
            service_token: service_token.to_owned(),
        })
    }

    fn create(path: &Path) -> Result<Self, KeysError> {
        let text = format!("{}\ndev-service-{}\n", random(32)?, random(18)?);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)?.write_all(text.as_bytes())?;
        Self::parse(&text).ok_or(KeysError::Corrupt)
    }

    pub(super) fn signing_key(&self) -> &str {
        &self.signing_key
    }

    pub(super) fn service_token(&self) -> &str {
        &self.service_token
    }

    /// Signs a token of a user. It is the same at every start, since it is issued at the creation time of the user.
    pub(super) fn token_of(&self, user: &Sample, roles: &[&str]) -> String {
        let issued = user.created_at.as_utc().timestamp();
        let claims = json!({
            "sub": user.id.to_string(),
            "roles": roles,
            "type": "access",
            "iat": issued,
            "exp": issued + TOKEN_SECONDS,
        });
        // Signing with HS256 cannot fail.
        encode(
            &Header::default(),
            &claims,
            &EncodingKey::from_secret(self.signing_key.as_bytes()),
        )
        .unwrap_or_default()
    }
}

fn random(bytes: usize) -> Result<String, KeysError> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).map_err(io::Error::other)?;
    Ok(URL_SAFE_NO_PAD.encode(buffer))
}
