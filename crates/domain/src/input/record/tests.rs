use std::str::FromStr;

use super::*;
use crate::test_support::samples::start;
use crate::user::Standing;

fn text<T: FromStr<Err = Violation>>(text: &str) -> FieldInput<T> {
    FieldInput::parse(text)
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
    let faults = input.check(start()).unwrap_err();
    faults
        .iter()
        .map(|fault| (fault.path().join("."), fault.code().to_owned()))
        .collect()
}

fn fault(path: &str, code: &str) -> (String, String) {
    (path.to_owned(), code.to_owned())
}

fn timestamp(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[test]
fn a_minimal_record_has_no_history_and_unspecified_presence() {
    let record = input().check(start()).unwrap();
    assert_eq!(record.id, None);
    assert_eq!(record.history, ImportedHistory::default());
    assert_eq!(record.presence, Presence::Unspecified);
    assert_eq!(record.user.username.as_str(), "ann");
}

#[test]
fn every_member_of_a_record_is_used() {
    let id = "0199b8f2-7c1e-7000-8000-00000000000a";
    let mut record_input = input();
    record_input.id = text(id);
    record_input.version = Version::from_imported(7).into();
    record_input.created_at = text("2019-01-02T03:04:05Z");
    record_input.updated_at = text("2020-01-02T03:04:05Z");
    record_input.tokens_valid_after = text("2021-01-02T03:04:05Z");
    record_input.status = text("suspended");
    let record = record_input.check(start()).unwrap();
    assert_eq!(record.id, Some(UserId::parse(id).unwrap()));
    assert_eq!(
        record.history,
        ImportedHistory {
            version: Version::from_i64(7),
            created_at: Some(timestamp("2019-01-02T03:04:05Z")),
            updated_at: Some(timestamp("2020-01-02T03:04:05Z")),
            tokens_valid_after: Some(timestamp("2021-01-02T03:04:05Z")),
        }
    );
    assert_eq!(record.presence, Presence::Present);
    assert_eq!(record.user.rest.standing, Some(Standing::Suspended));
}

#[test]
fn a_deleted_record_keeps_deletion_time_and_standing() {
    let mut deleted = input();
    deleted.status = text("deleted");
    deleted.deleted_at = text("2020-01-02T03:04:05Z");
    deleted.standing = text("suspended");
    let record = deleted.check(start()).unwrap();
    let deleted_at = timestamp("2020-01-02T03:04:05Z");
    assert_eq!(record.presence, Presence::Deleted(Some(deleted_at)));
    assert_eq!(record.user.rest.standing, Some(Standing::Suspended));
}

#[test]
fn null_members_of_a_record_equal_absent_ones() {
    let nulls = RecordInput {
        id: FieldInput::Null,
        version: FieldInput::Null,
        created_at: FieldInput::Null,
        updated_at: FieldInput::Null,
        deleted_at: FieldInput::Null,
        standing: FieldInput::Null,
        tokens_valid_after: FieldInput::Null,
        ..input()
    };
    assert_eq!(nulls.check(start()), input().check(start()));
}

#[test]
fn all_faults_of_a_record_are_reported_at_once() {
    let mut faulty = input();
    faulty.user.email = text("nowhere");
    faulty.status = text("unknown");
    faulty.id = text("42");
    faulty.version = Version::from_imported(0).into();
    faulty.created_at = text("yesterday");
    faulty.updated_at = FieldInput::wrong_type("a string");
    assert_eq!(
        faults(faulty),
        [
            fault("created_at", "format"),
            fault("id", "format"),
            fault("status", "unknown"),
            fault("updated_at", "type"),
            fault("version", "out_of_range"),
            fault("email", "format"),
        ]
    );
}

#[test]
fn a_version_above_the_maximum_is_rejected() {
    for (number, expected) in [(1_i64 << 52, vec![]), ((1 << 52) + 1, vec!["version"])] {
        let record = RecordInput {
            version: Version::from_imported(number).into(),
            ..input()
        };
        let refused = record.check(start()).err().unwrap_or_default();
        let paths: Vec<String> = refused.iter().map(|fault| fault.path().join(".")).collect();
        assert_eq!(paths, expected, "{number}");
    }
}

#[test]
fn deletion_members_need_the_status_deleted() {
    let mut active = input();
    active.status = text("active");
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
fn an_update_before_the_creation_is_rejected() {
    let mut early = input();
    early.created_at = text("2020-01-02T03:04:05Z");
    early.updated_at = text("2020-01-02T03:04:04Z");
    assert_eq!(faults(early), [fault("updated_at", "contradiction")]);
}

#[test]
fn times_in_the_future_or_before_1970_are_rejected() {
    type Member = fn(&mut RecordInput) -> &mut FieldInput<Timestamp>;
    let members: [(&str, Member); 4] = [
        ("created_at", |input| &mut input.created_at),
        ("updated_at", |input| &mut input.updated_at),
        ("deleted_at", |input| &mut input.deleted_at),
        ("tokens_valid_after", |input| &mut input.tokens_valid_after),
    ];
    let tolerated = start().plus(Timestamp::CLOCK_TOLERANCE);
    for (name, member) in members {
        let codes = |time: &str| {
            let mut record = input();
            record.status = text("deleted");
            *member(&mut record) = text(time);
            let refused = record.check(start()).err().unwrap_or_default();
            let found = refused.iter().map(|refused| {
                assert_eq!(refused.path(), [name]);
                refused.code().to_owned()
            });
            found.collect::<Vec<String>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(codes(&tolerated.to_string()), none, "{name}");
        assert_eq!(codes("1970-01-01T00:00:00Z"), none, "{name}");
        let late = tolerated.plus(std::time::Duration::from_micros(1));
        assert_eq!(codes(&late.to_string()), ["future"], "{name}");
        assert_eq!(codes("9999-12-31T23:59:59Z"), ["future"], "{name}");
        assert_eq!(codes("1969-12-31T23:59:59Z"), ["too_early"], "{name}");
    }
}

#[test]
fn a_deletion_before_the_creation_is_rejected() {
    let mut early = input();
    early.status = text("deleted");
    early.created_at = text("2020-01-02T03:04:05Z");
    early.deleted_at = text("2020-01-02T03:04:04Z");
    assert_eq!(faults(early), [fault("deleted_at", "contradiction")]);
}
