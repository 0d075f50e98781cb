//! The claims of a token.

use chrono::DateTime;
use serde_json::{Map, Value};
use user_domain::Rejection;
use user_domain::ports::{UserKey, VerifiedToken};
use user_domain::values::{ExternalId, Role, Timestamp, UserId};

use super::{JwtOptions, JwtSubject};

/// The claims in which issuers state the kind of a token.
const KINDS: [&str; 4] = ["type", "token_use", "typ", "token_type"];
/// The values of these claims that mean an access token, compared without case.
const ACCESS: [&str; 3] = ["access", "bearer", "access_token"];

/// The checked claims of a token, and its validity period.
pub(super) struct Claims {
    pub(super) token: VerifiedToken,
    times: Times,
}

/// The validity period of a token, in seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// The later of `nbf` and `iat`.
    begins: Option<f64>,
    expires: f64,
}

/// Checks that a token is an access token, and that it is valid now.
///
/// The result depends only on the text of the token and the time, not on the signature. The client may therefore see
/// the reason.
pub(super) fn check_text(
    claims: &Map<String, Value>,
    options: &JwtOptions,
    now: Timestamp,
) -> Result<Times, Rejection> {
    check_kind(claims)?;
    let times = Times::read(claims)?;
    times.check(options, now)?;
    Ok(times)
}

/// Checks the other claims of a token. Unknown ones are ignored.
pub(super) fn check(
    claims: &Map<String, Value>,
    times: Times,
    options: &JwtOptions,
) -> Result<Claims, Rejection> {
    check_parties(claims, options)?;
    let token = VerifiedToken {
        subject: subject(claims, options.subject)?,
        claims_admin: claims_admin(claims)?,
        issued_at: seconds(claims, "iat")?.and_then(moment),
    };
    Ok(Claims { token, times })
}

impl Claims {
    /// Checks the validity period again. Nothing else about verified claims can change.
    pub(super) fn check_again(
        &self,
        options: &JwtOptions,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        self.times.check(options, now)
    }
}

impl Times {
    fn read(claims: &Map<String, Value>) -> Result<Self, Rejection> {
        let (not_before, issued) = (seconds(claims, "nbf")?, seconds(claims, "iat")?);
        Ok(Self {
            expires: seconds(claims, "exp")?.ok_or(Rejection::NoExpiry)?,
            begins: [not_before, issued].into_iter().flatten().reduce(f64::max),
        })
    }

    fn check(self, options: &JwtOptions, now: Timestamp) -> Result<(), Rejection> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the microseconds since 1970 fit in 53 bits"
        )]
        let now = now.as_utc().timestamp_micros() as f64 / 1e6;
        let leeway = f64::from(options.leeway_seconds);
        if now >= self.expires + leeway {
            return Err(Rejection::Expired);
        }
        if self.begins.is_some_and(|begins| now + leeway < begins) {
            return Err(Rejection::NotYetValid);
        }
        Ok(())
    }
}

fn check_parties(claims: &Map<String, Value>, options: &JwtOptions) -> Result<(), Rejection> {
    let issuer = string(claims, "iss")?;
    if options.issuer.is_some() && issuer != options.issuer.as_deref() {
        return Err(Rejection::WrongIssuer);
    }
    let audience = strings(claims, "aud", true)?;
    match (&options.audience, audience) {
        (None, _) => Ok(()),
        (Some(wanted), Some(audience)) if audience.contains(&wanted.as_str()) => Ok(()),
        (Some(_), _) => Err(Rejection::WrongAudience),
    }
}

/// Rejects refresh tokens, id tokens (OpenID Connect Core), logout tokens (OpenID Connect Back-Channel Logout) and
/// other tokens that are not access tokens.
fn check_kind(claims: &Map<String, Value>) -> Result<(), Rejection> {
    let means_access = |name: &&str| claims.get(*name).is_none_or(is_access);
    let is_logout_token = claims.contains_key("events");
    let is_id_token = claims.contains_key("nonce") && claims.contains_key("at_hash");
    if KINDS.iter().all(means_access) && !is_logout_token && !is_id_token {
        return Ok(());
    }
    Err(Rejection::NotAccessToken)
}

fn is_access(kind: &Value) -> bool {
    let is_named = |kind: &str| {
        ACCESS
            .iter()
            .any(|access| kind.eq_ignore_ascii_case(access))
    };
    kind.as_str().is_some_and(is_named)
}

fn subject(claims: &Map<String, Value>, names: JwtSubject) -> Result<UserKey, Rejection> {
    let unusable = || Rejection::InvalidSubject;
    match (names, claims.get("sub")) {
        (JwtSubject::Id, Some(Value::String(text))) => {
            UserId::parse(text).map(UserKey::Id).map_err(|_| unusable())
        }
        (JwtSubject::ExternalId, Some(Value::String(text))) => {
            external_id(text).ok_or_else(unusable)
        }
        (JwtSubject::ExternalId, Some(Value::Number(number)))
            if number.is_i64() || number.is_u64() =>
        {
            external_id(&number.to_string()).ok_or_else(unusable)
        }
        _ => Err(unusable()),
    }
}

fn external_id(text: &str) -> Option<UserKey> {
    ExternalId::parse(text).ok().map(UserKey::ExternalId)
}

fn claims_admin(claims: &Map<String, Value>) -> Result<bool, Rejection> {
    let roles = strings(claims, "roles", false)?.unwrap_or_default();
    Ok(roles.into_iter().any(|role| role == Role::admin().as_str()))
}

/// Reads a `NumericDate`: seconds since 1970, with an optional fraction.
fn seconds(claims: &Map<String, Value>, name: &'static str) -> Result<Option<f64>, Rejection> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_f64()
            .map(Some)
            .ok_or(Rejection::WrongClaimType(name)),
    }
}

fn string<'a>(
    claims: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, Rejection> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_str()
            .map(Some)
            .ok_or(Rejection::WrongClaimType(name)),
    }
}

/// Reads an array of strings, or a single string if `accepts_single`.
fn strings<'a>(
    claims: &'a Map<String, Value>,
    name: &'static str,
    accepts_single: bool,
) -> Result<Option<Vec<&'a str>>, Rejection> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(one)) if accepts_single => Ok(Some(vec![one])),
        Some(Value::Array(several)) => several
            .iter()
            .map(|one| one.as_str().ok_or(Rejection::WrongClaimType(name)))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(Rejection::WrongClaimType(name)),
    }
}

/// Converts a `NumericDate` to a timestamp, rounded down to microseconds.
fn moment(seconds: f64) -> Option<Timestamp> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a date out of range saturates, and is then no valid timestamp"
    )]
    let micros = (seconds * 1e6).floor() as i64;
    DateTime::from_timestamp_micros(micros).map(Timestamp::from_utc)
}
