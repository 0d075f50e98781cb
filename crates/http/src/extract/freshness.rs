//! How young an answer must be: `Cache-Control` and `Pragma` of a request (RFC 9111, sections 5.2.1 and 5.4).

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, PRAGMA};
use user_domain::Freshness;

use super::Part;
use crate::api::Api;
use crate::problem::Problem;

/// How young the client wants the answer.
pub(crate) struct Fresh(pub(crate) Freshness);

impl Part for Fresh {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        Ok(Self(freshness(request.headers())))
    }
}

/// Reads `no-cache` and `max-age=0`, which here mean the same: to ask the database is to validate.
///
/// Every other directive, and what cannot be read, changes nothing. `Pragma` counts only for clients that do not know
/// `Cache-Control`.
pub(crate) fn freshness(headers: &HeaderMap) -> Freshness {
    let wants_current = if headers.contains_key(CACHE_CONTROL) {
        any_directive(headers, &CACHE_CONTROL, is_revalidation)
    } else {
        any_directive(headers, &PRAGMA, |name, _| {
            name.eq_ignore_ascii_case(b"no-cache")
        })
    };
    if wants_current {
        Freshness::Current
    } else {
        Freshness::Bounded
    }
}

fn is_revalidation(name: &[u8], argument: Option<&[u8]>) -> bool {
    let is_zero = |digits: &[u8]| !digits.is_empty() && digits.iter().all(|digit| *digit == b'0');
    name.eq_ignore_ascii_case(b"no-cache")
        || (name.eq_ignore_ascii_case(b"max-age") && argument.is_some_and(is_zero))
}

/// Tells whether one of the directives of a field, whose lines are one list, passes.
fn any_directive(
    headers: &HeaderMap,
    field: &HeaderName,
    passes: impl Fn(&[u8], Option<&[u8]>) -> bool,
) -> bool {
    headers
        .get_all(field)
        .map(HeaderValue::as_bytes)
        .flat_map(members)
        .any(|directive| {
            let mut parts = directive.splitn(2, |byte| *byte == b'=');
            let name = parts.next().unwrap_or_default().trim_ascii();
            passes(name, parts.next().map(unquoted))
        })
}

/// Splits a list at its commas; one within double quotes is part of a text.
fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    line.split(move |byte| {
        let escapes = is_quoted && !is_escaped && *byte == b'\\';
        if *byte == b'"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = escapes;
        *byte == b',' && !is_quoted
    })
}

/// Takes an argument out of its quotes: both forms mean the same.
fn unquoted(argument: &[u8]) -> &[u8] {
    let argument = argument.trim_ascii();
    argument
        .strip_prefix(b"\"")
        .and_then(|argument| argument.strip_suffix(b"\""))
        .unwrap_or(argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(HeaderName, &'static str)]) -> Freshness {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name.clone(), HeaderValue::from_static(line));
        }
        freshness(&headers)
    }

    #[test]
    fn a_request_that_wants_validation_is_for_the_store() {
        for line in [
            "no-cache",
            "NO-Cache",
            " no-cache ",
            "max-age=0",
            "Max-Age=0",
            "max-age=000",
            "max-age=\"0\"",
            "max-age = 0",
            "no-store, no-cache",
            "max-age=60,no-cache",
            ",, no-cache,",
            "x=\"a, b\", no-cache",
            "x=\"a\\\", b\",no-cache",
            "no-cache=\"set-cookie\"",
        ] {
            assert_eq!(of(&[(CACHE_CONTROL, line)]), Freshness::Current, "{line}");
        }
    }

    #[test]
    fn every_other_request_is_content_with_the_caches_bound() {
        assert_eq!(of(&[]), Freshness::Bounded);
        for line in [
            "",
            "no-store",
            "max-age=60",
            "max-age=01",
            "max-age=",
            "max-age",
            "max-age=\"\"",
            "max-age=-0",
            "max-stale=0",
            "no-cached",
            "x=no-cache",
            "x=\"a, no-cache\"",
            "x=\"a\\\", no-cache",
            "only-if-cached",
        ] {
            assert_eq!(of(&[(CACHE_CONTROL, line)]), Freshness::Bounded, "{line}");
        }
    }

    #[test]
    fn each_line_of_the_field_counts() {
        let lines = [(CACHE_CONTROL, "max-age=60"), (CACHE_CONTROL, "no-cache")];
        assert_eq!(of(&lines), Freshness::Current);
    }

    #[test]
    fn what_is_not_ascii_is_passed_over() {
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_bytes(b"\xff, no-cache").unwrap();
        headers.append(CACHE_CONTROL, line);
        assert_eq!(freshness(&headers), Freshness::Current);
    }

    #[test]
    fn a_pragma_counts_only_without_a_cache_control() {
        assert_eq!(of(&[(PRAGMA, "x, No-Cache")]), Freshness::Current);
        assert_eq!(of(&[(PRAGMA, "max-age=0")]), Freshness::Bounded);
        let both = [(PRAGMA, "no-cache"), (CACHE_CONTROL, "max-age=60")];
        assert_eq!(of(&both), Freshness::Bounded);
        let both = [(PRAGMA, "no-cache"), (CACHE_CONTROL, "")];
        assert_eq!(of(&both), Freshness::Bounded);
    }
}
