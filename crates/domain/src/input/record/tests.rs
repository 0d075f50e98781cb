use super::*;
use crate::user::Standing;

fn text(text: &str) -> Raw<String> {
    Raw::Value(text.to_owned())
}

fn input() -> RecordInput {
    RecordInput {
        user: UserInput {
            username: text("ann"),
            email: text("ann@example.org"),
            ..UserInput::default()
        },
        ..RecordInput::default()
    }
}

fn faults(input: RecordInput) -> Vec<(String, String)> {
    let faults = input.check().unwrap_err();
    faults
        .iter()
        .map(|fault| (fault.path().join("."), fault.code().to_owned()))
        .collect()
}

fn fault(path: &str, code: &str) -> (String, String) {
    (path.to_owned(), code.to_owned())
}

fn moment(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[test]
fn a_record_of_name_and_address_has_no_past_and_says_nothing_of_deletion() {
    let record = input().check().unwrap();
    assert_eq!(record.id, None);
    assert_eq!(record.past, Past::default());
    assert_eq!(record.presence, Presence::Untold);
    assert_eq!(record.user.username.as_str(), "ann");
}

#[test]
fn every_member_of_a_record_is_taken() {
    let id = "0199b8f2-7c1e-7000-8000-00000000000a";
    let mut whole = input();
    whole.id = text(id);
    whole.version = Raw::Value(7);
    whole.created_at = text("2019-01-02T03:04:05Z");
    whole.updated_at = text("2020-01-02T03:04:05Z");
    whole.tokens_valid_after = text("2021-01-02T03:04:05Z");
    whole.user.status = text("suspended");
    let record = whole.check().unwrap();
    assert_eq!(record.id, Some(UserId::parse(id).unwrap()));
    assert_eq!(
        record.past,
        Past {
            version: Version::from_i64(7),
            created_at: Some(moment("2019-01-02T03:04:05Z")),
            updated_at: Some(moment("2020-01-02T03:04:05Z")),
            tokens_valid_after: Some(moment("2021-01-02T03:04:05Z")),
        }
    );
    assert_eq!(record.presence, Presence::Present);
    assert_eq!(record.user.rest.standing, Some(Standing::Suspended));
}

#[test]
fn a_deleted_record_keeps_since_when_and_the_status_behind_the_deletion() {
    let mut deleted = input();
    deleted.user.status = text("deleted");
    deleted.deleted_at = text("2020-01-02T03:04:05Z");
    deleted.standing = text("suspended");
    let record = deleted.check().unwrap();
    let since = moment("2020-01-02T03:04:05Z");
    assert_eq!(record.presence, Presence::Deleted(Some(since)));
    assert_eq!(record.user.rest.standing, Some(Standing::Suspended));
}

#[test]
fn nulls_of_a_record_are_as_good_as_absence() {
    let nulls = RecordInput {
        id: Raw::Null,
        version: Raw::Null,
        created_at: Raw::Null,
        updated_at: Raw::Null,
        deleted_at: Raw::Null,
        standing: Raw::Null,
        tokens_valid_after: Raw::Null,
        ..input()
    };
    assert_eq!(nulls.check(), input().check());
}

#[test]
fn every_fault_of_a_record_is_told_at_once() {
    let mut faulty = input();
    faulty.user.email = text("nowhere");
    faulty.user.status = text("gone");
    faulty.id = text("42");
    faulty.version = Raw::Value(0);
    faulty.created_at = text("yesterday");
    faulty.updated_at = Raw::Mistyped("a string");
    assert_eq!(
        faults(faulty),
        [
            fault("created_at", "format"),
            fault("id", "format"),
            fault("updated_at", "type"),
            fault("version", "out_of_range"),
            fault("email", "format"),
            fault("status", "unknown"),
        ]
    );
}

#[test]
fn a_version_that_leaves_no_room_for_changes_is_refused() {
    for (number, expected) in [(1_i64 << 52, vec![]), ((1 << 52) + 1, vec!["version"])] {
        let record = RecordInput {
            version: Raw::Value(number),
            ..input()
        };
        let refused = record.check().err().unwrap_or_default();
        let paths: Vec<String> = refused.iter().map(|fault| fault.path().join(".")).collect();
        assert_eq!(paths, expected, "{number}");
    }
}

#[test]
fn what_is_said_of_a_deletion_needs_the_status_deleted() {
    let mut active = input();
    active.user.status = text("active");
    active.deleted_at = text("2020-01-02T03:04:05Z");
    active.standing = text("active");
    assert_eq!(
        faults(active),
        [
            fault("deleted_at", "contradiction"),
            fault("standing", "contradiction"),
        ]
    );
}

#[test]
fn a_user_does_not_change_before_it_is_made() {
    let mut early = input();
    early.created_at = text("2020-01-02T03:04:05Z");
    early.updated_at = text("2020-01-02T03:04:04Z");
    assert_eq!(faults(early), [fault("updated_at", "contradiction")]);
}
