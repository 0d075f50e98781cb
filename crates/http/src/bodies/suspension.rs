//! The JSON of suspensions in requests and responses.

use serde::Serialize;
use serde_json::{Map, Value};
use user_domain::Fault;
use user_domain::input::FieldInput;
use user_domain::user::{Suspension, SuspensionInput};
use user_domain::values::{SuspensionReason, Timestamp};

use super::members::{Members, owned_text};

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

/// Reads a suspension. Mistyped and unknown members are added to its `unexpected_fields`.
pub(crate) fn read_suspension(document: Map<String, Value>) -> SuspensionInput {
    read_from(Members::new(document, &[]))
}

/// Reads the suspension of a record. `null` means the same as an absent member.
pub(super) fn read_optional_suspension(record: &mut Members) -> Option<SuspensionInput> {
    match record.object("suspension") {
        FieldInput::Absent | FieldInput::Null => None,
        FieldInput::Value(members) => Some(read_from(Members::new(members, &["suspension"]))),
        FieldInput::Invalid(violation) => Some(SuspensionInput {
            unexpected_fields: vec![Fault::new("suspension", &violation)],
            ..SuspensionInput::default()
        }),
    }
}

fn read_from(mut members: Members) -> SuspensionInput {
    SuspensionInput {
        reason: members.optional("reason", owned_text),
        until: members.optional("until", owned_text),
        unexpected_fields: members.finish(&[]),
    }
}
