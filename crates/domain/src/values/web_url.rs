//! Web addresses.

use url::Url;

use super::macros::{stored_text, text_value};
use super::text::{WEB_URL_MAX_BYTES, at_most_bytes, single_line};
use crate::Violation;

/// An absolute `http` or `https` address with a host (WHATWG URL), at most 2048 bytes: the OIDC claims `picture` and
/// `website`.
///
/// The text is kept as typed (trimmed, in NFC), not as a browser normalises it. User information is forbidden, because
/// it disguises the host: `https://google.com@evil.example`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebUrl(Box<str>);

impl WebUrl {
    /// The maximum length in bytes of UTF-8 after trimming and NFC.
    pub const MAX_BYTES: usize = WEB_URL_MAX_BYTES;

    /// Parses an address. Violations: `blank`, `forbidden_character`, `too_long`, `url_scheme`, `url_userinfo`, and
    /// `format` for any other fault: no scheme, no host, white space or backslashes inside.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let text = single_line(text)?;
        at_most_bytes(&text, WEB_URL_MAX_BYTES)?;
        let (scheme, rest) = text.split_once(':').ok_or_else(format)?;
        if !is_scheme(scheme) {
            return Err(format());
        }
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(Violation::new(
                "url_scheme",
                "Must be an http or https address.",
            ));
        }
        if text.contains(|character: char| character.is_whitespace() || character == '\\') {
            return Err(format());
        }
        // Browsers tolerate a missing or extra slash, so two parsers could see different hosts.
        let authority = rest.strip_prefix("//").ok_or_else(format)?;
        if authority.starts_with('/') {
            return Err(format());
        }
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(Violation::new(
                "url_userinfo",
                "Must not contain a user name or password before the host.",
            ));
        }
        let url = Url::parse(&text).map_err(|_| format())?;
        if !url.has_host() {
            return Err(format());
        }
        Ok(Self(text.into()))
    }

    /// The address as typed, trimmed and NFC.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

stored_text!(WebUrl);
text_value!(WebUrl);

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn format() -> Violation {
    Violation::new(
        "format",
        "Must be an absolute address with a host, such as https://example.org/path, without spaces or backslashes.",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_kept_as_typed() {
        for text in [
            "https://example.org",
            "HTTP://Example.ORG:80/a/../b?q=1#f",
            "https://bücher.example/ü",
            "http://[::1]/",
        ] {
            assert_eq!(WebUrl::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(
            WebUrl::parse(" https://example.org ").unwrap().as_str(),
            "https://example.org"
        );
    }

    #[test]
    fn other_schemes_are_rejected() {
        for text in [
            "javascript:alert(1)",
            "ftp://example.org/",
            "data:text/html,x",
            "mailto:a@example.org",
            "file:///etc/passwd",
        ] {
            assert_eq!(
                WebUrl::parse(text).unwrap_err().code(),
                "url_scheme",
                "{text}"
            );
        }
    }

    #[test]
    fn user_information_before_the_host_is_rejected() {
        for text in [
            "https://google.com@evil.example",
            "https://google.com:443@evil.example/",
            "https://@evil.example",
            "https://:@evil.example",
            "https://a:b@evil.example?q",
            "http://a@b@evil.example#f",
        ] {
            assert_eq!(
                WebUrl::parse(text).unwrap_err().code(),
                "url_userinfo",
                "{text}"
            );
        }
        for text in [
            "https://example.org/@ann",
            "https://example.org?q=a@b",
            "https://example.org#@",
        ] {
            assert!(WebUrl::parse(text).is_ok(), "{text}");
        }
        for text in [
            "https://google.com%40evil.example",
            "https://google.com＠evil.example",
        ] {
            assert_eq!(WebUrl::parse(text).unwrap_err().code(), "format", "{text}");
        }
    }

    #[test]
    fn a_text_other_than_an_absolute_address_is_rejected() {
        for text in [
            "example.org",
            "//example.org",
            "/path",
            "https:",
            "https://",
            "https:///path",
            "https:example.org",
            "https:/example.org",
            "https://?q",
            "https://exa mple.org",
            "https://example.org/a b",
            "https:\\\\example.org",
            "https://example.org\\@evil.example",
            "https://exam[ple",
            "https://a:99999/",
            "://example.org",
            "1http://example.org",
            "https://example.org/\u{a0}x",
        ] {
            assert_eq!(WebUrl::parse(text).unwrap_err().code(), "format", "{text}");
        }
    }

    #[test]
    fn an_address_of_2048_bytes_fits_and_2049_do_not() {
        let start = "https://example.org/";
        let fits = format!("{start}{}", "x".repeat(2048 - start.len()));
        assert!(WebUrl::parse(&fits).is_ok());
        assert_eq!(
            WebUrl::parse(&format!("{fits}x")).unwrap_err().code(),
            "too_long"
        );
    }

    #[test]
    fn a_line_break_inside_is_rejected() {
        assert_eq!(
            WebUrl::parse("https://exam\nple.org").unwrap_err().code(),
            "forbidden_character"
        );
    }

    proptest! {
        #[test]
        fn a_parsed_address_parses_to_itself(text in "(https?:/{0,3})?[a-zA-Z.@:/?#é\\\\\\[\\] ]{0,20}") {
            if let Ok(url) = WebUrl::parse(&text) {
                prop_assert_eq!(WebUrl::parse(url.as_str()).unwrap(), url);
            }
        }

        #[test]
        fn no_text_makes_parse_panic(text in any::<String>()) {
            let _ = WebUrl::parse(&text);
            let _ = WebUrl::parse(&format!("http://{text}"));
        }
    }
}
