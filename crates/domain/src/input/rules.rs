//! The garde rules of an input. Each one calls the `parse` of a value type.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "garde hands its context to every rule by reference"
)]

use garde::{Path, Report, Validate};
use serde_json::{Map, Value};

use super::{Raw, RolesInput, WriteKind};
use crate::user::Standing;
use crate::values::{Metadata, Roles};
use crate::{Fault, Violation};

/// Creates the rule of a required field.
pub(super) fn required<T>(
    parse: impl Fn(&str) -> Result<T, Violation>,
) -> impl Fn(&Raw<String>, &WriteKind) -> garde::Result {
    move |raw, kind| match raw {
        Raw::Absent if *kind == WriteKind::Merge => Ok(()),
        Raw::Absent | Raw::Null => Err(error(&missing())),
        Raw::Value(text) => check(parse(text)),
        Raw::WrongType(expected) => Err(error(&wrong_type(expected))),
    }
}

/// Creates the rule of an optional field.
pub(super) fn optional<T>(
    parse: impl Fn(&str) -> Result<T, Violation>,
) -> impl Fn(&Raw<String>, &WriteKind) -> garde::Result {
    move |raw, _| match raw {
        Raw::Absent | Raw::Null => Ok(()),
        Raw::Value(text) => check(parse(text)),
        Raw::WrongType(expected) => Err(error(&wrong_type(expected))),
    }
}

/// The rule of a field that accepts any value of its type.
pub(super) fn typed<T>(raw: &Raw<T>, _: &WriteKind) -> garde::Result {
    match raw {
        Raw::Absent | Raw::Null | Raw::Value(_) => Ok(()),
        Raw::WrongType(expected) => Err(error(&wrong_type(expected))),
    }
}

/// The rule of `status`. `deleted` is not accepted, because deletion is an operation of its own.
pub(super) fn standing(raw: &Raw<String>, _: &WriteKind) -> garde::Result {
    match raw {
        Raw::Absent => Ok(()),
        Raw::Null => Err(error(&missing())),
        Raw::Value(text) => check(parse_standing(text)),
        Raw::WrongType(expected) => Err(error(&wrong_type(expected))),
    }
}

/// Parses the name of a standing.
pub(super) fn parse_standing(text: &str) -> Result<Standing, Violation> {
    Standing::from_name(text).ok_or(Violation::new("unknown", "Must be active or suspended."))
}

/// The rule of a metadata object or of its patch.
///
/// Numbers out of range are reported with their paths by
/// [`MetadataInput::numbers_out_of_range`](super::MetadataInput), or by the edit of a replacement.
pub(super) fn metadata(raw: &Raw<Map<String, Value>>, _: &WriteKind) -> garde::Result {
    match raw {
        Raw::Absent | Raw::Null => Ok(()),
        Raw::Value(map) => match Metadata::check_patch(map) {
            Err(violation) if violation == Metadata::out_of_range() => Ok(()),
            checked => check(checked),
        },
        Raw::WrongType(expected) => Err(error(&wrong_type(expected))),
    }
}

impl Validate for RolesInput {
    type Context = WriteKind;

    fn validate_into(&self, _: &WriteKind, parent: &mut dyn FnMut() -> Path, report: &mut Report) {
        match &self.0 {
            Raw::Absent | Raw::Null => {}
            Raw::WrongType(expected) => report.append(parent(), error(&wrong_type(expected))),
            Raw::Value(names) => {
                if let Err(faults) = parse_roles(names) {
                    for (index, violation) in faults {
                        let list = parent();
                        let path = index.map_or(list.clone(), |index| list.join(index));
                        report.append(path, error(&violation));
                    }
                }
            }
        }
    }
}

/// The maximum length of a list of roles. A longer list has too many roles or repeats them.
const MAX_LISTED_ROLES: usize = 4 * Roles::MAX;

/// Parses the names of roles. Each fault has the index of its name, or none if it concerns the whole list.
pub(super) fn parse_roles(names: &[Raw<String>]) -> Result<Roles, Vec<(Option<usize>, Violation)>> {
    if names.len() > MAX_LISTED_ROLES {
        let rule = format!("Must list at most {MAX_LISTED_ROLES} roles, repetitions included.");
        return Err(vec![(None, Violation::new("too_many", rule))]);
    }
    Roles::parse_all(names.iter().map(|name| match name {
        Raw::Value(text) => Ok(text.as_str()),
        Raw::WrongType(expected) => Err(wrong_type(expected)),
        Raw::Absent | Raw::Null => Err(wrong_type("a string")),
    }))
}

/// Converts garde's report to faults.
pub(super) fn faults(report: &Report) -> Vec<Fault> {
    report
        .iter()
        .map(|(path, error)| {
            let (code, detail) = error
                .message()
                .split_once(": ")
                .unwrap_or(("invalid", error.message()));
            Fault::from_report(
                &path.to_string().replace('[', ".").replace(']', ""),
                code,
                detail,
            )
        })
        .collect()
}

pub(super) fn missing() -> Violation {
    Violation::new("required", "Is required.")
}

pub(super) fn wrong_type(expected: &str) -> Violation {
    Violation::new("type", format!("Must be {expected}."))
}

pub(super) fn check<T>(parsed: Result<T, Violation>) -> garde::Result {
    parsed.map(drop).map_err(|violation| error(&violation))
}

/// Converts a violation to the single text of a garde error. [`faults`] splits it again.
fn error(violation: &Violation) -> garde::Error {
    garde::Error::new(format!("{}: {}", violation.code(), violation.detail()))
}
