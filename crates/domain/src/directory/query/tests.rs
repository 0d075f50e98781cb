use super::*;
use crate::test_support::samples::{external_id, seconds};

fn faults_of(query: &DirectoryQuery) -> Vec<(String, String)> {
    let faults = query.check().unwrap_err();
    faults
        .iter()
        .map(|fault| (fault.path().join("/"), fault.code().to_owned()))
        .collect()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is the type of a present parameter"
)]
fn given(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is the type of a present parameter"
)]
fn listed(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn an_empty_query_is_the_newest_50_users_that_are_not_deleted() {
    let checked = DirectoryQuery::default().check().unwrap();
    assert_eq!(checked.filter, DirectoryFilter::default());
    assert_eq!(
        checked.filter.statuses,
        [Status::Active, Status::Suspended].into()
    );
    assert_eq!((checked.sort, checked.limit), (Sort::CreatedDescending, 50));
}

#[test]
fn every_parameter_of_a_query_is_parsed() {
    let key = MetadataKey::parse("public.plan").unwrap();
    let value = |text: &str| MetadataValue::parse(text).unwrap();
    let query = DirectoryQuery {
        status: listed(&["deleted", "active", "deleted"]),
        role: listed(&["b", "admin", "b"]),
        created_since: given("2026-01-02T04:04:05.678901+01:00"),
        created_until: given("2026-01-03"),
        updated_since: given("2026-01-02 03:04:06.678901+0000"),
        updated_until: given("2026-01-03T01:00:00 01:00"),
        email: given("ALICE@Example.ORG"),
        external_id: given("A1"),
        username_prefix: given("Ali"),
        q: given("STRAẞE"),
        metadata: [(
            key.clone(),
            vec!["b".to_owned(), "a,c".to_owned(), "b".to_owned()],
        )]
        .into(),
        sort: given("username"),
        limit: given("200"),
    };
    let checked = query.check().unwrap();
    let filter = DirectoryFilter {
        statuses: [Status::Active, Status::Deleted].into(),
        roles: [Role::admin(), Role::parse("b").unwrap()].into(),
        created_since: Some(seconds(0)),
        created_until: Some(Timestamp::parse("2026-01-03T00:00:00Z").unwrap()),
        updated_since: Some(seconds(1)),
        updated_until: Some(Timestamp::parse("2026-01-03T00:00:00Z").unwrap()),
        email: Some(EmailKey::parse("alice@example.org").unwrap()),
        external_id: Some(external_id("A1")),
        username_prefix: Some(UsernamePrefix::parse("ali").unwrap()),
        search: Some(SearchTerm::parse("strasse").unwrap()),
        metadata: [(key, [value("a,c"), value("b")].into())].into(),
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
fn every_invalid_parameter_of_a_query_is_reported() {
    let query = DirectoryQuery {
        status: listed(&["active", "gone", "lost"]),
        role: listed(&["Not Ok"]),
        created_since: given("yesterday"),
        created_until: given(""),
        updated_until: given("2026-02-30"),
        updated_since: given("2026-13-01T00:00:00Z"),
        email: given("nowhere"),
        external_id: given("a b"),
        username_prefix: given(""),
        q: given("a"),
        metadata: [(
            MetadataKey::parse("private.a.b").unwrap(),
            vec!["\0".to_owned()],
        )]
        .into(),
        sort: given("-username"),
        limit: given("0"),
    };
    let expected = [
        ("status", "unknown"),
        ("role", "forbidden_character"),
        ("created_since", "format"),
        ("created_until", "format"),
        ("updated_since", "format"),
        ("updated_until", "format"),
        ("email", "format"),
        ("external_id", "forbidden_character"),
        ("username_prefix", "too_short"),
        ("q", "too_short"),
        ("metadata.private.a.b", "forbidden_character"),
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
fn a_search_has_2_to_64_characters_and_no_control_characters() {
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
fn a_list_of_any_length_is_a_set() {
    let query = DirectoryQuery {
        status: Some(vec!["active".to_owned(); 1_000]),
        role: Some(vec!["admin".to_owned(); 1_000]),
        ..DirectoryQuery::default()
    };
    let filter = query.check().unwrap().filter;
    assert_eq!(filter.statuses, [Status::Active].into());
    assert_eq!(filter.roles, [Role::admin()].into());
}

#[test]
fn more_roles_than_a_user_can_have_are_refused() {
    let with = |count: usize| DirectoryQuery {
        role: Some((0..count).map(|number| format!("r{number}")).collect()),
        ..DirectoryQuery::default()
    };
    assert!(with(Roles::MAX).check().is_ok());
    let too_many = [("role".to_owned(), "too_many".to_owned())];
    assert_eq!(faults_of(&with(Roles::MAX + 1)), too_many);
}
