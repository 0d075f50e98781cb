//! The settings of the credentials of callers.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::Read;
use super::jwks::JwksSettings;
use super::reader::{Reader, Reported, comma_list};
use super::secrets::weakness;

/// The minimum length of a key for HMAC-SHA-256, in bytes (RFC 7518, section 3.2).
const MIN_KEY_BYTES: usize = 32;
/// The minimum length of a service token in characters: 64 bits in hexadecimal digits.
const MIN_TOKEN_CHARACTERS: usize = 16;
const NO_SEALING_KEY: &str = "is not set while JWT_SECRET_KEY is replaced: existing cursors, idempotency keys, Redis \
                              entries and derived names of service tokens become invalid; set it to the old secret \
                              to keep them";

/// What the `sub` of a user token contains.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JwtSubject {
    /// The id of the user.
    Id,
    /// The `external_id` of the user, as a string or an integer.
    ExternalId,
}

/// The settings of the credentials of callers.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// The secret with which the Auth Service signs its tokens (`JWT_SECRET_KEY`), at least 32 bytes. Required if no
    /// keys are published.
    pub jwt_secret_key: Option<SecretString>,
    /// The previous secret (`JWT_SECRET_KEY_PREVIOUS`), for as long as tokens signed with it are still valid.
    pub jwt_secret_key_previous: Option<SecretString>,
    /// Where keys are published. `None`: nowhere.
    pub jwks: Option<JwksSettings>,
    /// What the `sub` of a token contains (`JWT_SUBJECT`).
    pub jwt_subject: JwtSubject,
    /// The `iss` that a token must have (`JWT_ISSUER`).
    pub jwt_issuer: Option<String>,
    /// The value that the `aud` of a token must equal or include (`JWT_AUDIENCE`).
    pub jwt_audience: Option<String>,
    /// The largest accepted difference of the clocks (`JWT_LEEWAY_SECONDS`), at most 5 s.
    pub jwt_leeway: Duration,
    /// Tokens of other services, which have all scopes (`ALLOWED_API_TOKENS`).
    pub allowed_api_tokens: Vec<SecretString>,
    /// The key that signs pagination cursors and request fingerprints (`SEALING_KEY`). `None`: derived from
    /// `jwt_secret_key`.
    pub sealing_key: Option<SecretString>,
    /// The secret from which all keys are derived: `sealing_key`, or else `jwt_secret_key`.
    root: SecretString,
}

impl TokenSettings {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let jwt_secret_key = key(reader, "JWT_SECRET_KEY");
        let jwt_secret_key_previous = key(reader, "JWT_SECRET_KEY_PREVIOUS");
        let jwks = JwksSettings::read(reader);
        let jwt_subject = reader.required("JWT_SUBJECT", subject);
        let jwt_issuer = reader.optional("JWT_ISSUER", any_text);
        let jwt_audience = reader.optional("JWT_AUDIENCE", any_text);
        let jwt_leeway = reader.number("JWT_LEEWAY_SECONDS", 0..=5);
        let allowed_api_tokens = reader.optional("ALLOWED_API_TOKENS", api_tokens);
        let sealing_key = key(reader, "SEALING_KEY");

        let allowed_api_tokens = allowed_api_tokens?.unwrap_or_default();
        let (jwt_secret_key, sealing_key) = (jwt_secret_key?, sealing_key?);
        let jwt_secret_key_previous = jwt_secret_key_previous?;
        let jwks = jwks?;
        if jwt_secret_key.is_none() && jwks.is_none() {
            return Err(reader.missing("JWT_SECRET_KEY"));
        }
        let (jwt_issuer, jwt_audience) = (jwt_issuer?, jwt_audience?);
        if jwks.is_some() && jwt_issuer.is_none() && jwt_audience.is_none() {
            reader.warn(
                "JWT_AUDIENCE",
                "is unset, and so is JWT_ISSUER: every token signed with the published keys is accepted, also tokens for other audiences",
            );
        }
        if let Some(previous) = &jwt_secret_key_previous {
            check_previous(reader, previous, jwt_secret_key.as_ref())?;
            if sealing_key.is_none() {
                reader.warn("SEALING_KEY", NO_SEALING_KEY);
            }
        }
        let Some(root) = sealing_key.clone().or_else(|| jwt_secret_key.clone()) else {
            return Err(reader.report("SEALING_KEY", "is required without JWT_SECRET_KEY"));
        };
        Ok(Self {
            jwt_secret_key,
            jwt_secret_key_previous,
            jwks,
            jwt_subject: jwt_subject?,
            jwt_issuer,
            jwt_audience,
            jwt_leeway: Duration::from_secs(jwt_leeway?),
            allowed_api_tokens,
            sealing_key,
            root,
        })
    }

    /// Returns the secret from which all keys are derived.
    pub(crate) fn root(&self) -> &SecretString {
        &self.root
    }
}

fn check_previous(
    reader: &mut Reader,
    previous: &SecretString,
    current: Option<&SecretString>,
) -> Result<(), Reported> {
    let variable = "JWT_SECRET_KEY_PREVIOUS";
    match current {
        None => Err(reader.report(variable, "requires JWT_SECRET_KEY")),
        Some(current) if current.expose_secret() == previous.expose_secret() => {
            Err(reader.report(variable, "is the same as JWT_SECRET_KEY"))
        }
        Some(_) => Ok(()),
    }
}

fn key(reader: &mut Reader, variable: &str) -> Result<Option<SecretString>, Reported> {
    let Some(text) = reader.verbatim(variable) else {
        return Ok(None);
    };
    if text.len() < MIN_KEY_BYTES {
        let reason = format!("must have at least {MIN_KEY_BYTES} bytes");
        return Err(reader.report(variable, reason));
    }
    if let Some(weakness) = weakness(&text) {
        return Err(reader.report(variable, weakness));
    }
    Ok(Some(SecretString::from(text)))
}

fn subject(text: &str) -> Result<JwtSubject, String> {
    match text {
        "id" => Ok(JwtSubject::Id),
        "external_id" => Ok(JwtSubject::ExternalId),
        _ => Err("must be id or external_id".to_owned()),
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is used like the parsers that can fail"
)]
fn any_text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn api_tokens(text: &str) -> Result<Vec<SecretString>, String> {
    let tokens = comma_list(text);
    for (index, token) in tokens.iter().enumerate() {
        let entry = index + 1;
        if token.len() < MIN_TOKEN_CHARACTERS {
            return Err(format!(
                "entry {entry} has under {MIN_TOKEN_CHARACTERS} characters"
            ));
        }
        if let Some(weakness) = weakness(token) {
            return Err(format!("entry {entry} {weakness}"));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "entry {entry} has a character that is not visible ASCII, which a header cannot contain"
            ));
        }
    }
    Ok(tokens.into_iter().map(SecretString::from).collect())
}
