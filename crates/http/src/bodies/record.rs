//! A user as one line of the exports and imports of the command line: the body of the API and the fields that an import
//! needs in addition.

use serde::Serialize;
use serde_json::{Map, Value};
use user_domain::Fault;
use user_domain::input::RecordInput;
use user_domain::values::{Timestamp, Version};
use user_domain::view::UserView;

use super::UserBody;
use super::input::read_fields;
use super::members::{Members, wrong_type};
use super::suspension::read_optional_suspension;
use crate::problem::{MAX_FAULTS, pointer};

/// A user in the full view, with the additional fields that an import needs.
#[derive(Serialize)]
pub struct UserRecord<'a> {
    #[serde(flatten)]
    user: UserBody<'a>,
    /// The status that a deleted user has after a restoration.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<&'static str>,
    /// Tokens issued before this time are invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_valid_after: Option<Timestamp>,
}

/// A validation error of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultBody {
    /// The location in the record: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// The stable code of the violated rule.
    pub code: String,
    /// The violated rule in words. It never contains the value.
    pub detail: String,
}

impl<'a> From<&'a UserView> for UserRecord<'a> {
    fn from(view: &'a UserView) -> Self {
        let full = view.full();
        let is_deleted = view.own().is_some_and(|own| own.deleted_at.is_some());
        Self {
            user: UserBody::from(view),
            standing: full
                .filter(|_| is_deleted)
                .map(|full| full.standing.as_str()),
            tokens_valid_after: full.and_then(|full| full.tokens_valid_after),
        }
    }
}

/// Reads a record. Unknown members are added to the `unexpected_fields` of its user.
pub fn read_record(document: Map<String, Value>) -> RecordInput {
    let mut members = Members::new(document, &[]);
    let mut record = RecordInput {
        id: members.text("id"),
        status: members.text("status"),
        version: members.field("version", |value| {
            let number = value.as_i64().ok_or(wrong_type("a whole number"))?;
            Version::from_imported(number)
        }),
        created_at: members.text("created_at"),
        updated_at: members.text("updated_at"),
        deleted_at: members.text("deleted_at"),
        standing: members.text("standing"),
        tokens_valid_after: members.text("tokens_valid_after"),
        suspension: read_optional_suspension(&mut members),
        user: read_fields(&mut members),
    };
    record.user.unexpected_fields = members.finish(&[]);
    record
}

/// Returns the validation errors of a record, at most 100.
pub fn render_faults(faults: &[Fault]) -> Vec<FaultBody> {
    let body = |fault: &Fault| FaultBody {
        pointer: pointer(fault.path()),
        code: fault.code().to_owned(),
        detail: fault.detail().to_owned(),
    };
    faults.iter().take(MAX_FAULTS).map(body).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use user_domain::caller::Caller;
    use user_domain::test_support::samples::{awkward_user, import, record, seconds, start};
    use user_domain::user::{ImportedHistory, Presence, Record, User};
    use user_domain::values::Version;
    use user_domain::view::view;

    use super::*;

    fn read(text: &str) -> RecordInput {
        let Ok(Value::Object(document)) = user_domain::json::parse_strict(text.as_bytes()) else {
            panic!("{text} is not an object")
        };
        read_record(document)
    }

    /// Registers a user, serialises it, parses the line and registers it again.
    fn round_trip(record: Record) -> (User, User, String) {
        let import = import(record);
        let make = |record: &Record| {
            let id = record.id.unwrap_or(import.fresh_id);
            User::register_record(id, record, &import.context)
                .unwrap()
                .user
        };
        let user = make(&import.record);
        let shown = view(user.clone(), &Caller::Operator);
        let line = serde_json::to_string(&UserRecord::from(&shown)).unwrap();
        let again = make(&read(&line).check(start()).unwrap());
        (user, again, line)
    }

    fn record_with_history(presence: Presence) -> Record {
        Record {
            presence,
            history: ImportedHistory {
                version: Version::from_i64(12),
                created_at: Some(seconds(1)),
                updated_at: Some(seconds(4)),
                tokens_valid_after: Some(seconds(2)),
            },
            ..record(awkward_user("alice"))
        }
    }

    #[test]
    fn a_user_survives_a_round_trip_without_loss() {
        for presence in [Presence::Present, Presence::Deleted(Some(seconds(3)))] {
            let (user, again, line) = round_trip(record_with_history(presence));
            assert_eq!(user, again, "{line}");
            assert_eq!(
                user.metadata.public.to_json(),
                again.metadata.public.to_json()
            );
            assert!(!line.contains('\n'));
        }
    }

    #[test]
    fn the_record_of_an_undeleted_user_equals_its_api_body() {
        let record = Record {
            history: ImportedHistory::default(),
            ..record_with_history(Presence::Present)
        };
        let (user, _, line) = round_trip(record);
        let shown = view(user, &Caller::Operator);
        let body = serde_json::to_string(&UserBody::from(&shown)).unwrap();
        assert_eq!(line, body);
    }

    #[test]
    fn the_record_of_a_deleted_user_has_its_status_after_restoration() {
        let (_, _, line) = round_trip(record_with_history(Presence::Deleted(None)));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["status"], "deleted");
        assert_eq!(line["standing"], "suspended");
    }

    #[test]
    fn unknown_members_of_a_record_are_reported_with_pointers() {
        let input = read(
            &json!({"username": "ann", "email": "ann@example.org", "password": "x", "profile": {"a/b": 1}, "version": 1.5})
                .to_string(),
        );
        let faults = render_faults(&input.check(start()).unwrap_err());
        let places: Vec<(&str, &str)> = faults
            .iter()
            .map(|fault| (fault.pointer.as_str(), fault.code.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                ("/version", "type"),
                ("/password", "unknown_field"),
                ("/profile/a~1b", "unknown_field"),
            ]
        );
    }
}
