use serde_json::{Value, json};

use super::*;
use crate::Violation;
use crate::test_support::samples::{administrator, metadata, person, roles, user_id, username};
use crate::user::{Edit, MetadataEdit, Standing};
use crate::values::Metadata;

fn text(text: &str) -> Raw<String> {
    Raw::Value(text.to_owned())
}

fn object(value: Value) -> Raw<Map<String, Value>> {
    match value {
        Value::Object(map) => Raw::Value(map),
        other => panic!("not an object: {other}"),
    }
}

fn role_names(names: &[&str]) -> RolesInput {
    RolesInput(Raw::Value(names.iter().map(|name| text(name)).collect()))
}

/// What suffices for a new user.
fn minimal() -> UserInput {
    UserInput {
        username: text("Alice"),
        email: text("alice@example.org"),
        ..UserInput::default()
    }
}

fn told(faults: &[Fault]) -> Vec<(String, String)> {
    let mut told: Vec<_> = faults
        .iter()
        .map(|fault| (fault.path().join("/"), fault.code().to_owned()))
        .collect();
    told.sort();
    told
}

fn expected(faults: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut told: Vec<_> = faults
        .iter()
        .map(|(path, code)| ((*path).to_owned(), (*code).to_owned()))
        .collect();
    told.sort();
    told
}

/// A fault in every field that can have one.
fn all_wrong() -> UserInput {
    UserInput {
        password: PasswordInput::default(),
        username: text("a"),
        email: text("nowhere"),
        email_verified: Raw::Mistyped("a boolean"),
        phone_number: text("12"),
        phone_number_verified: Raw::Mistyped("a boolean"),
        external_id: text("a b"),
        status: text("deleted"),
        roles: RolesInput(Raw::Value(vec![
            text("ok"),
            text("Not Ok"),
            Raw::Null,
            Raw::Mistyped("a string"),
        ])),
        profile: ProfileInput {
            name: text("  "),
            given_name: text("a\u{0}b"),
            family_name: text(&"x".repeat(129)),
            nickname: Raw::Mistyped("a string"),
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
            private: Raw::Mistyped("an object"),
        },
        misfits: vec![Fault::new(
            "shoe_size",
            &Violation::new("unknown_field", "Is not a field."),
        )],
    }
}

const ALL_FAULTS: [(&str, &str); 25] = [
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
    ("roles/3", "type"),
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
fn every_fault_of_an_input_is_told_at_once_in_every_mode() {
    let input = all_wrong();
    assert_eq!(told(&input.check_new().unwrap_err()), expected(&ALL_FAULTS));
    assert_eq!(
        told(&input.check_merge().unwrap_err()),
        expected(&ALL_FAULTS)
    );
    let replacement = input.check_replacement(&administrator());
    assert_eq!(told(&replacement.unwrap_err()), expected(&ALL_FAULTS));
}

#[test]
fn a_faults_detail_is_a_sentence_that_never_repeats_the_value() {
    let input = UserInput {
        profile: ProfileInput {
            website: text("secret: value"),
            ..ProfileInput::default()
        },
        ..minimal()
    };
    for fault in input.check_new().unwrap_err() {
        assert!(
            !fault.detail().is_empty() && !fault.detail().contains("secret"),
            "{fault}"
        );
    }
}

#[test]
fn nobody_is_made_without_a_username_and_an_email_address() {
    let both = expected(&[("username", "required"), ("email", "required")]);
    let null = UserInput {
        username: Raw::Null,
        email: Raw::Null,
        ..UserInput::default()
    };
    assert_eq!(told(&UserInput::default().check_new().unwrap_err()), both);
    assert_eq!(told(&null.check_new().unwrap_err()), both);
    let replacement = UserInput::default().check_replacement(&administrator());
    assert_eq!(told(&replacement.unwrap_err()), both);
    assert_eq!(told(&null.check_merge().unwrap_err()), both);
}

#[test]
fn a_new_user_of_a_minimal_input_keeps_every_default() {
    let (new, _) = minimal().check_new().unwrap();
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
    let (new, _) = input.check_new().unwrap();
    assert_eq!(
        new.rest.metadata.user,
        MetadataEdit::Set(metadata(r#"{"a":null}"#))
    );
}

#[test]
fn a_merge_keeps_what_it_does_not_name() {
    assert_eq!(UserInput::default().check_merge(), Ok(UserEdits::default()));
}

#[test]
fn a_merge_clears_what_it_names_as_null() {
    let input = UserInput {
        email_verified: Raw::Null,
        phone_number: Raw::Null,
        roles: RolesInput(Raw::Null),
        profile: ProfileInput {
            bio: Raw::Null,
            ..ProfileInput::default()
        },
        metadata: MetadataInput {
            public: Raw::Null,
            ..MetadataInput::default()
        },
        ..UserInput::default()
    };
    let edits = input.check_merge().unwrap();
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
fn a_merge_merges_metadata_and_leaves_its_nulls_to_the_merge() {
    let patch = json!({"a": null, "b": {"c": 1}});
    let input = UserInput {
        metadata: MetadataInput {
            user: object(patch.clone()),
            ..MetadataInput::default()
        },
        ..UserInput::default()
    };
    let edits = input.check_merge().unwrap();
    assert_eq!(
        Some(edits.metadata.user),
        patch.as_object().cloned().map(MetadataEdit::Merge)
    );
}

#[test]
fn a_status_is_one_of_two_and_never_null() {
    let with = |status| UserInput {
        status,
        ..UserInput::default()
    };
    assert_eq!(
        with(text("suspended")).check_merge().unwrap().standing,
        Some(Standing::Suspended)
    );
    assert_eq!(
        with(text("active")).check_merge().unwrap().standing,
        Some(Standing::Active)
    );
    assert_eq!(
        told(&with(Raw::Null).check_merge().unwrap_err()),
        expected(&[("status", "required")])
    );
    assert_eq!(
        told(&with(text("Active")).check_merge().unwrap_err()),
        expected(&[("status", "unknown")])
    );
}

#[test]
fn a_replacement_by_an_administrator_clears_all_that_it_does_not_name_but_three_fields() {
    let edits = minimal().check_replacement(&administrator()).unwrap();
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
    let drawers = edits.metadata;
    assert_eq!(
        (&drawers.public, &drawers.user, &drawers.private),
        (&empty, &empty, &empty)
    );
    assert_eq!(
        (edits.external_id, edits.standing, edits.roles),
        (Edit::Keep, None, None)
    );
}

#[test]
fn a_replacement_by_a_person_leaves_what_the_person_may_not_write() {
    let edits = minimal().check_replacement(&person(user_id())).unwrap();
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
    let edits = input.check_replacement(&person(user_id())).unwrap();
    assert_eq!(
        edits.metadata.user,
        MetadataEdit::Set(metadata(r#"{"a":null}"#))
    );
}

#[test]
fn roles_are_a_set_and_too_many_are_a_fault_of_the_whole() {
    let with = |roles| UserInput {
        roles,
        ..UserInput::default()
    };
    let edits = with(role_names(&["b", "a", "b"])).check_merge().unwrap();
    assert_eq!(edits.roles, Some(roles(&["a", "b"])));
    let many: Vec<String> = (0..33).map(|number| format!("r{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let faults = with(role_names(&many)).check_merge().unwrap_err();
    assert_eq!(told(&faults), expected(&[("roles", "too_many")]));
    let faults = with(RolesInput(Raw::Mistyped("an array")))
        .check_merge()
        .unwrap_err();
    assert_eq!(told(&faults), expected(&[("roles", "type")]));
}

#[test]
fn an_input_names_exactly_the_fields_that_were_there() {
    assert_eq!(UserInput::default().named(), []);
    let named: Vec<&str> = all_wrong().named().into_iter().map(Field::path).collect();
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
        roles: RolesInput(Raw::Null),
        ..UserInput::default()
    };
    assert_eq!(null.named(), [Field::Roles]);
    let mistyped = UserInput {
        status: Raw::Mistyped("a string"),
        ..UserInput::default()
    };
    assert_eq!(mistyped.named(), [Field::Status]);
}
