//! Email addresses and their comparison keys.

use garde::rules::email::parse_email;
use idna::AsciiDenyList;
use unicode_normalization::UnicodeNormalization as _;

use super::macros::text_value;
use super::text::{EMAIL_MAX_BYTES, at_most_bytes, is_invisible, single_line};
use crate::Violation;

/// An email address: the `addr-spec` of RFC 5322 without quoting, comments or domain literals.
///
/// The domain may be internationalised (IDNA 2008 with UTS 46). An address has at most 254 bytes, of which at most 64
/// are before the `@`.
///
/// The text is kept as typed, trimmed and in NFC, without the invisible characters of the domain that UTS 46 ignores,
/// such as soft hyphens. Two addresses are the same if their keys are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress {
    text: Box<str>,
    key: EmailKey,
}

impl EmailAddress {
    /// The maximum length in bytes of UTF-8, of the address as typed and of its key.
    pub const MAX_BYTES: usize = EMAIL_MAX_BYTES;

    /// Parses an address. Violations: `blank`, `forbidden_character`, `too_long`, `format`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let text = single_line(text)?;
        at_most_bytes(&text, EMAIL_MAX_BYTES)?;
        parse_email(&text).map_err(|_| format())?;
        let (local, domain) = text.rsplit_once('@').ok_or_else(format)?;
        if domain.starts_with('[') {
            return Err(format());
        }
        let domain = idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::STD3)
            .map_err(|_| format())?;
        let key = format!("{}@{}", local.to_ascii_lowercase(), domain);
        at_most_bytes(&key, EMAIL_MAX_BYTES)?;
        // The key must be a valid address, too: IDNA may have changed the domain.
        parse_email(&key).map_err(|_| format())?;
        // Characters may compose once an ignored one between them is removed.
        let text: String = text.replace(is_ignored, "").nfc().collect();
        Ok(Self {
            text: text.into(),
            key: EmailKey(key.into()),
        })
    }

    /// Restores a stored address from its text and key, without validation.
    pub fn from_store(text: String, key: String) -> Self {
        Self {
            text: text.into(),
            key: EmailKey(key.into()),
        }
    }

    /// The address as typed, trimmed and in NFC.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address in its unique form: local part in lower case, domain by IDNA to ASCII in lower case.
    pub fn key(&self) -> &str {
        self.key.as_str()
    }
}

text_value!(EmailAddress);

/// The unique form of an email address: local part in lower case, domain by IDNA to ASCII in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailKey(Box<str>);

impl EmailKey {
    /// Parses the key from an address in any spelling. Violations as of [`EmailAddress::parse`].
    pub fn parse(text: &str) -> Result<Self, Violation> {
        EmailAddress::parse(text).map(|address| address.key)
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&EmailAddress> for EmailKey {
    fn from(address: &EmailAddress) -> Self {
        address.key.clone()
    }
}

text_value!(EmailKey);

/// Whether UTS 46 ignores a character in a domain: every invisible character except the joiners.
///
/// Where joiners are allowed, they make a different domain. The local part is ASCII.
fn is_ignored(character: char) -> bool {
    is_invisible(character) && !matches!(character, '\u{200c}' | '\u{200d}')
}

fn format() -> Violation {
    Violation::new(
        "format",
        "Must be an email address such as ann@example.org.",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_kept_as_typed_and_compared_by_its_key() {
        let address = EmailAddress::parse(" Ann.Lee+x@Example.ORG ").unwrap();
        assert_eq!(address.as_str(), "Ann.Lee+x@Example.ORG");
        let address = EmailAddress::parse(" Ann.Lee+x@BÜCHER.Example ").unwrap();
        assert_eq!(address.as_str(), "Ann.Lee+x@BÜCHER.Example");
        assert_eq!(address.key(), "ann.lee+x@xn--bcher-kva.example");
        assert_eq!(
            EmailKey::parse("ANN.LEE+X@xn--bcher-kva.example").unwrap(),
            EmailKey::from(&address)
        );
    }

    #[test]
    fn ignored_invisible_characters_are_removed_from_the_domain() {
        for invisible in [
            '\u{ad}', '\u{200b}', '\u{2060}', '\u{feff}', '\u{fe0f}', '\u{180b}',
        ] {
            let typed = format!("Ann@Exam{invisible}ple.org");
            let address = EmailAddress::parse(&typed).unwrap();
            assert_eq!(address.as_str(), "Ann@Example.org", "{invisible:?}");
            assert_eq!(address, EmailAddress::parse("Ann@Example.org").unwrap());
        }
        // A joiner that Persian needs makes a different domain.
        let joined = EmailAddress::parse("ann@نامه\u{200c}ای.example").unwrap();
        assert_eq!(joined.as_str(), "ann@نامه\u{200c}ای.example");
        assert_ne!(
            joined.key(),
            EmailKey::parse("ann@نامهای.example").unwrap().as_str()
        );
        for absent in ["ann@\u{ad}", "ann@\u{200b}.org", "a\u{ad}nn@example.org"] {
            assert_eq!(
                EmailAddress::parse(absent).unwrap_err().code(),
                "format",
                "{absent:?}"
            );
        }
    }

    #[test]
    fn an_invalid_address_is_rejected() {
        for text in [
            "ann",
            "ann@",
            "@example.org",
            "ann@@example.org",
            "a nn@example.org",
            "ann@exa mple.org",
            "ann@example.org.",
            "ann@bücher.example.",
            "ann@bücher.example。",
            "ann@[127.0.0.1]",
            "ann@[::1]",
            "\"ann lee\"@example.org",
            "ann@-example.org",
            "ann@exam_ple.org",
            "ann@xn--a.example",
            "änn@example.org",
            "ann@.org",
            "Ann <ann@example.org>",
            "ann@a@b.example",
        ] {
            assert_eq!(
                EmailAddress::parse(text).unwrap_err().code(),
                "format",
                "{text}"
            );
        }
        assert_eq!(EmailAddress::parse("  ").unwrap_err().code(), "blank");
        assert_eq!(
            EmailAddress::parse("ann@exa\u{202e}mple.org")
                .unwrap_err()
                .code(),
            "forbidden_character"
        );
    }

    #[test]
    fn an_address_of_254_bytes_fits_and_255_do_not() {
        let labels = format!("{0}.{0}.", "a".repeat(63));
        let start = format!("{}@{labels}", "l".repeat(64));
        let fits = format!("{start}{}", "b".repeat(254 - start.len()));
        assert_eq!(fits.len(), 254);
        assert!(EmailAddress::parse(&fits).is_ok());
        assert_eq!(
            EmailAddress::parse(&format!("{fits}b")).unwrap_err().code(),
            "too_long"
        );
    }

    #[test]
    fn a_local_part_of_65_bytes_is_rejected() {
        assert_eq!(
            EmailAddress::parse(&format!("{}@example.org", "l".repeat(65)))
                .unwrap_err()
                .code(),
            "format"
        );
    }

    #[test]
    fn the_key_must_fit_as_well() {
        let domain = "ü.".repeat(32);
        let text = format!("ann@{domain}example");
        assert!(text.len() < 254);
        assert_eq!(EmailAddress::parse(&text).unwrap_err().code(), "too_long");
    }

    proptest! {
        #[test]
        fn a_parsed_address_and_its_key_parse_to_themselves(text in "[a-zA-Z.+]{1,5}@[a-zA-Z0-9üßİı۰.。１\u{ad}\u{301}-]{1,12}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                prop_assert_eq!(EmailAddress::parse(address.as_str()).unwrap(), address.clone());
                let key = EmailKey::parse(&text).unwrap();
                prop_assert_eq!(key.as_str(), address.key());
                prop_assert_eq!(EmailKey::parse(key.as_str()).unwrap(), key);
            }
        }

        #[test]
        fn no_domain_panics_and_every_key_parses_to_itself(domain in any::<String>()) {
            if let Ok(key) = EmailKey::parse(&format!("ann@{domain}")) {
                prop_assert_eq!(EmailKey::parse(key.as_str()).unwrap(), key.clone());
                prop_assert!(key.as_str().is_ascii());
            }
        }

        #[test]
        fn no_text_makes_parse_panic(text in any::<String>()) {
            let _ = EmailAddress::parse(&text);
        }
    }
}
