//! Media types in `Content-Type` and `Accept`, as RFC 9110 (sections 8.3 and 12.5.1) defines them.

use actix_web::http::header::{ACCEPT, HeaderMap, HeaderValue};
use mediatype::names::{_STAR, CHARSET, HTML, Q, TEXT};
use mediatype::{MediaType, MediaTypeList, ReadParams as _};

pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

const TEXT_HTML: MediaType<'static> = MediaType::new(TEXT, HTML);

/// Whether a `Content-Type` is one of `types`, in UTF-8. Parameters other than `charset` are ignored.
pub(crate) fn is_utf8_of(content_type: &HeaderValue, types: &[&str]) -> bool {
    let Some(media_type) = content_type
        .to_str()
        .ok()
        .and_then(|line| MediaType::parse(line).ok())
    else {
        return false;
    };
    let is_utf8 = media_type.get_param(CHARSET).is_none_or(|charset| {
        // `utf8` is not a registered name, but many clients send it.
        let charset = charset.unquoted_str();
        charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
    });
    let essence = media_type.essence();
    is_utf8
        && types
            .iter()
            .any(|known| MediaType::parse(known).as_ref() == Ok(&essence))
}

/// Whether a client prefers HTML to JSON, as browsers do when a person opens a URL.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    MediaType::parse(JSON).is_ok_and(|json| quality(headers, &TEXT_HTML) > quality(headers, &json))
}

/// Returns the quality of a media type by the most specific range of `Accept` that matches it; 0 if none matches.
fn quality(headers: &HeaderMap, wanted: &MediaType<'_>) -> f32 {
    headers
        .get_all(ACCEPT)
        .filter_map(|line| line.to_str().ok())
        .flat_map(MediaTypeList::new)
        .filter_map(Result::ok)
        .filter_map(|range| {
            let quality = range
                .get_param(Q)
                .map_or(Some(1.0), |q| q.as_str().parse().ok());
            Some((specificity(&range, wanted)?, quality?))
        })
        .max_by_key(|(specificity, _)| *specificity)
        .map_or(0.0, |(_, quality)| quality)
}

/// Returns how specifically a media range matches a media type; `None` if it does not match.
fn specificity(range: &MediaType<'_>, wanted: &MediaType<'_>) -> Option<u8> {
    if range.essence() == *wanted {
        return Some(2);
    }
    if range.subty != _STAR {
        return None;
    }
    if range.ty == wanted.ty {
        return Some(1);
    }
    (range.ty == _STAR).then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_spaces_case_and_quotes_of_a_content_type_are_ignored() {
        let is_accepted = |line| is_utf8_of(&HeaderValue::from_static(line), &[JSON, MERGE_PATCH]);
        for line in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json; charset=utf8",
            "application/json ; charset=utf-8",
            "application/json\t;\tcharset=utf-8",
            "application/json;charset=\"utf-8\"",
            "application/json; charset=\"UTF\\-8\"",
            "application/json;",
            "application/json; profile=\"a;b,c\"; charset=utf-8",
            "application/json; version=1",
            "application/merge-patch+json",
            "APPLICATION/Merge-Patch+JSON ; Charset=utf-8",
        ] {
            assert!(is_accepted(line), "{line}");
        }
        for line in [
            "",
            "json",
            "text/json",
            "application/json; charset=latin1",
            "application/json; charset=utf-16",
            "application/json; charset=",
            "application/json, application/json",
            "application/json charset=utf-8",
            "application/ld+json",
            "application/jsonx",
            "*/*",
        ] {
            assert!(!is_accepted(line), "{line}");
        }
        let not_ascii = HeaderValue::from_bytes(b"application/json; x=\xe9").unwrap();
        assert!(!is_utf8_of(&not_ascii, &[JSON]));
    }

    #[test]
    fn html_is_preferred_only_with_a_higher_quality_than_json() {
        let prefers = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            prefers_html(&headers)
        };
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html",
            "TEXT/HTML ; q=0.5",
            "text/*, application/json;q=0.9",
            "application/json;q=0.1, */*",
        ] {
            assert!(prefers(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/json",
            "text/html;q=0.5, application/json",
            "text/html, application/json",
            "text/html;q=0, */*",
            "text/html;q=nonsense",
            "nonsense",
        ] {
            assert!(!prefers(accept), "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
