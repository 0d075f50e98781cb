//! Properties of every sequence of changes.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::test_support::fakes::FakeHasher;
use crate::user::{ProfileEdits, Suspension};

fn edit_of<T: Clone + std::fmt::Debug + 'static>(values: Vec<T>) -> impl Strategy<Value = Edit<T>> {
    prop_oneof![4 => Just(Edit::Keep), 1 => Just(Edit::Clear), 3 => select(values).prop_map(Edit::Set)]
}

fn metadata_edit() -> impl Strategy<Value = MetadataEdit> {
    let objects = select(vec![
        "{}",
        r#"{"a":1}"#,
        r#"{"a":1.0,"b":{"c":2}}"#,
        r#"{"b":{"c":null,"d":[]}}"#,
    ]);
    prop_oneof![
        3 => Just(MetadataEdit::Keep),
        1 => objects.clone().prop_map(|json| MetadataEdit::Set(metadata(json))),
        2 => objects.prop_map(|json| MetadataEdit::Merge(patch(json))),
    ]
}

fn profile_edits() -> impl Strategy<Value = ProfileEdits> {
    let line = |text| crate::test_support::samples::line(text);
    let lines = || edit_of(vec![line("one"), line("two")]);
    (lines(), lines(), lines()).prop_map(|(name, nickname, location)| ProfileEdits {
        name,
        nickname,
        location,
        ..ProfileEdits::default()
    })
}

fn edits() -> impl Strategy<Value = UserEdits> {
    let names = select(vec![username("alice"), username("Alice"), username("bob")]);
    let emails = select(vec![
        email("a@example.org"),
        email("A@EXAMPLE.org"),
        email("b@example.org"),
    ]);
    let people = (
        option::weighted(0.3, names),
        option::weighted(0.4, emails),
        option::weighted(0.3, any::<bool>()),
        edit_of(vec![phone("+15550100"), phone("+15550199")]),
        option::weighted(0.3, any::<bool>()),
        edit_of(vec![external_id("1"), external_id("2")]),
    );
    let platform = (
        option::weighted(0.3, select(vec![Standing::Active, Standing::Suspended])),
        option::weighted(
            0.3,
            select(vec![roles(&[]), roles(&["a"]), roles(&["a", "b"])]),
        ),
        profile_edits(),
        (metadata_edit(), metadata_edit(), metadata_edit()),
    );
    (people, platform).prop_map(|(people, platform)| {
        let (username, email, email_verified, phone_number, phone_number_verified, external_id) =
            people;
        let (standing, roles, profile, (public, user, private)) = platform;
        UserEdits {
            username,
            email,
            email_verified,
            phone_number,
            phone_number_verified,
            external_id,
            standing,
            suspension: Edit::Keep,
            roles,
            profile,
            metadata: MetadataEdits {
                public,
                user,
                private,
            },
        }
    })
}

fn suspend_until(end: u64) -> Change {
    Change::Suspend(Suspension {
        reason: None,
        until: Some(seconds(end)),
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => edits().prop_map(edit),
        1 => select(vec!["a", "b", "admin"]).prop_map(|role| Change::GrantRole(Role::parse(role).unwrap())),
        1 => select(vec!["a", "b", "admin"]).prop_map(|role| Change::RevokeRole(Role::parse(role).unwrap())),
        1 => Just(Change::suspend()),
        1 => (0_u64..4).prop_map(suspend_until),
        1 => Just(Change::EndSuspension),
        1 => Just(Change::Activate),
        1 => Just(Change::Delete),
        2 => Just(Change::Restore),
    ]
}

/// Generates a visible or an internal change.
fn change_of_any_kind() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => change(),
        1 => Just(Change::SignOut),
        1 => any::<bool>().prop_map(Change::SetHasBlocks),
        1 => Just(Change::SetPassword(FakeHasher::stored("a password"))),
        1 => Just(Change::RemovePassword),
    ]
}

/// Returns the user with every internal field reset.
fn without_internal_fields(user: &User) -> User {
    User::from_store(UserState {
        revision: Revision::FIRST,
        tokens_valid_after: None,
        password_changed_at: None,
        has_blocks: false,
        ..UserState::clone(user)
    })
}

/// Returns the paths of the fields in which two users differ.
fn differences(one: &User, other: &User) -> Vec<&'static str> {
    let (a, b) = (one, other);
    let fields = [
        ("username", a.username.as_str() != b.username.as_str()),
        ("email", a.email.as_str() != b.email.as_str()),
        ("email_verified", a.email_verified != b.email_verified),
        ("phone_number", a.phone_number != b.phone_number),
        (
            "phone_number_verified",
            a.phone_number_verified != b.phone_number_verified,
        ),
        ("external_id", a.external_id != b.external_id),
        ("status", a.status() != b.status()),
        ("suspension", a.suspension != b.suspension),
        ("roles", a.roles != b.roles),
        ("profile.name", a.profile.name != b.profile.name),
        ("profile.nickname", a.profile.nickname != b.profile.nickname),
        ("profile.location", a.profile.location != b.profile.location),
        ("metadata.public", a.metadata.public != b.metadata.public),
        ("metadata.user", a.metadata.user != b.metadata.user),
        ("metadata.private", a.metadata.private != b.metadata.private),
        ("password", a.password_changed_at != b.password_changed_at),
        (
            "tokens_valid_after",
            a.tokens_valid_after != b.tokens_valid_after,
        ),
        ("has_blocks", a.has_blocks != b.has_blocks),
    ];
    fields
        .into_iter()
        .filter_map(|(path, differs)| differs.then_some(path))
        .collect()
}

fn at_version(user: &User, at: u64) -> WriteContext {
    WriteContext {
        precondition: context_expecting(user.version.get()).precondition,
        ..context_at(seconds(at))
    }
}

proptest! {
    #[test]
    fn revisions_count_all_changes_and_versions_the_visible_ones(
        changes in prop::collection::vec(change_of_any_kind(), 0..24),
    ) {
        let mut current = user("alice");
        let (mut applied_changes, mut visible_changes) = (0, 0);
        for (at, change) in (1..).zip(&changes) {
            if let Ok(Some(applied)) = current.apply(change, &at_version(&current, at)) {
                applied_changes += 1;
                let is_visible = without_internal_fields(&current) != without_internal_fields(&applied.user);
                visible_changes += i64::from(is_visible);
                let event = (applied.event.revision, applied.event.version);
                prop_assert_eq!(event, (applied.user.revision, applied.user.version));
                let mut named = applied.event.changed.clone();
                let mut differences = differences(&current, &applied.user);
                named.sort_unstable();
                differences.sort_unstable();
                prop_assert_eq!(named, differences);
                prop_assert!(!applied.event.changed.is_empty());
                current = applied.user;
            }
            prop_assert_eq!(current.revision.get(), 1 + applied_changes);
            prop_assert_eq!(current.version.get(), 1 + visible_changes);
        }
    }

    #[test]
    fn a_repeated_change_changes_nothing(before in prop::collection::vec(change(), 0..6), change in change()) {
        let mut current = user("alice");
        for change in &before {
            if let Ok(Some(applied)) = current.apply(change, &at_version(&current, 1)) {
                current = applied.user;
            }
        }
        if let Ok(Some(applied)) = current.apply(&change, &at_version(&current, 2)) {
            prop_assert_eq!(applied.user.apply(&change, &at_version(&applied.user, 3)), Ok(None));
        }
    }

    #[test]
    fn every_sequence_of_changes_keeps_the_invariants_of_a_user(changes in prop::collection::vec(change(), 0..24)) {
        let first = user("alice");
        let mut current = first.clone();
        for (at, change) in (1..).zip(&changes) {
            let Ok(Some(applied)) = current.apply(change, &at_version(&current, at)) else { continue };
            let next = applied.user;
            prop_assert_eq!((next.id, next.created_at), (first.id, first.created_at));
            prop_assert!(next.updated_at >= current.updated_at);
            prop_assert!(next.phone_number.is_some() || !next.phone_number_verified);
            prop_assert!(current.external_id.is_none() || next.external_id == current.external_id);
            prop_assert!(!current.is_deleted() || matches!(change, Change::Restore));
            prop_assert_eq!(applied.released.is_some(), next.username.key() != current.username.key());
            let keeps_flag = matches!(change, Change::Edit(edits) if edits.email_verified.is_none());
            prop_assert!(!keeps_flag || next.email.key() == current.email.key() || !next.email_verified);
            current = next;
        }
    }
}
