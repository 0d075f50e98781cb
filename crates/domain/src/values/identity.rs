//! User ids, versions and revisions.

use std::fmt;

use uuid::Uuid;

use super::macros::parsed_text;
use crate::Violation;

/// The identifier of a user: a UUID (RFC 9562). New ones have version 7, imported ones any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Uuid);

impl UserId {
    /// Creates an id from a UUID of any version.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// Parses the hyphenated form of 36 characters, in any case, untrimmed, without braces or `urn:uuid:`.
    /// Violation: `format`.
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

impl UserId {
    /// Checks the id of an imported user, which must not be the nil or the max UUID.
    ///
    /// These two mean "no id" (RFC 9562, sections 5.9 and 5.10). Violation: `reserved`.
    pub(crate) fn check_imported(self) -> Result<(), Violation> {
        if self.0.is_nil() || self.0.is_max() {
            return Err(Violation::new(
                "reserved",
                "Must not be the nil UUID or the max UUID.",
            ));
        }
        Ok(())
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(formatter)
    }
}

parsed_text!(UserId);

/// The version of a user's visible state: 1 at creation, incremented by each change that the user can see.
///
/// Clients receive it in bodies and entity tags and send it in `If-Match`. [`Revision`] also counts internal changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(i64);

impl Version {
    /// The version of a new user.
    pub const FIRST: Self = Self(1);

    /// The maximum version of an imported user: 2^52.
    ///
    /// Redis scripts and JavaScript clients compare versions as doubles, which are exact up to 2^53. The limit leaves
    /// 2^52 changes before versions become inexact.
    pub const MAX_IMPORTED: i64 = 1 << 52;

    /// Creates it from a number. `None` if the number is less than 1.
    pub const fn from_i64(number: i64) -> Option<Self> {
        if number >= 1 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Creates the version of an imported user, from 1 to [`Version::MAX_IMPORTED`]. Violation: `out_of_range`.
    pub fn from_imported(number: i64) -> Result<Self, Violation> {
        Self::from_i64(number)
            .filter(|version| version.0 <= Self::MAX_IMPORTED)
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

    /// The version after one more change, saturating at the maximum.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The revision of a user's stored state: 1 at creation, incremented by each stored change, visible or internal.
///
/// Caches, events and the outbox are ordered by it. The users API never returns it, because it would reveal internal
/// changes such as a sign-out or a first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(i64);

impl Revision {
    /// The revision of a new user.
    pub const FIRST: Self = Self(1);

    /// Creates it from a number. `None` if the number is less than 1.
    pub const fn from_i64(number: i64) -> Option<Self> {
        if number >= 1 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The revision after one more stored change, saturating at the maximum.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number of internal changes of a user at this revision and `version`.
    pub const fn internal_changes(self, version: Version) -> i64 {
        self.0.saturating_sub(version.0)
    }

    /// The version of a user at this revision after a number of internal changes. `None` if the number is impossible.
    pub fn version_after(self, internal_changes: i64) -> Option<Version> {
        let visible = self.0.checked_sub(internal_changes)?;
        Version::from_i64(visible).filter(|_| internal_changes >= 0)
    }
}

impl From<Version> for Revision {
    /// The revision of a user at this version without internal changes.
    fn from(version: Version) -> Self {
        Self(version.0)
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
    fn an_imported_nil_or_max_uuid_is_rejected() {
        let code = |text: &str| {
            UserId::parse(text)
                .and_then(UserId::check_imported)
                .map_err(|violation| violation.code())
        };
        for none in [Uuid::nil(), Uuid::max()] {
            assert_eq!(code(&none.to_string().to_uppercase()), Err("reserved"));
        }
        assert_eq!(code("x"), Err("format"));
        assert_eq!(code("00000000-0000-0000-0000-000000000001"), Ok(()));
    }

    #[test]
    fn an_id_is_parsed_in_any_case_and_displayed_in_lower_case() {
        let id = UserId::parse("0199B8F2-7c1e-7000-8000-00000000000A").unwrap();
        assert_eq!(id.to_string(), "0199b8f2-7c1e-7000-8000-00000000000a");
    }

    #[test]
    fn other_forms_of_a_uuid_are_rejected() {
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
    fn an_imported_version_above_2_to_the_52_is_rejected() {
        assert_eq!(Version::from_imported(1), Ok(Version::FIRST));
        let greatest = Version::from_imported(4_503_599_627_370_496).unwrap();
        assert_eq!(greatest.get(), Version::MAX_IMPORTED);
        for number in [i64::MIN, 0, Version::MAX_IMPORTED + 1, i64::MAX] {
            let refused = Version::from_imported(number).unwrap_err();
            assert_eq!(refused.code(), "out_of_range", "{number}");
        }
    }

    proptest! {
        #[test]
        fn a_displayed_id_parses_to_itself(number in any::<u128>()) {
            let id = UserId::from_uuid(Uuid::from_u128(number));
            prop_assert_eq!(UserId::parse(&id.to_string()).unwrap(), id);
        }

        #[test]
        fn no_text_makes_parse_panic(text in any::<String>()) {
            let _ = UserId::parse(&text);
        }
    }
    #[test]
    fn a_version_is_computed_from_revision_and_internal_changes() {
        let revision = Revision::from_i64(7).unwrap();
        for internal in 0..7 {
            let version = revision.version_after(internal).unwrap();
            assert_eq!(version.get(), 7 - internal);
            assert_eq!(revision.internal_changes(version), internal);
        }
        for impossible in [-1, 7, 8, i64::MIN, i64::MAX] {
            assert_eq!(revision.version_after(impossible), None, "{impossible}");
        }
    }
}
