//! Authentication of the caller.

use std::pin::pin;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use user_domain::Rejection;
use user_domain::caller::Caller;
use user_domain::use_cases::{AuthenticateError, Credential, FormerCaller};

use crate::api::Api;
use crate::deadline::run_until;
use crate::problem::{Code, Problem};

/// The header field of a service token.
pub(crate) const API_TOKEN: HeaderName = HeaderName::from_static("x-api-token");

/// Authenticates the caller.
pub(super) async fn authenticate(
    api: &Api,
    request: &HttpRequest,
    received: Instant,
) -> Result<Caller, Problem> {
    let credential = presented_credential(request.headers())?;
    let deadline = received + api.settings().deadlines.request;
    let authenticate = &api.use_cases().authenticate;
    let found = pin!(authenticate.run(&credential));
    run_until(deadline, "authenticate", found)
        .await?
        .map_err(Into::into)
}

/// Returns the former caller of a credential that is genuine but no longer accepted.
pub(super) async fn authenticate_former(
    api: &Api,
    request: &HttpRequest,
    received: Instant,
) -> Result<Option<FormerCaller>, Problem> {
    let credential = presented_credential(request.headers())?;
    let deadline = received + api.settings().deadlines.request;
    let former = api.use_cases().authenticate.former(&credential);
    match run_until(deadline, "authenticate_former", pin!(former)).await? {
        Err(AuthenticateError::Rejected(_)) => Ok(None),
        found => found.map_err(Into::into),
    }
}

/// Returns the only credential in the header fields.
pub(crate) fn presented_credential(headers: &HeaderMap) -> Result<Credential, Problem> {
    let mut authorizations = headers.get_all(AUTHORIZATION);
    let mut tokens = headers.get_all(API_TOKEN);
    match (
        authorizations.next(),
        tokens.next(),
        authorizations.next(),
        tokens.next(),
    ) {
        (None, None, ..) => Err(Problem::missing_credentials()),
        (Some(authorization), None, None, _) => from_authorization(text(authorization)?),
        (None, Some(token), _, None) => match text(token)? {
            "" => Err(Problem::missing_credentials()),
            token => Ok(Credential::ServiceToken(token.to_owned())),
        },
        _ => Err(Problem::new(
            Code::AmbiguousCredentials,
            "Send exactly one credential: one Authorization or one X-API-Token.",
        )),
    }
}

/// Parses `Bearer x`, or a token without a scheme, as older services of the platform send it.
fn from_authorization(value: &str) -> Result<Credential, Problem> {
    match value.split_once(|c: char| c.is_ascii_whitespace()) {
        None if value.is_empty() => Err(Problem::missing_credentials()),
        None => Ok(Credential::ServiceToken(value.to_owned())),
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Credential::Bearer(token.trim().to_owned()))
        }
        Some(_) => Err(Problem::rejected(Rejection::UnsupportedScheme)),
    }
}

fn text(value: &HeaderValue) -> Result<&str, Problem> {
    let unreadable = || Problem::rejected(Rejection::NotAscii);
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| unreadable())?;
    text.is_ascii().then(|| text.trim()).ok_or_else(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&'static str, &'static str)]) -> Result<Credential, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        presented_credential(&headers).map_err(|problem| problem.code())
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
    fn another_scheme_is_invalid_and_an_empty_credential_is_missing() {
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
