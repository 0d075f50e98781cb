//! The requested freshness: `Cache-Control` and `Pragma` of a request (RFC 9111, sections 5.2.1 and 5.4).

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, PRAGMA};
use user_domain::Freshness;

use super::RequestPart;
use crate::api::Api;
use crate::problem::Problem;

/// The freshness that the client requires.
pub(crate) struct RequestedFreshness(pub(crate) Freshness);

impl RequestPart for RequestedFreshness {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        Ok(Self(requested_freshness(request.headers())))
    }
}

/// Returns the freshness that a request requires. `no-cache` and `max-age=0` both require a read of the database.
///
/// Other directives and malformed ones are ignored. `Pragma` is used only without `Cache-Control`.
pub(crate) fn requested_freshness(headers: &HeaderMap) -> Freshness {
    let needs_current = if headers.contains_key(CACHE_CONTROL) {
        any_directive(headers, &CACHE_CONTROL, is_revalidation)
    } else {
        any_directive(headers, &PRAGMA, |name, _| {
            name.eq_ignore_ascii_case(b"no-cache")
        })
    };
    if needs_current {
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

/// Whether a directive of a field satisfies a predicate. The lines of the field are one list.
fn any_directive(
    headers: &HeaderMap,
    field: &HeaderName,
    predicate: impl Fn(&[u8], Option<&[u8]>) -> bool,
) -> bool {
    headers
        .get_all(field)
        .map(HeaderValue::as_bytes)
        .flat_map(members)
        .any(|directive| {
            let mut parts = directive.splitn(2, |byte| *byte == b'=');
            let name = parts.next().unwrap_or_default().trim_ascii();
            predicate(name, parts.next().map(unquoted))
        })
}

/// Splits a list at its commas, except at commas in double quotes.
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

/// Removes the quotes of an argument: the quoted and the unquoted form are equivalent.
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
        requested_freshness(&headers)
    }

    #[test]
    fn no_cache_and_max_age_0_require_the_database() {
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
    fn other_directives_allow_cached_values() {
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
    fn all_lines_of_the_field_are_read() {
        let lines = [(CACHE_CONTROL, "max-age=60"), (CACHE_CONTROL, "no-cache")];
        assert_eq!(of(&lines), Freshness::Current);
    }

    #[test]
    fn a_directive_that_is_not_ascii_is_ignored() {
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_bytes(b"\xff, no-cache").unwrap();
        headers.append(CACHE_CONTROL, line);
        assert_eq!(requested_freshness(&headers), Freshness::Current);
    }

    #[test]
    fn a_pragma_is_used_only_without_a_cache_control() {
        assert_eq!(of(&[(PRAGMA, "x, No-Cache")]), Freshness::Current);
        assert_eq!(of(&[(PRAGMA, "max-age=0")]), Freshness::Bounded);
        let both = [(PRAGMA, "no-cache"), (CACHE_CONTROL, "max-age=60")];
        assert_eq!(of(&both), Freshness::Bounded);
        let both = [(PRAGMA, "no-cache"), (CACHE_CONTROL, "")];
        assert_eq!(of(&both), Freshness::Bounded);
    }
}
