//! Who asks.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tokio::time::Instant;
use tracing::Instrument;
use user_domain::caller::Caller;
use user_domain::use_cases::Credential;

use crate::api::Api;
use crate::problem::{Code, Problem};
use crate::trace;

const API_TOKEN: &str = "x-api-token";

/// Finds out who asks.
pub(super) async fn authenticate(
    api: &Api,
    request: &HttpRequest,
    received: Instant,
) -> Result<Caller, Problem> {
    let credential = shown(request.headers())?.into();
    let deadline = received + api.settings().deadlines.request;
    let authenticate = &api.use_cases().authenticate;
    let found = authenticate
        .run(&credential)
        .instrument(trace::use_case("authenticate"));
    tokio::time::timeout_at(deadline, found)
        .await
        .map_err(|_| Problem::overloaded())?
        .map_err(Into::into)
}

/// A credential as it stands in the header fields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown<'a> {
    ServiceToken(&'a str),
    Bearer(&'a str),
}

impl From<Shown<'_>> for Credential {
    fn from(shown: Shown<'_>) -> Self {
        match shown {
            Shown::ServiceToken(token) => Self::ServiceToken(token.to_owned()),
            Shown::Bearer(token) => Self::Bearer(token.to_owned()),
        }
    }
}

/// Takes the one credential out of the header fields.
pub(crate) fn shown(headers: &HeaderMap) -> Result<Shown<'_>, Problem> {
    let mut authorizations = headers.get_all(AUTHORIZATION);
    let mut tokens = headers.get_all(API_TOKEN);
    match (
        authorizations.next(),
        tokens.next(),
        authorizations.next(),
        tokens.next(),
    ) {
        (None, None, ..) => Err(missing()),
        (Some(authorization), None, None, _) => from_authorization(text(authorization)?),
        (None, Some(token), _, None) => match text(token)? {
            "" => Err(missing()),
            token => Ok(Shown::ServiceToken(token)),
        },
        _ => Err(Problem::new(
            Code::AmbiguousCredentials,
            "Send one credential only: one Authorization, or one X-API-Token.",
        )),
    }
}

/// Reads `Bearer x`, or a bare token as the platform's older services send it.
fn from_authorization(value: &str) -> Result<Shown<'_>, Problem> {
    match value.split_once(|c: char| c.is_ascii_whitespace()) {
        None if value.is_empty() => Err(missing()),
        None => Ok(Shown::ServiceToken(value)),
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Shown::Bearer(token.trim()))
        }
        Some(_) => Err(Problem::unauthenticated(
            Code::InvalidToken,
            "the scheme is not Bearer",
        )),
    }
}

fn text(value: &HeaderValue) -> Result<&str, Problem> {
    let unreadable = || Problem::unauthenticated(Code::InvalidToken, "the credential is not ASCII");
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| unreadable())?;
    text.is_ascii().then(|| text.trim()).ok_or_else(unreadable)
}

fn missing() -> Problem {
    Problem::unauthenticated(Code::MissingCredentials, "no credential")
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    fn read(fields: &[(&'static str, &'static str)]) -> Result<Credential, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        shown(&headers)
            .map(Credential::from)
            .map_err(|problem| problem.code())
    }

    #[test]
    fn each_form_of_a_credential_is_read() {
        let service = || Ok(Credential::ServiceToken("t".to_owned()));
        let bearer = || Ok(Credential::Bearer("t".to_owned()));
        assert_eq!(read(&[("x-api-token", "t")]), service());
        assert_eq!(read(&[("authorization", "t")]), service());
        for value in ["Bearer t", "bearer t", "BEARER   t ", "Bearer\tt"] {
            assert_eq!(read(&[("authorization", value)]), bearer(), "{value}");
        }
    }

    #[test]
    fn other_schemes_are_bad_and_none_is_missing() {
        assert_eq!(
            read(&[("authorization", "Basic dTpw")]),
            Err(Code::InvalidToken)
        );
        assert_eq!(read(&[]), Err(Code::MissingCredentials));
        assert_eq!(
            read(&[("authorization", "")]),
            Err(Code::MissingCredentials)
        );
        assert_eq!(read(&[("x-api-token", "")]), Err(Code::MissingCredentials));
    }

    #[test]
    fn two_credentials_are_ambiguous() {
        for fields in [
            [("authorization", "Bearer t"), ("x-api-token", "t")],
            [("authorization", "Bearer t"), ("authorization", "Bearer t")],
            [("x-api-token", "t"), ("x-api-token", "t")],
        ] {
            assert_eq!(read(&fields), Err(Code::AmbiguousCredentials), "{fields:?}");
        }
    }
}
