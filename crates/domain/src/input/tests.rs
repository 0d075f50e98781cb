use serde_json::{Value, json};

use super::*;
use crate::Violation;
use crate::test_support::samples::{
    administrator, metadata, person, roles, seconds, user_id, username,
};
use crate::user::{Edit, MetadataEdit, Standing};
use crate::values::Metadata;

fn text<T: FromStr<Err = Violation>>(text: &str) -> FieldInput<T> {
    FieldInput::parse(text)
}

fn object(value: Value) -> FieldInput<Map<String, Value>> {
    match value {
        Value::Object(map) => FieldInput::Value(map),
        other => panic!("not an object: {other}"),
    }
}

fn role_names(names: &[&str]) -> RolesInput {
    RolesInput::parse(names.iter().copied().map(Ok))
}

/// The minimal input for a new user.
fn minimal() -> UserInput {
    UserInput {
        username: text("Alice"),
        email: text("alice@example.org"),
        ..UserInput::default()
    }
}

fn codes(faults: &[Fault]) -> Vec<(String, String)> {
    let mut codes: Vec<_> = faults
        .iter()
        .map(|fault| (fault.path().join("/"), fault.code().to_owned()))
        .collect();
    codes.sort();
    codes
}

fn expected(faults: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut codes: Vec<_> = faults
        .iter()
        .map(|(path, code)| ((*path).to_owned(), (*code).to_owned()))
        .collect();
    codes.sort();
    codes
}

/// An input with a fault in every field that can have one.
fn all_wrong() -> UserInput {
    UserInput {
        password: PasswordInput::default(),
        username: text("a"),
        email: text("nowhere"),
        email_verified: FieldInput::wrong_type("a boolean"),
        phone_number: text("12"),
        phone_number_verified: FieldInput::wrong_type("a boolean"),
        external_id: text("a b"),
        status: text("deleted"),
        roles: RolesInput::parse([Ok("ok"), Ok("Not Ok"), Err(wrong_type("a string"))].into_iter()),
        profile: ProfileInput {
            name: text("  "),
            given_name: text("a\u{0}b"),
            family_name: text(&"x".repeat(129)),
            nickname: FieldInput::wrong_type("a string"),
            picture: text("ftp://example.org"),
            website: text("not a url"),
            bio: text(&"x".repeat(2001)),
            location: text("a\nb"),
            locale: text("no_such"),
            zoneinfo: text("Mars/Olympus"),
            birthdate: text("2023-02-30"),
        },
        metadata: MetadataInput {
            public: object(json!({"a": "\u{202e}"})),
            user: object(json!({"a": "x".repeat(17_000)})),
            private: FieldInput::wrong_type("an object"),
        },
        unexpected_fields: vec![Fault::new(
            "shoe_size",
            &Violation::new("unknown_field", "Is not a field."),
        )],
    }
}

const ALL_FAULTS: [(&str, &str); 24] = [
    ("shoe_size", "unknown_field"),
    ("username", "too_short"),
    ("email", "format"),
    ("email_verified", "type"),
    ("phone_number", "format"),
    ("phone_number_verified", "type"),
    ("external_id", "forbidden_character"),
    ("status", "unknown"),
    ("roles/1", "forbidden_character"),
    ("roles/2", "type"),
    ("profile/name", "blank"),
    ("profile/given_name", "forbidden_character"),
    ("profile/family_name", "too_long"),
    ("profile/nickname", "type"),
    ("profile/picture", "url_scheme"),
    ("profile/website", "format"),
    ("profile/bio", "too_long"),
    ("profile/location", "forbidden_character"),
    ("profile/locale", "format"),
    ("profile/zoneinfo", "format"),
    ("profile/birthdate", "format"),
    ("metadata/public", "forbidden_character"),
    ("metadata/user", "too_large"),
    ("metadata/private", "type"),
];

#[test]
fn all_faults_are_reported_at_once_for_every_kind_of_write() {
    let input = all_wrong();
    assert_eq!(
        codes(&input.check_new(seconds(0)).unwrap_err()),
        expected(&ALL_FAULTS)
    );
    assert_eq!(
        codes(&input.check_merge(seconds(0)).unwrap_err()),
        expected(&ALL_FAULTS)
    );
    let replacement = input.check_replacement(&administrator(), seconds(0));
    assert_eq!(codes(&replacement.unwrap_err()), expected(&ALL_FAULTS));
}

#[test]
fn the_detail_of_a_fault_never_contains_the_value() {
    let input = UserInput {
        profile: ProfileInput {
            website: text("secret: value"),
            ..ProfileInput::default()
        },
        ..minimal()
    };
    for fault in input.check_new(seconds(0)).unwrap_err() {
        assert!(
            !fault.detail().is_empty() && !fault.detail().contains("secret"),
            "{fault}"
        );
    }
}

#[test]
fn username_and_email_are_required() {
    let both = expected(&[("username", "required"), ("email", "required")]);
    let null = UserInput {
        username: FieldInput::Null,
        email: FieldInput::Null,
        ..UserInput::default()
    };
    assert_eq!(
        codes(&UserInput::default().check_new(seconds(0)).unwrap_err()),
        both
    );
    assert_eq!(codes(&null.check_new(seconds(0)).unwrap_err()), both);
    let replacement = UserInput::default().check_replacement(&administrator(), seconds(0));
    assert_eq!(codes(&replacement.unwrap_err()), both);
    assert_eq!(codes(&null.check_merge(seconds(0)).unwrap_err()), both);
}

#[test]
fn a_minimal_input_sets_no_other_field() {
    let (new, _) = minimal().check_new(seconds(0)).unwrap();
    assert_eq!(new.username, username("Alice"));
    assert_eq!(new.email.as_str(), "alice@example.org");
    let rest = UserEdits {
        username: None,
        email: None,
        ..new.rest
    };
    assert_eq!(rest, UserEdits::default());
}

#[test]
fn a_new_users_metadata_keeps_its_nulls() {
    let input = UserInput {
        metadata: MetadataInput {
            user: object(json!({"a": null})),
            ..MetadataInput::default()
        },
        ..minimal()
    };
    let (new, _) = input.check_new(seconds(0)).unwrap();
    assert_eq!(
        new.rest.metadata.user,
        MetadataEdit::Set(metadata(r#"{"a":null}"#))
    );
}

#[test]
fn a_merge_keeps_absent_fields() {
    assert_eq!(
        UserInput::default().check_merge(seconds(0)),
        Ok(UserEdits::default())
    );
}

#[test]
fn a_merge_clears_null_fields() {
    let input = UserInput {
        email_verified: FieldInput::Null,
        phone_number: FieldInput::Null,
        roles: RolesInput(FieldInput::Null),
        profile: ProfileInput {
            bio: FieldInput::Null,
            ..ProfileInput::default()
        },
        metadata: MetadataInput {
            public: FieldInput::Null,
            ..MetadataInput::default()
        },
        ..UserInput::default()
    };
    let edits = input.check_merge(seconds(0)).unwrap();
    assert_eq!(edits.email_verified, Some(false));
    assert_eq!(edits.phone_number, Edit::Clear);
    assert_eq!(edits.roles, Some(roles(&[])));
    assert_eq!(edits.profile.bio, Edit::Clear);
    assert_eq!(edits.profile.name, Edit::Keep);
    assert_eq!(
        edits.metadata.public,
        MetadataEdit::Set(Metadata::default())
    );
    assert_eq!(edits.metadata.user, MetadataEdit::Keep);
}

#[test]
fn a_merge_keeps_the_nulls_of_a_metadata_patch() {
    let patch = json!({"a": null, "b": {"c": 1}});
    let input = UserInput {
        metadata: MetadataInput {
            user: object(patch.clone()),
            ..MetadataInput::default()
        },
        ..UserInput::default()
    };
    let edits = input.check_merge(seconds(0)).unwrap();
    assert_eq!(
        Some(edits.metadata.user),
        patch.as_object().cloned().map(MetadataEdit::Merge)
    );
}

#[test]
fn a_status_is_active_or_suspended_and_never_null() {
    let with = |status| UserInput {
        status,
        ..UserInput::default()
    };
    assert_eq!(
        with(text("suspended"))
            .check_merge(seconds(0))
            .unwrap()
            .standing,
        Some(Standing::Suspended)
    );
    assert_eq!(
        with(text("active"))
            .check_merge(seconds(0))
            .unwrap()
            .standing,
        Some(Standing::Active)
    );
    assert_eq!(
        codes(&with(FieldInput::Null).check_merge(seconds(0)).unwrap_err()),
        expected(&[("status", "required")])
    );
    assert_eq!(
        codes(&with(text("Active")).check_merge(seconds(0)).unwrap_err()),
        expected(&[("status", "unknown")])
    );
}

#[test]
fn a_replacement_by_an_administrator_keeps_three_absent_fields() {
    let edits = minimal()
        .check_replacement(&administrator(), seconds(0))
        .unwrap();
    assert_eq!(
        (edits.email_verified, edits.phone_number_verified),
        (Some(false), Some(false))
    );
    assert_eq!(edits.phone_number, Edit::Clear);
    let profile = &edits.profile;
    let lines = [
        &profile.name,
        &profile.given_name,
        &profile.family_name,
        &profile.nickname,
        &profile.location,
    ];
    assert!(lines.into_iter().all(|edit| *edit == Edit::Clear));
    assert_eq!(
        (&profile.picture, &profile.website),
        (&Edit::Clear, &Edit::Clear)
    );
    assert_eq!(
        (&profile.bio, &profile.locale),
        (&Edit::Clear, &Edit::Clear)
    );
    assert_eq!(
        (&profile.zoneinfo, &profile.birthdate),
        (&Edit::Clear, &Edit::Clear)
    );
    let empty = MetadataEdit::Set(Metadata::default());
    let metadata = edits.metadata;
    assert_eq!(
        (&metadata.public, &metadata.user, &metadata.private),
        (&empty, &empty, &empty)
    );
    assert_eq!(
        (edits.external_id, edits.standing, edits.roles),
        (Edit::Keep, None, None)
    );
}

#[test]
fn a_replacement_by_a_user_keeps_fields_it_may_not_write() {
    let edits = minimal()
        .check_replacement(&person(user_id()), seconds(0))
        .unwrap();
    assert_eq!(
        (edits.email_verified, edits.phone_number_verified),
        (None, None)
    );
    assert_eq!(
        (edits.phone_number, edits.profile.bio),
        (Edit::Clear, Edit::Clear)
    );
    assert_eq!(edits.metadata.public, MetadataEdit::Keep);
    assert_eq!(edits.metadata.private, MetadataEdit::Keep);
    assert_eq!(edits.metadata.user, MetadataEdit::Set(Metadata::default()));
}

#[test]
fn a_replacement_sets_metadata_instead_of_merging_it() {
    let input = UserInput {
        metadata: MetadataInput {
            user: object(json!({"a": null})),
            ..MetadataInput::default()
        },
        ..minimal()
    };
    let edits = input
        .check_replacement(&person(user_id()), seconds(0))
        .unwrap();
    assert_eq!(
        edits.metadata.user,
        MetadataEdit::Set(metadata(r#"{"a":null}"#))
    );
}

#[test]
fn too_many_roles_are_one_fault_of_the_list() {
    let with = |roles| UserInput {
        roles,
        ..UserInput::default()
    };
    let edits = with(role_names(&["b", "a", "b"]))
        .check_merge(seconds(0))
        .unwrap();
    assert_eq!(edits.roles, Some(roles(&["a", "b"])));
    let many: Vec<String> = (0..33).map(|number| format!("r{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let faults = with(role_names(&many)).check_merge(seconds(0)).unwrap_err();
    assert_eq!(codes(&faults), expected(&[("roles", "too_many")]));
    let faults = with(RolesInput(FieldInput::wrong_type("an array")))
        .check_merge(seconds(0))
        .unwrap_err();
    assert_eq!(codes(&faults), expected(&[("roles", "type")]));
}

#[test]
fn named_fields_are_exactly_the_present_ones() {
    assert_eq!(UserInput::default().named_fields(), []);
    let named: Vec<&str> = all_wrong()
        .named_fields()
        .into_iter()
        .map(Field::path)
        .collect();
    let all: Vec<String> = ALL_FAULTS
        .iter()
        .map(|(path, _)| path.trim_end_matches(|end: char| end.is_ascii_digit() || end == '/'))
        .map(|path| path.replace('/', "."))
        .filter(|path| path != "shoe_size")
        .fold(Vec::new(), |mut paths, path| {
            if !paths.contains(&path) {
                paths.push(path);
            }
            paths
        });
    assert_eq!(named, all);
    let null = UserInput {
        roles: RolesInput(FieldInput::Null),
        ..UserInput::default()
    };
    assert_eq!(null.named_fields(), [Field::Roles]);
    let wrong_type = UserInput {
        status: FieldInput::wrong_type("a string"),
        ..UserInput::default()
    };
    assert_eq!(wrong_type.named_fields(), [Field::Status]);
}

#[test]
fn a_future_birthdate_is_reported_with_the_other_faults() {
    let now = Timestamp::parse("2026-11-30T00:00:00Z").unwrap();
    let born = |date: &str| {
        let mut input = minimal();
        input.profile.birthdate = text(date);
        input.profile.locale = text("en_US");
        input
    };
    let both = expected(&[
        ("profile/locale", "format"),
        ("profile/birthdate", "in_future"),
    ]);
    for date in ["2026-12-02", "2027", "9999-12-31"] {
        let input = born(date);
        assert_eq!(codes(&input.check_new(now).unwrap_err()), both, "{date}");
        assert_eq!(codes(&input.check_merge(now).unwrap_err()), both, "{date}");
        let replacement = input.check_replacement(&administrator(), now);
        assert_eq!(codes(&replacement.unwrap_err()), both, "{date}");
    }
    let only_locale = expected(&[("profile/locale", "format")]);
    for date in ["2026-11-30", "2026", "0000-12-31"] {
        assert_eq!(
            codes(&born(date).check_new(now).unwrap_err()),
            only_locale,
            "{date}"
        );
    }
}
