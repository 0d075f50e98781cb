//! What a token says, once its signature holds.

use chrono::DateTime;
use serde_json::{Map, Value};
use user_domain::ports::{TokenRejected, UserKey, VerifiedToken};
use user_domain::values::{ExternalId, Role, Timestamp, UserId};

use super::{JwtOptions, JwtSubject, rejected};

/// What a token says, and when it may be believed.
pub(super) struct Claims {
    pub(super) token: VerifiedToken,
    times: Times,
}

/// From when to when a token holds, in seconds since 1970.
struct Times {
    begins: Option<f64>,
    expires: f64,
}

/// Checks the claims. Unknown ones are ignored.
pub(super) fn check(
    claims: &Map<String, Value>,
    options: &JwtOptions,
    now: Timestamp,
) -> Result<Claims, TokenRejected> {
    let times = Times::read(claims)?;
    times.check(options, now)?;
    check_parties(claims, options)?;
    check_kind(claims)?;
    let token = VerifiedToken {
        subject: subject(claims, options.subject)?,
        claims_admin: claims_admin(claims)?,
        issued_at: seconds(claims, "iat")?.and_then(moment),
    };
    Ok(Claims { token, times })
}

impl Claims {
    /// Checks again what alone can change about claims that have held before: the time.
    pub(super) fn check_again(
        &self,
        options: &JwtOptions,
        now: Timestamp,
    ) -> Result<(), TokenRejected> {
        self.times.check(options, now)
    }
}

impl Times {
    fn read(claims: &Map<String, Value>) -> Result<Self, TokenRejected> {
        Ok(Self {
            expires: seconds(claims, "exp")?.ok_or_else(|| rejected("it has no exp"))?,
            begins: seconds(claims, "nbf")?,
        })
    }

    fn check(&self, options: &JwtOptions, now: Timestamp) -> Result<(), TokenRejected> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the microseconds of this era fit 53 bits"
        )]
        let now = now.as_utc().timestamp_micros() as f64 / 1e6;
        let leeway = f64::from(options.leeway_seconds);
        if now >= self.expires + leeway {
            return Err(rejected("it has expired"));
        }
        if self.begins.is_some_and(|begins| now + leeway < begins) {
            return Err(rejected("it is not valid yet"));
        }
        Ok(())
    }
}

fn check_parties(claims: &Map<String, Value>, options: &JwtOptions) -> Result<(), TokenRejected> {
    let issuer = string(claims, "iss")?;
    if options.issuer.is_some() && issuer != options.issuer.as_deref() {
        return Err(rejected("its issuer is another"));
    }
    let audience = strings(claims, "aud", true)?;
    match (&options.audience, audience) {
        (None, _) => Ok(()),
        (Some(wanted), Some(audience)) if audience.contains(&wanted.as_str()) => Ok(()),
        (Some(_), _) => Err(rejected("its audience is another")),
    }
}

/// Refuses refresh tokens and the like, by either name that issuers use.
fn check_kind(claims: &Map<String, Value>) -> Result<(), TokenRejected> {
    for name in ["type", "token_use"] {
        if string(claims, name)?.is_some_and(|kind| kind != "access") {
            return Err(rejected("it is not an access token"));
        }
    }
    Ok(())
}

fn subject(claims: &Map<String, Value>, names: JwtSubject) -> Result<UserKey, TokenRejected> {
    let unusable = || rejected("its subject names nobody");
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

fn claims_admin(claims: &Map<String, Value>) -> Result<bool, TokenRejected> {
    let roles = strings(claims, "roles", false)?.unwrap_or_default();
    Ok(roles.into_iter().any(|role| role == Role::admin().as_str()))
}

/// Reads a `NumericDate`: seconds since 1970, perhaps with a fraction.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, TokenRejected> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| mistyped(name)),
    }
}

fn string<'a>(
    claims: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, TokenRejected> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| mistyped(name)),
    }
}

/// Reads an array of strings, or also a single one where `one_will_do`.
fn strings<'a>(
    claims: &'a Map<String, Value>,
    name: &str,
    one_will_do: bool,
) -> Result<Option<Vec<&'a str>>, TokenRejected> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(one)) if one_will_do => Ok(Some(vec![one])),
        Some(Value::Array(several)) => several
            .iter()
            .map(|one| one.as_str().ok_or_else(|| mistyped(name)))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(mistyped(name)),
    }
}

/// Gives the moment of a `NumericDate`, rounded down.
fn moment(seconds: f64) -> Option<Timestamp> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a date out of range saturates, and is then no moment"
    )]
    let micros = (seconds * 1e6).floor() as i64;
    DateTime::from_timestamp_micros(micros).map(Timestamp::from_utc)
}

fn mistyped(name: &str) -> TokenRejected {
    rejected(&format!("its {name} has another type"))
}
