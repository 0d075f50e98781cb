use super::*;
use crate::test_support::samples::{external_id, seconds, username};

fn faults_of(query: &DirectoryQuery) -> Vec<(String, String)> {
    let faults = query.check().unwrap_err();
    faults
        .iter()
        .map(|fault| (fault.path().join("/"), fault.code().to_owned()))
        .collect()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is what a parameter that is there looks like"
)]
fn given(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn prefix(text: &str) -> Option<String> {
    let query = DirectoryQuery {
        username_prefix: given(text),
        ..DirectoryQuery::default()
    };
    query.check().unwrap().filter.username_prefix
}

#[test]
fn an_empty_query_is_the_newest_fifty_who_are_not_deleted() {
    let checked = DirectoryQuery::default().check().unwrap();
    assert_eq!(checked.filter, DirectoryFilter::default());
    assert_eq!(checked.filter.statuses, [Status::Active, Status::Suspended]);
    assert_eq!((checked.sort, checked.limit), (Sort::CreatedDescending, 50));
}

#[test]
fn every_part_of_a_query_is_taken() {
    let query = DirectoryQuery {
        status: given("deleted,active"),
        role: given("admin"),
        created_since: given("2026-01-02T04:04:05.678901+01:00"),
        updated_since: given("2026-01-02T03:04:06.678901Z"),
        email: given("ALICE@Example.ORG"),
        external_id: given("A1"),
        username_prefix: given("Ali"),
        q: given("STRAẞE"),
        sort: given("username"),
        limit: given("200"),
    };
    let checked = query.check().unwrap();
    let filter = DirectoryFilter {
        statuses: vec![Status::Deleted, Status::Active],
        role: Some(Role::admin()),
        created_since: Some(seconds(0)),
        updated_since: Some(seconds(1)),
        email: Some(EmailKey::parse("alice@example.org").unwrap()),
        external_id: Some(external_id("A1")),
        username_prefix: given("ali"),
        search: given("strasse"),
    };
    assert_eq!(
        checked,
        CheckedQuery {
            filter,
            sort: Sort::Username,
            limit: 200
        }
    );
}

#[test]
fn every_faulty_part_of_a_query_is_told_at_once() {
    let query = DirectoryQuery {
        status: given("gone"),
        role: given("Not Ok"),
        created_since: given("yesterday"),
        updated_since: given("2026-13-01T00:00:00Z"),
        email: given("nowhere"),
        external_id: given("a b"),
        username_prefix: given(""),
        q: given("a"),
        sort: given("-username"),
        limit: given("0"),
    };
    let expected = [
        ("status", "unknown"),
        ("role", "forbidden_character"),
        ("created_since", "format"),
        ("updated_since", "format"),
        ("email", "format"),
        ("external_id", "forbidden_character"),
        ("username_prefix", "too_short"),
        ("q", "too_short"),
        ("sort", "unknown"),
        ("limit", "out_of_range"),
    ];
    let expected = expected.map(|(path, code)| (path.to_owned(), code.to_owned()));
    assert_eq!(faults_of(&query), expected);
}

#[test]
fn a_limit_is_a_whole_number_from_1_to_200() {
    let with = |text: &str| DirectoryQuery {
        limit: given(text),
        ..DirectoryQuery::default()
    };
    for (text, limit) in [("1", 1), ("200", 200), ("007", 7)] {
        assert_eq!(with(text).check().unwrap().limit, limit, "{text}");
    }
    for text in [
        "0",
        "201",
        "-1",
        "+1",
        "1.0",
        "",
        " 1",
        "ten",
        "99999999999",
    ] {
        assert_eq!(
            faults_of(&with(text)),
            [("limit".to_owned(), "out_of_range".to_owned())],
            "{text}"
        );
    }
}

#[test]
fn a_search_is_of_2_to_64_characters_and_holds_no_controls() {
    let with = |text: &str| DirectoryQuery {
        q: given(text),
        ..DirectoryQuery::default()
    };
    assert!(with("éé").check().is_ok() && with(&"é".repeat(64)).check().is_ok());
    let fault = |code: &str| [("q".to_owned(), code.to_owned())];
    assert_eq!(faults_of(&with("é")), fault("too_short"));
    assert_eq!(faults_of(&with(&"é".repeat(65))), fault("too_long"));
    assert_eq!(faults_of(&with("a\nb")), fault("forbidden_character"));
    assert_eq!(faults_of(&with("a\0b")), fault("forbidden_character"));
}

#[test]
fn a_prefix_has_the_form_of_the_keys_it_is_compared_with() {
    for (name, beginning) in [
        ("Straße", "STRAß"),
        ("Ångström", "a\u{30a}NG"),
        ("ЯНА", "Ян"),
        ("Alice", "ALICE"),
    ] {
        let key = username(name).key().to_owned();
        let prefix = prefix(beginning).unwrap();
        assert!(key.starts_with(&prefix), "{prefix} does not begin {key}");
    }
}

#[test]
fn a_prefix_keeps_wildcards_as_they_are() {
    assert_eq!(prefix("A%_\\").as_deref(), Some("a%_\\"));
}
