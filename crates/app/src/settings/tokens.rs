//! Who is believed.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::Read;
use super::jwks::JwksSettings;
use super::reader::{Reader, Reported, comma_list};

/// The fewest bytes of a key for HMAC-SHA-256 (RFC 7518, section 3.2).
const SHORTEST_KEY: usize = 32;
const SHORTEST_UNREMARKED_TOKEN: usize = 16;
const NO_SEALING_KEY: &str = "is not set while JWT_SECRET_KEY is replaced: cursors, idempotency keys, what Redis holds and \
                              the names of service tokens begin afresh; the old secret as SEALING_KEY keeps them";

/// What the `sub` of a user's token is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JwtSubject {
    /// The user's id.
    Id,
    /// The user's `external_id`, as text or as a whole number.
    ExternalId,
}

/// Who is believed.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// The secret shared with the Auth Service (`JWT_SECRET_KEY`): its raw bytes, at least 32. There is one, or keys are
    /// published.
    pub jwt_secret_key: Option<SecretString>,
    /// The secret before it (`JWT_SECRET_KEY_PREVIOUS`), while tokens signed with it are still good.
    pub jwt_secret_key_previous: Option<SecretString>,
    /// Where keys are published, if anywhere.
    pub jwks: Option<JwksSettings>,
    /// What a token's `sub` is (`JWT_SUBJECT`).
    pub jwt_subject: JwtSubject,
    /// The `iss` a token must have (`JWT_ISSUER`).
    pub jwt_issuer: Option<String>,
    /// The `aud` a token must have (`JWT_AUDIENCE`).
    pub jwt_audience: Option<String>,
    /// How far the clocks may differ (`JWT_LEEWAY_SECONDS`), at most 5 s.
    pub jwt_leeway: Duration,
    /// The tokens of other services, with all scopes (`ALLOWED_API_TOKENS`).
    pub allowed_api_tokens: Vec<SecretString>,
    /// The key of cursors and fingerprints (`SEALING_KEY`); `None` is one derived from `jwt_secret_key`.
    pub sealing_key: Option<SecretString>,
    /// What all derived keys come from: `sealing_key`, or else `jwt_secret_key`.
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
        let is_short =
            |token: &SecretString| token.expose_secret().len() < SHORTEST_UNREMARKED_TOKEN;
        if allowed_api_tokens.iter().any(is_short) {
            reader.warn(
                "ALLOWED_API_TOKENS",
                "has a token under 16 characters, which can be guessed",
            );
        }
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
                "is unset, and so is JWT_ISSUER: whatever the published keys sign lets users in, for whomever it is meant",
            );
        }
        if let Some(previous) = &jwt_secret_key_previous {
            check_previous(reader, previous, jwt_secret_key.as_ref())?;
            if sealing_key.is_none() {
                reader.warn("SEALING_KEY", NO_SEALING_KEY);
            }
        }
        let Some(root) = sealing_key.clone().or_else(|| jwt_secret_key.clone()) else {
            return Err(reader.fault("SEALING_KEY", "is required without JWT_SECRET_KEY"));
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

    /// What all derived keys come from.
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
        None => Err(reader.fault(variable, "needs JWT_SECRET_KEY")),
        Some(current) if current.expose_secret() == previous.expose_secret() => {
            Err(reader.fault(variable, "is the same as JWT_SECRET_KEY"))
        }
        Some(_) => Ok(()),
    }
}

fn key(reader: &mut Reader, variable: &str) -> Result<Option<SecretString>, Reported> {
    let Some(text) = reader.verbatim(variable) else {
        return Ok(None);
    };
    if text.len() < SHORTEST_KEY {
        let reason = format!("must have at least {SHORTEST_KEY} bytes");
        return Err(reader.fault(variable, reason));
    }
    if text.trim() != text {
        reader.warn(
            variable,
            "begins or ends with white space, which counts as part of the key",
        );
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
    reason = "it stands where parsers that may fail stand"
)]
fn any_text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn api_tokens(text: &str) -> Result<Vec<SecretString>, String> {
    let tokens = comma_list(text);
    for (index, token) in tokens.iter().enumerate() {
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "entry {} has a character that is not visible ASCII, which no header can carry",
                index + 1
            ));
        }
    }
    Ok(tokens.into_iter().map(SecretString::from).collect())
}
