//! The roles of a user.

use std::collections::{BTreeSet, btree_set};

use super::macros::{stored_text, text_value};
use super::text::{IDENTIFIER_MAX_CHARS, check_identifier};
use crate::Violation;

/// A role: 1 to 64 characters of `a-z`, `0-9`, `:`, `_` and `-`, not trimmed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(Box<str>);

impl Role {
    /// The maximum length in characters, which equals bytes.
    pub const MAX_CHARS: usize = IDENTIFIER_MAX_CHARS;

    const ADMIN: &str = "admin";

    /// The administrator role, which has all permissions.
    pub fn admin() -> Self {
        Self(Self::ADMIN.into())
    }

    /// Parses a role, untrimmed. Violations: `blank`, `forbidden_character`, `too_long`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let is_allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b':' | b'_' | b'-');
        let rule = "Must contain only a-z, 0-9, colon, underscore and hyphen.";
        check_identifier(text, is_allowed, rule)?;
        Ok(Self(text.into()))
    }

    /// The role, exactly as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the administrator role.
    pub fn is_admin(&self) -> bool {
        &*self.0 == Self::ADMIN
    }
}

stored_text!(Role);
text_value!(Role);

/// The roles of one user: a sorted set of at most 32.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    /// The maximum number of different roles of one user.
    pub const MAX: usize = 32;

    /// No roles.
    pub const fn empty() -> Self {
        Self(BTreeSet::new())
    }

    /// Parses a list of roles, in which repetitions count once. An item that is not a text is passed as its violation.
    ///
    /// Each fault has the index of its role, or none if it concerns the whole list (`too_many`).
    pub fn parse_all<'a>(
        texts: impl IntoIterator<Item = Result<&'a str, Violation>>,
    ) -> Result<Self, Vec<(Option<usize>, Violation)>> {
        let mut roles = BTreeSet::new();
        let mut faults = Vec::new();
        for (index, text) in texts.into_iter().enumerate() {
            match text.and_then(Role::parse) {
                Ok(role) => {
                    roles.insert(role);
                }
                Err(violation) => faults.push((Some(index), violation)),
            }
        }
        match Self::from_set(roles) {
            Ok(roles) if faults.is_empty() => Ok(roles),
            Ok(_) => Err(faults),
            Err(violation) => {
                faults.push((None, violation));
                Err(faults)
            }
        }
    }

    /// Creates roles from a set. Violation: `too_many`.
    pub fn from_set(roles: BTreeSet<Role>) -> Result<Self, Violation> {
        if roles.len() > Self::MAX {
            return Err(Violation::new("too_many", "Must be at most 32 roles."));
        }
        Ok(Self(roles))
    }

    /// Restores stored roles without validation.
    pub fn from_store(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(Role::from_store).collect())
    }

    /// The roles plus one. Violation: `too_many`.
    pub fn with(&self, role: Role) -> Result<Self, Violation> {
        let mut roles = self.0.clone();
        roles.insert(role);
        Self::from_set(roles)
    }

    /// The roles without a given one.
    #[must_use]
    pub fn without(&self, role: &Role) -> Self {
        let others = self.0.iter().filter(|other| *other != role);
        Self(others.cloned().collect())
    }

    /// Whether a role is in the set.
    pub fn contains(&self, role: &Role) -> bool {
        self.0.contains(role)
    }

    /// Whether the administrator role is in the set.
    pub fn is_admin(&self) -> bool {
        self.0.iter().any(Role::is_admin)
    }

    /// The roles in ascending order.
    pub fn iter(&self) -> btree_set::Iter<'_, Role> {
        self.0.iter()
    }

    /// The number of roles.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Roles {
    type Item = &'a Role;
    type IntoIter = btree_set::Iter<'a, Role>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Roles {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Roles {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let roles = <BTreeSet<Role> as serde::Deserialize>::deserialize(deserializer)?;
        Self::from_set(roles).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_role_is_kept_unchanged() {
        for text in ["admin", "a", "team:42_x-y", &"r".repeat(64)] {
            assert_eq!(Role::parse(text).unwrap().as_str(), text);
        }
        assert!(Role::parse("admin").unwrap().is_admin());
        assert_eq!(Role::admin(), Role::parse("admin").unwrap());
    }

    #[test]
    fn other_characters_and_lengths_are_rejected() {
        for text in ["Admin", " admin", "a b", "a.b", "é", "a\n"] {
            assert_eq!(
                Role::parse(text).unwrap_err().code(),
                "forbidden_character",
                "{text}"
            );
        }
        assert_eq!(Role::parse("").unwrap_err().code(), "blank");
        assert_eq!(Role::parse(&"r".repeat(65)).unwrap_err().code(), "too_long");
    }

    #[test]
    fn a_set_of_roles_is_sorted_and_counts_repetitions_once() {
        let roles = Roles::parse_all(["b", "admin", "b"].map(Ok)).unwrap();
        assert_eq!(
            roles.iter().map(Role::as_str).collect::<Vec<_>>(),
            ["admin", "b"]
        );
        assert!(roles.is_admin());
        assert!(roles.contains(&Role::parse("b").unwrap()));
        assert!(!Roles::empty().is_admin());
    }

    #[test]
    fn every_invalid_role_is_reported_by_its_index() {
        let faults = Roles::parse_all(["ok", "No", "", "fine"].map(Ok)).unwrap_err();
        let found: Vec<_> = faults
            .iter()
            .map(|(index, violation)| (*index, violation.code()))
            .collect();
        assert_eq!(
            found,
            [(Some(1), "forbidden_character"), (Some(2), "blank")]
        );
    }

    #[test]
    fn thirty_two_roles_fit_and_thirty_three_do_not() {
        let names: Vec<String> = (0..33).map(|number| format!("r{number}")).collect();
        assert_eq!(
            Roles::parse_all(names.iter().take(32).map(|name| Ok(name.as_str())))
                .unwrap()
                .len(),
            32
        );
        let faults = Roles::parse_all(names.iter().map(|name| Ok(name.as_str()))).unwrap_err();
        assert_eq!(
            faults,
            [(
                None,
                Violation::new("too_many", "Must be at most 32 roles.")
            )]
        );
    }

    #[cfg(feature = "serde")]
    #[test]
    fn roles_read_from_json_are_checked() {
        assert_eq!(
            serde_json::from_str::<Roles>("[\"b\",\"a\"]")
                .unwrap()
                .len(),
            2
        );
        assert!(serde_json::from_str::<Roles>("[\"B\"]").is_err());
        assert_eq!(
            serde_json::to_string(&Roles::parse_all(["b", "a"].map(Ok)).unwrap()).unwrap(),
            "[\"a\",\"b\"]"
        );
    }

    proptest! {
        #[test]
        fn a_parsed_role_is_the_text_itself(text in any::<String>()) {
            if let Ok(role) = Role::parse(&text) {
                prop_assert_eq!(role.as_str(), text);
            }
        }
    }
}
