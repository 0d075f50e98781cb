//! The rules of an input, each a call of a value type's `parse`, for garde to run over all fields.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "garde hands its context to every rule by reference"
)]

use garde::{Path, Report, Validate};
use serde_json::{Map, Value};

use super::{Raw, RolesInput, Writing};
use crate::user::Standing;
use crate::values::{Metadata, Roles};
use crate::{Fault, Violation};

/// Makes the rule of a field that every user has.
pub(super) fn required<T>(
    parse: impl Fn(&str) -> Result<T, Violation>,
) -> impl Fn(&Raw<String>, &Writing) -> garde::Result {
    move |raw, writing| match raw {
        Raw::Absent if *writing == Writing::Merge => Ok(()),
        Raw::Absent | Raw::Null => Err(error(&missing())),
        Raw::Value(text) => check(parse(text)),
        Raw::Mistyped(expected) => Err(error(&mistyped(expected))),
    }
}

/// Makes the rule of a field that may be null.
pub(super) fn optional<T>(
    parse: impl Fn(&str) -> Result<T, Violation>,
) -> impl Fn(&Raw<String>, &Writing) -> garde::Result {
    move |raw, _| match raw {
        Raw::Absent | Raw::Null => Ok(()),
        Raw::Value(text) => check(parse(text)),
        Raw::Mistyped(expected) => Err(error(&mistyped(expected))),
    }
}

/// The rule of a field of which any value of its type will do.
pub(super) fn typed<T>(raw: &Raw<T>, _: &Writing) -> garde::Result {
    match raw {
        Raw::Absent | Raw::Null | Raw::Value(_) => Ok(()),
        Raw::Mistyped(expected) => Err(error(&mistyped(expected))),
    }
}

/// The rule of `status`: a caller may write the two standings, and deletes by deleting.
pub(super) fn standing(raw: &Raw<String>, _: &Writing) -> garde::Result {
    match raw {
        Raw::Absent => Ok(()),
        Raw::Null => Err(error(&missing())),
        Raw::Value(text) => check(parse_standing(text)),
        Raw::Mistyped(expected) => Err(error(&mistyped(expected))),
    }
}

/// Finds the standing of a name.
pub(super) fn parse_standing(text: &str) -> Result<Standing, Violation> {
    Standing::from_name(text).ok_or(Violation::new("unknown", "Must be active or suspended."))
}

/// The rule of a drawer of metadata: of a whole one, or of a patch of one.
pub(super) fn metadata(raw: &Raw<Map<String, Value>>, writing: &Writing) -> garde::Result {
    match raw {
        Raw::Absent | Raw::Null => Ok(()),
        Raw::Value(map) if *writing == Writing::Merge => check(Metadata::check_patch(map)),
        Raw::Value(map) => check(Metadata::from_map(map.clone())),
        Raw::Mistyped(expected) => Err(error(&mistyped(expected))),
    }
}

impl Validate for RolesInput {
    type Context = Writing;

    fn validate_into(&self, _: &Writing, parent: &mut dyn FnMut() -> Path, report: &mut Report) {
        match &self.0 {
            Raw::Absent | Raw::Null => {}
            Raw::Mistyped(expected) => report.append(parent(), error(&mistyped(expected))),
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

/// A list of more roles is not looked at: it has too many, or each several times.
const MOST_LISTED_ROLES: usize = 4 * Roles::MAX;

/// Parses the names of roles; each fault with the index of its name, or none where it is about all of them.
pub(super) fn parse_roles(names: &[Raw<String>]) -> Result<Roles, Vec<(Option<usize>, Violation)>> {
    if names.len() > MOST_LISTED_ROLES {
        let rule = format!("Must list at most {MOST_LISTED_ROLES} roles, repetitions included.");
        return Err(vec![(None, Violation::new("too_many", rule))]);
    }
    Roles::parse_all(names.iter().map(|name| match name {
        Raw::Value(text) => Ok(text.as_str()),
        Raw::Mistyped(expected) => Err(mistyped(expected)),
        Raw::Absent | Raw::Null => Err(mistyped("a string")),
    }))
}

/// Turns garde's report into faults.
pub(super) fn faults(report: &Report) -> Vec<Fault> {
    report
        .iter()
        .map(|(path, error)| {
            let (code, detail) = error
                .message()
                .split_once(": ")
                .unwrap_or(("invalid", error.message()));
            Fault::reported(
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

pub(super) fn mistyped(expected: &str) -> Violation {
    Violation::new("type", format!("Must be {expected}."))
}

pub(super) fn check<T>(parsed: Result<T, Violation>) -> garde::Result {
    parsed.map(drop).map_err(|violation| error(&violation))
}

/// Writes a violation as garde's errors want it: one text, which [`faults`] takes apart again.
fn error(violation: &Violation) -> garde::Error {
    garde::Error::new(format!("{}: {}", violation.code(), violation.detail()))
}
