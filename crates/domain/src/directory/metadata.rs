//! Filters by members of user metadata.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::Violation;
use crate::user::User;
use crate::values::{Metadata, at_most_chars, check_length, forbidden_character, is_forbidden};

/// A metadata object whose members can be filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetadataObject {
    /// `metadata.public`, which is in every view.
    Public,
    /// `metadata.private`, which is in the full view only.
    Private,
}

/// The key of an indexed member of user metadata, by whose value users can be found.
///
/// The name has 1 to 64 of the characters that metadata may contain, without `,`, `"` and `\`, and without white space
/// at either end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataKey {
    object: MetadataObject,
    name: String,
}

/// The value of a member as text: the content of a string, or the compact JSON of any other value. Null is no value.
///
/// A filter value has at most 256 characters, so a longer value of a user never matches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetadataValue(String);

impl MetadataObject {
    const ALL: [Self; 2] = [Self::Public, Self::Private];

    /// The object's name within `metadata`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }

    /// Returns this object of a user.
    pub fn of(self, user: &User) -> &Metadata {
        match self {
            Self::Public => &user.metadata.public,
            Self::Private => &user.metadata.private,
        }
    }
}

impl MetadataKey {
    /// The maximum number of indexed keys; each makes every write of a user slower.
    pub const MAX_INDEXED: usize = 8;
    const MAX_CHARS: usize = 64;

    /// Parses `public.<name>` or `private.<name>`. Violations: `unknown`, `too_short`, `too_long`,
    /// `forbidden_character`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let named = text.split_once('.').and_then(|(object, name)| {
            let mut objects = MetadataObject::ALL.into_iter();
            Some((objects.find(|known| known.as_str() == object)?, name))
        });
        let (object, name) = named.ok_or(Violation::new(
            "unknown",
            "Must be public.<key> or private.<key>.",
        ))?;
        check_length(name, 1, Self::MAX_CHARS)?;
        if name.contains(is_forbidden) || name.contains([',', '"', '\\']) || name.trim() != name {
            return Err(Violation::new(
                "forbidden_character",
                "Must be a key without comma, quotation mark, backslash, line separators, bidirectional controls, \
                 noncharacters, and white space at its ends.",
            ));
        }
        Ok(Self {
            object,
            name: name.to_owned(),
        })
    }

    /// The object that contains the member.
    pub fn object(&self) -> MetadataObject {
        self.object
    }

    /// The member's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the query parameter that filters by this key: `metadata.public.<name>`.
    pub fn parameter(&self) -> String {
        format!("metadata.{self}")
    }
}

/// Formats the key as [`MetadataKey::parse`] expects it.
impl fmt::Display for MetadataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.object.as_str(), self.name)
    }
}

impl MetadataValue {
    /// The maximum number of characters of a filter value.
    pub const MAX_CHARS: usize = 256;
    /// The maximum number of values of one key in a filter.
    const MAX_VALUES: usize = 32;

    /// Parses a value. Violations: `too_long`, `forbidden_character`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        at_most_chars(text, Self::MAX_CHARS)?;
        if text.contains(is_forbidden) {
            return Err(forbidden_character());
        }
        Ok(Self(text.to_owned()))
    }

    /// Parses a set of values. Violations: those of [`MetadataValue::parse`], and `too_many`.
    pub(super) fn parse_set(texts: &[String]) -> Result<BTreeSet<Self>, Violation> {
        let values: BTreeSet<Self> = texts
            .iter()
            .map(|text| Self::parse(text))
            .collect::<Result<_, _>>()?;
        if values.len() > Self::MAX_VALUES {
            let detail = format!("Must name at most {} values.", Self::MAX_VALUES);
            return Err(Violation::new("too_many", detail));
        }
        Ok(values)
    }

    /// Returns the value of a user's member with this key, whatever its length; none if the member is absent or null.
    pub fn of(user: &User, key: &MetadataKey) -> Option<Self> {
        match key.object.of(user).as_map().get(&key.name)? {
            Value::Null => None,
            Value::String(text) => Some(Self(text.clone())),
            other => Some(Self(other.to_string())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        MetadataKey::parse(text).unwrap_err().code()
    }

    #[test]
    fn a_key_names_an_object_and_a_member_of_it() {
        let key = MetadataKey::parse("private.crm.größe id").unwrap();
        assert_eq!(
            (key.object(), key.name()),
            (MetadataObject::Private, "crm.größe id")
        );
        assert_eq!(key.parameter(), "metadata.private.crm.größe id");
        assert_eq!(MetadataKey::parse(&key.to_string()), Ok(key));
    }

    #[test]
    fn a_key_of_another_object_or_with_a_forbidden_character_is_refused() {
        for text in [
            "",
            "plan",
            "user.plan",
            "Public.plan",
            "metadata.public.plan",
        ] {
            assert_eq!(code(text), "unknown", "{text}");
        }
        assert_eq!(code("public."), "too_short");
        assert_eq!(code(&format!("public.{}", "k".repeat(65))), "too_long");
        for name in ["a\"b", "a\\b", "a,b", " a", "a ", "a\nb", "a\u{202e}b"] {
            assert_eq!(
                code(&format!("public.{name}")),
                "forbidden_character",
                "{name:?}"
            );
        }
        for name in ["a'b", "$1", "?", "$.a", "[0]", "0", "--", "a.b"] {
            assert!(
                MetadataKey::parse(&format!("public.{name}")).is_ok(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_value_is_bounded_and_has_no_forbidden_character() {
        assert!(MetadataValue::parse("").is_ok());
        assert!(MetadataValue::parse(&"ü".repeat(256)).is_ok());
        let code = |text: &str| MetadataValue::parse(text).unwrap_err().code();
        assert_eq!(code(&"ü".repeat(257)), "too_long");
        assert_eq!(code("a\0"), "forbidden_character");
    }

    #[test]
    fn a_set_of_values_is_bounded_after_deduplication() {
        let texts = |count: usize| -> Vec<String> { (0..count).map(|n| n.to_string()).collect() };
        assert_eq!(
            MetadataValue::parse_set(&texts(33)).unwrap_err().code(),
            "too_many"
        );
        let mut repeated = texts(32);
        repeated.extend(texts(32));
        assert_eq!(MetadataValue::parse_set(&repeated).unwrap().len(), 32);
    }
}
