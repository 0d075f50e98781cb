//! Custom data that services and users store with a user.

mod numbers;

use serde_json::{Map, Value};

use super::text::{forbidden_character, is_forbidden};
use crate::Violation;
use crate::json::{is_reserved_name, parse_strict};

/// A custom JSON object: at most 16 KiB as compact JSON, and at most 16 levels of objects and arrays including itself.
///
/// Strings and names are kept unchanged (no trimming, no NFC). They contain no character that is forbidden in a single
/// line. Members keep their order, but two objects that differ only in order are equal.
///
/// Numbers are readable by every JSON parser (RFC 7493, section 2.2): finite as a double, with at most 17 significant
/// digits, all of which are kept. Objects that an earlier release stored may contain other numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// The maximum size in bytes as compact JSON in UTF-8.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// The maximum number of levels of objects and arrays. The object itself is the first.
    pub const MAX_DEPTH: usize = 16;
    /// The maximum number of reported numbers out of range per object.
    pub const MAX_REPORTED_NUMBERS: usize = 10;

    /// The object without members.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Validates an object; nulls in it are kept. Violations: `too_deep`, `forbidden_character`, `reserved` (a name
    /// that `serde_json` reserves), `too_large`, `out_of_range`.
    pub fn from_map(map: Map<String, Value>) -> Result<Self, Violation> {
        Self::check_patch(&map)?;
        Ok(Self(map))
    }

    /// Validates an object that replaces another. Violations as of [`from_map`](Self::from_map) except `out_of_range`:
    /// numbers are checked only if the object differs from the stored one.
    pub(crate) fn replacement(map: Map<String, Value>) -> Result<Self, Violation> {
        Self::check_form(&map)?;
        Ok(Self(map))
    }

    /// Parses an object from JSON as [`parse_strict`] accepts it. Violations: `format`, and those of
    /// [`from_map`](Self::from_map).
    pub fn from_json(text: &str) -> Result<Self, Violation> {
        match parse_strict(text.as_bytes()) {
            Ok(Value::Object(map)) => Self::from_map(map),
            Ok(_) | Err(_) => Err(Violation::new(
                "format",
                "Must be a JSON object without repeated names.",
            )),
        }
    }

    /// Restores a stored object from the text of [`to_json`](Self::to_json), without validation. `None` if the text is
    /// not a JSON object.
    pub fn from_store(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// Validates a merge patch by the rules of [`from_map`](Self::from_map).
    pub fn check_patch(patch: &Map<String, Value>) -> Result<(), Violation> {
        Self::check_form(patch)?;
        if numbers::out_of_range(patch).is_empty() {
            Ok(())
        } else {
            Err(Self::out_of_range())
        }
    }

    /// Validates everything except numbers.
    pub(crate) fn check_form(map: &Map<String, Value>) -> Result<(), Violation> {
        check_object(map, 1)?;
        let bytes = serde_json::to_vec(map).map_err(|_| too_large())?.len();
        if bytes > Self::MAX_BYTES {
            Err(too_large())
        } else {
            Ok(())
        }
    }

    /// Returns the paths of the numbers that violate `out_of_range`, at most [`Self::MAX_REPORTED_NUMBERS`]. A path
    /// consists of member names and array indexes.
    pub fn numbers_out_of_range(map: &Map<String, Value>) -> Vec<Vec<String>> {
        numbers::out_of_range(map)
    }

    /// The violation of a number that some parsers cannot read.
    pub fn out_of_range() -> Violation {
        Violation::new(
            "out_of_range",
            "Must be finite as a double and have at most 17 significant digits (RFC 7493).",
        )
    }

    /// The object after a merge patch (RFC 7396): null removes a member, objects merge, other values replace.
    ///
    /// Members keep their order, and new ones are appended. Violations as of [`from_map`](Self::from_map), for the
    /// patch and for the result. Existing numbers that the patch does not touch are not checked.
    pub fn merge(&self, patch: &Map<String, Value>) -> Result<Self, Violation> {
        Self::check_patch(patch)?;
        let mut merged = self.0.clone();
        merge_into(&mut merged, patch);
        Self::check_form(&merged)?;
        Ok(Self(merged))
    }

    /// The members.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object as compact JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Metadata {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Metadata {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = <Map<String, Value> as serde::Deserialize>::deserialize(deserializer)?;
        Self::from_map(map).map_err(serde::de::Error::custom)
    }
}

/// Merges a patch. Its depth is validated, which bounds the recursion.
fn merge_into(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, change) in patch {
        match change {
            Value::Null => {
                target.shift_remove(name);
            }
            Value::Object(inner) => {
                let member = target.entry(name.as_str()).or_insert(Value::Null);
                if !member.is_object() {
                    *member = Value::Object(Map::new());
                }
                if let Value::Object(member) = member {
                    merge_into(member, inner);
                }
            }
            other => {
                target.insert(name.clone(), other.clone());
            }
        }
    }
}

fn check_object(map: &Map<String, Value>, level: usize) -> Result<(), Violation> {
    check_level(level)?;
    for (name, value) in map {
        check_text(name)?;
        if is_reserved_name(name) {
            return Err(Violation::new(
                "reserved",
                "Must not contain a member name that starts with $serde_json::private.",
            ));
        }
        check_value(value, level)?;
    }
    Ok(())
}

fn check_value(value: &Value, level: usize) -> Result<(), Violation> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => check_text(text),
        Value::Array(items) => {
            check_level(level + 1)?;
            items
                .iter()
                .try_for_each(|item| check_value(item, level + 1))
        }
        Value::Object(map) => check_object(map, level + 1),
    }
}

fn check_level(level: usize) -> Result<(), Violation> {
    if level > Metadata::MAX_DEPTH {
        return Err(Violation::new(
            "too_deep",
            "Must have at most 16 levels of objects and arrays.",
        ));
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), Violation> {
    if text.contains(is_forbidden) {
        Err(forbidden_character())
    } else {
        Ok(())
    }
}

fn too_large() -> Violation {
    Violation::new(
        "too_large",
        "Must have at most 16384 bytes as compact JSON.",
    )
}

#[cfg(test)]
mod tests;
