//! The JSON of suspensions in requests and responses.

use serde::Serialize;
use serde_json::{Map, Value};
use user_domain::user::{Suspension, SuspensionInput};
use user_domain::values::{SuspensionReason, Timestamp};
use user_domain::{Fault, Violation};

use crate::problem::MAX_FAULTS;

/// The reason and end of a suspension.
#[derive(Serialize)]
pub(super) struct SuspensionBody<'a> {
    reason: Option<&'a SuspensionReason>,
    until: Option<Timestamp>,
}

impl<'a> From<&'a Suspension> for SuspensionBody<'a> {
    fn from(suspension: &'a Suspension) -> Self {
        Self {
            reason: suspension.reason.as_ref(),
            until: suspension.until,
        }
    }
}

/// Decodes a suspension. Mistyped and unknown members are added to its `unexpected_fields`, with paths that start with
/// `parents`.
pub(crate) fn decode_suspension(document: Map<String, Value>, parents: &[&str]) -> SuspensionInput {
    let mut input = SuspensionInput::default();
    for (name, value) in document {
        let violation = match (name.as_str(), value) {
            ("reason" | "until", Value::Null) => continue,
            ("reason", Value::String(text)) => {
                input.reason = Some(text);
                continue;
            }
            ("until", Value::String(text)) => {
                input.until = Some(text);
                continue;
            }
            ("reason" | "until", _) => Violation::new("type", "Must be a string."),
            _ => Violation::new("unknown_field", "Is not a field."),
        };
        if input.unexpected_fields.len() < MAX_FAULTS {
            let path = parents.iter().map(|parent| (*parent).to_owned());
            let fault = Fault::at(path.chain([name]).collect(), &violation);
            input.unexpected_fields.push(fault);
        }
    }
    input
}

/// Decodes the suspension of a record. `null` means the same as an absent member.
pub(super) fn read_suspension(name: &str, value: Option<Value>) -> Option<SuspensionInput> {
    match value {
        None | Some(Value::Null) => None,
        Some(Value::Object(members)) => Some(decode_suspension(members, &[name])),
        Some(_) => Some(SuspensionInput {
            unexpected_fields: vec![Fault::new(
                name,
                &Violation::new("type", "Must be an object."),
            )],
            ..SuspensionInput::default()
        }),
    }
}
