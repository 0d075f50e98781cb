//! The garde rules of an input, and the conversion of garde's report to faults.

#![expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "garde hands its context to every rule by reference"
)]

use garde::Report;

use super::{FieldInput, WriteKind};
use crate::values::UserId;
use crate::{Fault, Violation};

/// The rule of a required field.
pub(super) fn required<T>(field: &FieldInput<T>, kind: &WriteKind) -> garde::Result {
    match field {
        FieldInput::Absent if *kind != WriteKind::Merge => Err(error(&missing())),
        _ => not_null(field, kind),
    }
}

/// The rule of a field that may be absent, but not null.
pub(super) fn not_null<T>(field: &FieldInput<T>, kind: &WriteKind) -> garde::Result {
    match field {
        FieldInput::Null => Err(error(&missing())),
        _ => optional(field, kind),
    }
}

/// The rule of an optional field.
pub(super) fn optional<T>(field: &FieldInput<T>, _: &WriteKind) -> garde::Result {
    match field {
        FieldInput::Absent | FieldInput::Null | FieldInput::Value(_) => Ok(()),
        FieldInput::Invalid(violation) => Err(error(violation)),
    }
}

/// The rule of the id of an imported user.
pub(super) fn imported_id(field: &FieldInput<UserId>, kind: &WriteKind) -> garde::Result {
    optional(field, kind)?;
    let checked = field.value().map_or(Ok(()), |id| id.check_imported());
    checked.map_err(|violation| error(&violation))
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

/// Converts a violation to the single text of a garde error. [`faults`] splits it again.
pub(super) fn error(violation: &Violation) -> garde::Error {
    garde::Error::new(format!("{}: {}", violation.code(), violation.detail()))
}
