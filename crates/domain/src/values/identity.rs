//! What tells one user, and one state of a user, from another.

use std::fmt;

use uuid::Uuid;

use super::macros::serde_as_text;
use crate::Violation;

/// The identifier of a user: a UUID (RFC 9562), version 7 where this service made it, any where it
/// was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Uuid);

impl UserId {
    /// Wraps a UUID of any version.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID itself.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// Takes the hyphenated form of 36 characters, in any case, untrimmed; no braces, no
    /// `urn:uuid:`. Violation: `format`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let hyphenated = if text.len() == 36 {
            Uuid::try_parse(text).ok()
        } else {
            None
        };
        hyphenated.map(Self).ok_or_else(|| {
            Violation::new(
                "format",
                "Must be a UUID of 36 characters such as 0199b8f2-7c1e-7000-8000-000000000000.",
            )
        })
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(formatter)
    }
}

serde_as_text!(UserId);

/// The number of a state of a user: 1 when created, one more after each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(i64);

impl Version {
    /// The version of a user just created.
    pub const FIRST: Self = Self(1);

    /// The greatest number that a user brings along: 2^52.
    ///
    /// Versions are compared as doubles too, by scripts in Redis and by clients in JavaScript, which are exact up to
    /// 2^53: from here on there is room for as many changes as nobody will make.
    pub const GREATEST_IMPORTED: i64 = 1 << 52;

    /// Takes a number of at least 1; `None` for any other.
    pub const fn from_i64(number: i64) -> Option<Self> {
        if number >= 1 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Takes the version of a user of another store: from 1 to [`Version::GREATEST_IMPORTED`]. Violation: `out_of_range`.
    pub fn imported(number: i64) -> Result<Self, Violation> {
        Self::from_i64(number)
            .filter(|version| version.0 <= Self::GREATEST_IMPORTED)
            .ok_or_else(|| {
                Violation::new(
                    "out_of_range",
                    "Must be a whole number from 1 to 4503599627370496.",
                )
            })
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The version after one more change; the greatest number stays where it is.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = <i64 as serde::Deserialize>::deserialize(deserializer)?;
        Self::from_i64(number).ok_or_else(|| serde::de::Error::custom("a version is at least 1"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_read_in_any_case_and_shown_in_lower_case() {
        let id = UserId::parse("0199B8F2-7c1e-7000-8000-00000000000A").unwrap();
        assert_eq!(id.to_string(), "0199b8f2-7c1e-7000-8000-00000000000a");
    }

    #[test]
    fn other_forms_of_a_uuid_are_refused() {
        for text in [
            "",
            "0199b8f27c1e70008000000000000000",
            "{0199b8f2-7c1e-7000-8000-000000000000}",
            "urn:uuid:0199b8f2-7c1e-7000-8000-000000000000",
            " 0199b8f2-7c1e-7000-8000-00000000000",
            "0199b8f2-7c1e-7000-8000-00000000000g",
            "0199b8f27-c1e-7000-8000-000000000000",
            "me",
            "é199b8f2-7c1e-7000-8000-0000000000",
            "{0199b8f27c1e700080000000000000000}}",
        ] {
            assert_eq!(UserId::parse(text).unwrap_err().code(), "format", "{text}");
        }
    }

    #[test]
    fn versions_count_from_one() {
        assert_eq!(Version::FIRST.get(), 1);
        assert_eq!(Version::FIRST.next(), Version::from_i64(2).unwrap());
        assert_eq!(Version::from_i64(0), None);
        assert_eq!(Version::from_i64(-1), None);
        assert_eq!(Version::from_i64(i64::MAX).unwrap().next().get(), i64::MAX);
    }

    #[test]
    fn a_version_is_imported_as_long_as_it_and_those_after_it_are_exact_as_doubles() {
        assert_eq!(Version::imported(1), Ok(Version::FIRST));
        let greatest = Version::imported(4_503_599_627_370_496).unwrap();
        assert_eq!(greatest.get(), Version::GREATEST_IMPORTED);
        for number in [i64::MIN, 0, Version::GREATEST_IMPORTED + 1, i64::MAX] {
            let refused = Version::imported(number).unwrap_err();
            assert_eq!(refused.code(), "out_of_range", "{number}");
        }
    }

    proptest! {
        #[test]
        fn an_id_parses_back_from_what_it_shows(number in any::<u128>()) {
            let id = UserId::from_uuid(Uuid::from_u128(number));
            prop_assert_eq!(UserId::parse(&id.to_string()).unwrap(), id);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = UserId::parse(&text);
        }
    }
}
