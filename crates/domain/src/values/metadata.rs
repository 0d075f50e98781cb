//! Free data that services and users keep about a user.

use serde_json::{Map, Value};

use super::text::{forbidden_character, is_forbidden};
use crate::Violation;
use crate::json::{is_reserved_name, parse_strict};

/// A JSON object of the caller's own: at most 16 KiB as compact JSON and 16 levels of objects and
/// arrays, itself the first.
///
/// Strings and names are kept exactly (no trimming, no NFC) and hold no character that a single
/// line may not hold; numbers keep every digit, members their order. Two objects that differ only
/// in that order are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// The most bytes as compact JSON in UTF-8.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// The most levels of objects and arrays, the object itself being the first.
    pub const MAX_DEPTH: usize = 16;

    /// The object without members.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Takes an object; nulls in it are kept. Violations: `too_deep`, `forbidden_character`,
    /// `reserved` (a name `serde_json` keeps for itself), `too_large`.
    pub fn from_map(map: Map<String, Value>) -> Result<Self, Violation> {
        Self::check_patch(&map)?;
        Ok(Self(map))
    }

    /// Reads an object from JSON as [`parse_strict`] accepts it. Violations: `format`, and those of
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

    /// Takes back what a store kept, as [`to_json`](Self::to_json) wrote it; the store vouches for it. `None` if it
    /// is no JSON object.
    pub fn from_store(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// Checks an object that is to be merged: the rules of [`from_map`](Self::from_map) hold for it
    /// too, whatever it is merged into.
    pub fn check_patch(patch: &Map<String, Value>) -> Result<(), Violation> {
        check_object(patch, 1)?;
        let bytes = serde_json::to_vec(patch).map_err(|_| too_large())?.len();
        if bytes > Self::MAX_BYTES {
            Err(too_large())
        } else {
            Ok(())
        }
    }

    /// The object after a merge patch (RFC 7396): null removes a member, objects merge, all else
    /// replaces.
    ///
    /// Members keep their place and new ones come last. Violations as of
    /// [`from_map`](Self::from_map), for the patch and for what it makes.
    pub fn merge(&self, patch: &Map<String, Value>) -> Result<Self, Violation> {
        Self::check_patch(patch)?;
        let mut merged = self.0.clone();
        merge_into(&mut merged, patch);
        Self::from_map(merged)
    }

    /// The members.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Says whether there are no members.
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

/// Merges a patch whose depth was checked, which bounds the recursion.
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
                "Must not hold a member name that starts with $serde_json::private.",
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
