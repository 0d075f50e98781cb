//! The JSON of suspensions in requests and responses.

use serde::Serialize;
use serde_json::{Map, Value};
use user_domain::Fault;
use user_domain::input::FieldInput;
use user_domain::user::{Suspension, SuspensionInput};
use user_domain::values::{SuspensionReason, Timestamp};
use utoipa::ToSchema;

use super::RequestBody;
use super::members::{Members, owned_text};
use crate::problem::Problem;

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

/// The reason and end of a suspension. Both are optional.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "spam", "until": "2026-12-24T00:00:00Z"}))]
pub(crate) struct NewSuspension {
    /// Plain text of one or more lines, visible to services and administrators only.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// The time at which the user becomes active again. It must be in the future.
    #[schema(format = DateTime, max_length = 64)]
    until: Option<String>,
}

impl RequestBody for NewSuspension {
    type Input = SuspensionInput;

    fn read(document: Map<String, Value>) -> Result<SuspensionInput, Problem> {
        Ok(read_from(Members::new(document, &[])))
    }
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
