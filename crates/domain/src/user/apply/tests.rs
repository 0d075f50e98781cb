use std::time::Duration;

use super::*;
use crate::Rejection;
use crate::test_support::samples::{
    administrator, awkward_user, context, context_at, context_expecting, edit, email, external_id,
    merge_public, metadata, new_user, patch, registered, rename, roles, seconds, set_name, start,
    user, user_id, username,
};
use crate::user::{Actor, MetadataEdit, MetadataEdits, Status};
use crate::values::{Metadata, PhoneNumber, Role, Timestamp};

mod blocks;
mod contacts;
mod properties;
mod suspensions;

fn phone(number: &str) -> PhoneNumber {
    PhoneNumber::parse(number).unwrap()
}

fn edited(user: &User, edits: UserEdits) -> User {
    changed(user, &edit(edits)).user
}

fn changed(user: &User, change: &Change) -> Applied {
    let context = WriteContext {
        precondition: Precondition::AnyOf(vec![user.version.get().into()]),
        ..context_at(seconds(user.version.get().unsigned_abs()))
    };
    user.apply(change, &context).unwrap().unwrap()
}

fn codes(faults: &[Fault]) -> Vec<(String, &str)> {
    faults
        .iter()
        .map(|fault| (fault.path().join("."), fault.code()))
        .collect()
}

#[test]
fn a_registered_user_is_active_at_version_1_and_nothing_is_verified() {
    let new = new_user("alice");
    let context = context();
    let applied = User::register(user_id(), &new, &context).unwrap();
    let made = &applied.user;
    assert_eq!((made.status(), made.version.get()), (Status::Active, 1));
    assert_eq!((made.created_at, made.updated_at), (context.at, context.at));
    assert!(!made.email_verified && !made.phone_number_verified && made.roles.is_empty());
    assert_eq!((made.deleted_at, made.tokens_valid_after), (None, None));
    assert_eq!(applied.released, None);
    assert_eq!(applied.event.kind, EventKind::Created);
    assert_eq!(applied.event.changed, ["username", "email"]);
    assert_eq!(applied.event.actor, context.actor);
    assert_eq!(
        (applied.event.id, applied.event.at),
        (context.event_id, context.at)
    );
    assert_eq!(
        (applied.event.subject_id, applied.event.version.get()),
        (made.id, 1)
    );
}

#[test]
fn a_registration_may_set_every_field_and_its_event_names_each_once() {
    let applied = registered(&awkward_user("alice"), &context());
    assert!(applied.user.email_verified && applied.user.phone_number_verified);
    assert_eq!(applied.user.status(), Status::Suspended);
    assert_eq!(applied.event.kind, EventKind::Created);
    let mut paths = applied.event.changed.clone();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 23);
    assert_eq!(applied.event.changed.len(), 23);
}

#[test]
fn a_registration_ignores_the_username_and_email_of_its_edits() {
    let mut new = new_user("alice");
    new.rest.username = Some(username("mallory"));
    new.rest.email = Some(email("mallory@example.com"));
    let applied = registered(&new, &context());
    assert_eq!(applied.user.username, new.username);
    assert_eq!(applied.user.email, new.email);
    assert_eq!(applied.event.changed, ["username", "email"]);
}

#[test]
fn a_change_makes_one_version_and_one_event_by_its_actor() {
    let before = user("alice");
    let context = WriteContext {
        actor: Actor::from(&administrator()),
        ..context_at(seconds(5))
    };
    let applied = before.apply(&set_name("Alice"), &context).unwrap().unwrap();
    assert_eq!(applied.user.version.get(), 2);
    assert_eq!(
        (applied.user.created_at, applied.user.updated_at),
        (start(), seconds(5))
    );
    assert_eq!(applied.event.kind, EventKind::Updated);
    assert_eq!(applied.event.changed, ["profile.name"]);
    assert_eq!(applied.event.version, applied.user.version);
    assert_eq!(
        (applied.event.actor, applied.event.at),
        (context.actor, context.at)
    );
}

#[test]
fn a_change_without_effect_is_none_at_any_time() {
    let user = registered(&awkward_user("alice"), &context()).user;
    let same = [
        edit(UserEdits::default()),
        rename("alice"),
        edit(UserEdits {
            roles: Some(user.roles.clone()),
            ..UserEdits::default()
        }),
        merge_public(r#"{"a":1E300,"absent":null}"#),
        Change::suspend(),
        Change::Restore,
        Change::GrantRole(Role::admin()),
        Change::RevokeRole(Role::parse("never-granted").unwrap()),
    ];
    for change in same {
        assert_eq!(
            user.apply(&change, &context_at(seconds(99))),
            Ok(None),
            "{change:?}"
        );
    }
}

#[test]
fn updated_at_does_not_decrease_when_the_clock_moves_back() {
    let later = registered(&new_user("alice"), &context_at(seconds(60))).user;
    let context = context_at(seconds(10));
    let applied = later.apply(&set_name("Alice"), &context).unwrap().unwrap();
    assert_eq!(applied.user.updated_at, seconds(60));
    assert_eq!(applied.event.at, seconds(10));
}

#[test]
fn a_stored_time_in_the_future_does_not_freeze_updated_at() {
    let future = Timestamp::parse("9999-12-31T23:59:59Z").unwrap();
    let stuck = registered(&new_user("alice"), &context_at(future)).user;
    let applied = stuck.apply(&set_name("Alice"), &context_at(seconds(10)));
    let user = applied.unwrap().unwrap().user;
    assert_eq!(user.updated_at, seconds(10));
    let applied = user.apply(&set_name("Alina"), &context_at(seconds(20)));
    assert_eq!(applied.unwrap().unwrap().user.updated_at, seconds(20));
}

#[test]
fn a_revoked_role_leaves_the_others() {
    let user = edited(
        &user("alice"),
        UserEdits {
            roles: Some(roles(&["a", "b"])),
            ..UserEdits::default()
        },
    );
    let applied = user.apply(&Change::RevokeRole(Role::parse("a").unwrap()), &context());
    let applied = applied.unwrap().unwrap();
    assert_eq!(applied.user.roles, roles(&["b"]));
    assert_eq!(applied.event.changed, ["roles"]);
    assert_eq!(applied.event.kind, EventKind::Updated);
}

#[test]
fn a_deleted_user_can_only_be_restored_or_deleted_again() {
    let deleted = changed(&user("alice"), &Change::Delete).user;
    assert_eq!(
        (deleted.status(), deleted.deleted_at),
        (Status::Deleted, Some(deleted.updated_at))
    );
    let refused = [
        set_name("A"),
        Change::suspend(),
        Change::Activate,
        Change::GrantRole(Role::admin()),
        Change::RevokeRole(Role::admin()),
    ];
    for change in refused {
        // A precondition must not reveal that the user exists.
        for context in [context(), context_expecting(99)] {
            assert_eq!(
                deleted.apply(&change, &context),
                Err(ChangeRefused::NotFound),
                "{change:?}"
            );
        }
    }
    assert_eq!(
        deleted.apply(&Change::Delete, &context_at(seconds(99))),
        Ok(None)
    );
    let restored = changed(&deleted, &Change::Restore);
    assert_eq!(restored.event.kind, EventKind::Restored);
    assert_eq!(
        (restored.user.status(), restored.user.deleted_at),
        (Status::Active, None)
    );
}

#[test]
fn a_restored_user_has_its_former_standing() {
    let suspended = changed(&user("alice"), &Change::suspend()).user;
    let deleted = changed(&suspended, &Change::Delete).user;
    assert_eq!(deleted.status(), Status::Deleted);
    assert_eq!(
        changed(&deleted, &Change::Restore).user.status(),
        Status::Suspended
    );
}

#[test]
fn each_change_of_status_has_an_event_of_its_own_kind() {
    let active = user("alice");
    let suspended = changed(&active, &Change::suspend());
    assert_eq!(suspended.event.kind, EventKind::Suspended);
    let suspended = suspended.user;
    let activated = changed(&suspended, &Change::Activate);
    assert_eq!(activated.event.kind, EventKind::Activated);
    let deleted = changed(&active, &Change::Delete);
    assert_eq!(deleted.event.kind, EventKind::Deleted);
    assert_eq!(deleted.event.changed, ["status"]);
    let changed = ["status", "tokens_valid_after"];
    assert_eq!(activated.event.changed, changed);
}

#[test]
fn an_edit_of_the_standing_has_the_event_of_a_suspension() {
    let mut edits = UserEdits {
        standing: Some(Standing::Suspended),
        ..UserEdits::default()
    };
    edits.profile.nickname = Edit::Set(crate::test_support::samples::line("Al"));
    let applied = changed(&user("alice"), &edit(edits));
    assert_eq!(applied.event.kind, EventKind::Suspended);
    assert_eq!(applied.event.changed, ["status", "profile.nickname"]);
}

#[test]
fn an_external_id_is_written_once() {
    let set = |id: &str| UserEdits {
        external_id: Edit::Set(external_id(id)),
        ..UserEdits::default()
    };
    let user = edited(&user("alice"), set("1"));
    assert_eq!(user.apply(&edit(set("1")), &context()), Ok(None));
    let clear = UserEdits {
        external_id: Edit::Clear,
        ..UserEdits::default()
    };
    for edits in [set("2"), clear] {
        let Err(ChangeRefused::Invalid(faults)) = user.apply(&edit(edits), &context()) else {
            panic!("an external id was changed");
        };
        assert_eq!(codes(&faults), [("external_id".to_owned(), "read_only")]);
    }
}

#[test]
fn a_refused_change_reports_every_broken_rule() {
    let mut new = new_user("alice");
    new.rest.external_id = Edit::Set(external_id("1"));
    let half = format!(r#"{{"a":"{}"}}"#, "x".repeat(10_000));
    new.rest.metadata.private = MetadataEdit::Set(metadata(&half));
    let user = registered(&new, &context()).user;
    let edits = UserEdits {
        external_id: Edit::Set(external_id("2")),
        phone_number_verified: Some(true),
        metadata: MetadataEdits {
            private: MetadataEdit::Merge(patch(&half.replace("\"a\"", "\"b\""))),
            ..MetadataEdits::default()
        },
        ..UserEdits::default()
    };
    let Err(ChangeRefused::Invalid(faults)) = user.apply(&edit(edits), &context_expecting(1))
    else {
        panic!("the change was accepted");
    };
    let expected = [
        ("phone_number".to_owned(), "required"),
        ("external_id".to_owned(), "read_only"),
        ("metadata.private".to_owned(), "too_large"),
    ];
    assert_eq!(codes(&faults), expected);
}

#[test]
fn metadata_is_merged_into_its_own_object_only() {
    let mut new = new_user("alice");
    new.rest.metadata.public = MetadataEdit::Set(metadata(r#"{"keep":1,"drop":2}"#));
    new.rest.metadata.user = MetadataEdit::Set(metadata(r#"{"drop":3}"#));
    let user = registered(&new, &context()).user;
    let applied = changed(&user, &merge_public(r#"{"drop":null,"new":[null]}"#));
    assert_eq!(
        applied.user.metadata.public,
        metadata(r#"{"keep":1,"new":[null]}"#)
    );
    assert_eq!(applied.user.metadata.user, metadata(r#"{"drop":3}"#));
    assert_eq!(applied.event.changed, ["metadata.public"]);
}

#[test]
fn numbers_of_a_metadata_replacement_are_checked_only_if_it_differs() {
    let stored = Metadata::from_store(r#"{"a":1e400,"b":1}"#).unwrap();
    let mut state = (*user("alice")).clone();
    state.metadata.public = stored.clone();
    let user = User::from_store(state);
    let replacement = |public: Metadata| UserEdits {
        metadata: MetadataEdits {
            public: MetadataEdit::Set(public),
            user: MetadataEdit::Set(metadata(r#"{"c":2}"#)),
            ..MetadataEdits::default()
        },
        ..UserEdits::default()
    };
    let edited = edited(&user, replacement(stored.clone()));
    assert_eq!(edited.metadata.public, stored);
    assert_eq!(edited.metadata.user, metadata(r#"{"c":2}"#));
    let other = Metadata::from_store(r#"{"a":1e400,"b":2}"#).unwrap();
    let refused = user.apply(&edit(replacement(other)), &context());
    let Err(ChangeRefused::Invalid(faults)) = refused else {
        panic!("the change was accepted");
    };
    assert_eq!(
        codes(&faults),
        [("metadata.public.a".to_owned(), "out_of_range")]
    );
}

#[test]
fn roles_can_be_granted_up_to_32() {
    let mut user = edited(
        &user("alice"),
        UserEdits {
            roles: Some(roles(&["a"])),
            ..UserEdits::default()
        },
    );
    for number in 1..32 {
        let role = Role::parse(&format!("role{number}")).unwrap();
        user = changed(&user, &Change::GrantRole(role)).user;
    }
    assert_eq!(user.roles.len(), 32);
    assert_eq!(
        user.apply(&Change::GrantRole(Role::parse("a").unwrap()), &context()),
        Ok(None)
    );
    let Err(ChangeRefused::Invalid(faults)) =
        user.apply(&Change::GrantRole(Role::admin()), &context())
    else {
        panic!("a 33rd role was granted");
    };
    assert_eq!(codes(&faults), [("roles".to_owned(), "too_many")]);
}

#[test]
fn a_rename_releases_the_old_name_but_another_spelling_does_not() {
    let before = user("Alice");
    assert_eq!(
        changed(&before, &rename("alicia")).released,
        Some(username("Alice"))
    );
    assert_eq!(changed(&before, &rename("ALICE")).released, None);
    assert_eq!(changed(&before, &set_name("Alice")).released, None);
}

#[test]
fn an_unexpected_version_is_refused_before_the_rules_are_checked() {
    let user = user("alice");
    let invalid = edit(UserEdits {
        phone_number_verified: Some(true),
        ..UserEdits::default()
    });
    for change in [
        set_name("A"),
        invalid,
        rename("alice"),
        Change::Delete,
        Change::Restore,
    ] {
        let refused = user.apply(&change, &context_expecting(2));
        assert_eq!(
            refused,
            Err(ChangeRefused::PreconditionFailed),
            "{change:?}"
        );
    }
}

#[test]
fn an_erasure_event_has_the_next_version_and_no_fields() {
    let deleted = changed(&user("alice"), &Change::Delete).user;
    let context = context_expecting(2);
    let event = deleted.erase(&context).unwrap();
    assert_eq!((event.kind, event.version.get()), (EventKind::Erased, 3));
    assert_eq!((event.subject_id, event.changed.len()), (deleted.id, 0));
    assert_eq!(
        deleted.erase(&context_expecting(1)),
        Err(ChangeRefused::PreconditionFailed)
    );
}

#[test]
fn a_token_is_valid_while_its_user_is_active() {
    let user = user("alice");
    assert_eq!(user.admits_token_of(None), Ok(()));
    assert_eq!(user.admits_token_of(Some(start())), Ok(()));
    let suspended = changed(&user, &Change::suspend()).user;
    let deleted = changed(&user, &Change::Delete).user;
    for (inactive, reason) in [
        (suspended, Rejection::SuspendedSubject),
        (deleted, Rejection::DeletedSubject),
    ] {
        assert_eq!(inactive.admits_token_of(None), Err(reason));
        assert_eq!(inactive.admits_token_of(Some(seconds(1000))), Err(reason));
    }
}

#[test]
fn a_token_is_valid_if_issued_after_the_last_sign_out() {
    let mut state = user("alice").state;
    state.tokens_valid_after = Some(start());
    let user = User::from_store(state);
    let moment = Duration::from_micros(1);
    let cases: [(Option<Timestamp>, bool); 4] = [
        (None, false),
        (Some(start().minus(moment)), false),
        (Some(start()), false),
        (Some(start().plus(moment)), true),
    ];
    for (issued_at, is_valid) in cases {
        let expected = is_valid.then_some(()).ok_or(Rejection::SignedOut);
        assert_eq!(user.admits_token_of(issued_at), expected, "{issued_at:?}");
    }
}

#[test]
fn a_user_expires_30_days_after_its_deletion() {
    let leaver = changed(&user("leaver"), &Change::Delete).user;
    let deleted_at = leaver.deleted_at.unwrap();
    let due = context_at(deleted_at.plus(Duration::from_hours(30 * 24)));
    let early = context_at(due.at.minus(Duration::from_micros(1)));
    assert_eq!(leaver.expire(&early), None);
    let event = leaver.expire(&due).unwrap();
    assert_eq!(Ok(&event), leaver.erase(&due).as_ref());
    assert_eq!((event.kind, event.version.get()), (EventKind::Erased, 3));

    let restored = changed(&leaver, &Change::Restore).user;
    for user in [user("stayer"), restored] {
        assert_eq!(user.expire(&due), None);
    }
}
