use std::time::Duration;

use super::*;
use crate::test_support::samples::{
    administrator, awkward_user, call, context, context_at, context_expecting, edit, email,
    external_id, merge_public, metadata, new_user, patch, registered, rename, roles, seconds,
    start, user, user_id, username,
};
use crate::user::{Actor, MetadataEdit, MetadataEdits, Status};
use crate::values::{PhoneNumber, Role, Timestamp};

mod blocks;
mod contacts;
mod properties;

fn phone(number: &str) -> PhoneNumber {
    PhoneNumber::parse(number).unwrap()
}

fn edited(user: &User, edits: UserEdits) -> User {
    changed(user, &edit(edits)).user
}

fn changed(user: &User, change: &Change) -> Applied {
    let context = WriteContext {
        precondition: Precondition::AnyOf(vec![user.version.get()]),
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
    assert_eq!(paths.len(), 22);
    assert_eq!(applied.event.changed.len(), 22);
}

#[test]
fn the_name_and_address_of_a_registration_are_those_of_the_new_user_not_of_its_edits() {
    let mut new = new_user("alice");
    new.rest.username = Some(username("mallory"));
    new.rest.email = Some(email("mallory@example.com"));
    let applied = registered(&new, &context());
    assert_eq!(applied.user.username, new.username);
    assert_eq!(applied.user.email, new.email);
    assert_eq!(applied.event.changed, ["username", "email"]);
}

#[test]
fn a_change_is_one_version_and_one_event_by_who_made_it() {
    let before = user("alice");
    let context = WriteContext {
        actor: Actor::from(&administrator()),
        ..context_at(seconds(5))
    };
    let applied = before.apply(&call("Alice"), &context).unwrap().unwrap();
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
fn a_change_that_changes_nothing_is_none_whatever_the_time() {
    let user = registered(&awkward_user("alice"), &context()).user;
    let same = [
        edit(UserEdits::default()),
        rename("alice"),
        edit(UserEdits {
            roles: Some(user.roles.clone()),
            ..UserEdits::default()
        }),
        merge_public(r#"{"a":1E400,"absent":null}"#),
        Change::Suspend,
        Change::Restore,
        Change::GrantRole(Role::admin()),
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
fn the_last_change_is_never_before_the_one_before_though_a_clock_goes_back() {
    let later = registered(&new_user("alice"), &context_at(seconds(60))).user;
    let context = context_at(seconds(10));
    let applied = later.apply(&call("Alice"), &context).unwrap().unwrap();
    assert_eq!(applied.user.updated_at, seconds(60));
    assert_eq!(applied.event.at, seconds(10));
}

#[test]
fn a_deleted_user_can_only_be_restored_or_deleted_again() {
    let deleted = changed(&user("alice"), &Change::Delete).user;
    assert_eq!(
        (deleted.status(), deleted.deleted_at),
        (Status::Deleted, Some(deleted.updated_at))
    );
    let refused = [
        call("A"),
        Change::Suspend,
        Change::Activate,
        Change::GrantRole(Role::admin()),
    ];
    for change in refused {
        // Nobody learns by a precondition that there is somebody.
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
fn a_restored_user_has_the_standing_it_had() {
    let suspended = changed(&user("alice"), &Change::Suspend).user;
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
    let suspended = changed(&active, &Change::Suspend);
    assert_eq!(suspended.event.kind, EventKind::Suspended);
    let suspended = suspended.user;
    let activated = changed(&suspended, &Change::Activate);
    assert_eq!(activated.event.kind, EventKind::Activated);
    let deleted = changed(&active, &Change::Delete);
    assert_eq!(deleted.event.kind, EventKind::Deleted);
    for applied in [&activated, &deleted] {
        assert_eq!(applied.event.changed, ["status"]);
    }
}

#[test]
fn an_edit_of_the_standing_is_told_as_a_suspension() {
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
fn all_rules_that_a_change_would_break_are_told_at_once() {
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
        panic!("the change was admitted");
    };
    let expected = [
        ("phone_number".to_owned(), "required"),
        ("external_id".to_owned(), "read_only"),
        ("metadata.private".to_owned(), "too_large"),
    ];
    assert_eq!(codes(&faults), expected);
}

#[test]
fn metadata_is_merged_into_its_own_drawer_only() {
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
fn a_granted_role_joins_those_there_are_until_there_are_32() {
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
fn a_rename_releases_the_old_name_and_another_spelling_does_not() {
    let before = user("Alice");
    assert_eq!(
        changed(&before, &rename("alicia")).released,
        Some(username("Alice"))
    );
    assert_eq!(changed(&before, &rename("ALICE")).released, None);
    assert_eq!(changed(&before, &call("Alice")).released, None);
}

#[test]
fn an_unexpected_version_refuses_every_change_before_its_rules() {
    let user = user("alice");
    let invalid = edit(UserEdits {
        phone_number_verified: Some(true),
        ..UserEdits::default()
    });
    for change in [
        call("A"),
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
fn an_erasure_is_the_version_after_the_last_and_names_no_field() {
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
fn a_token_counts_while_its_user_is_active() {
    let user = user("alice");
    assert!(user.admits_token_of(None));
    assert!(user.admits_token_of(Some(start())));
    let suspended = changed(&user, &Change::Suspend).user;
    let deleted = changed(&user, &Change::Delete).user;
    for gone in [suspended, deleted] {
        assert!(!gone.admits_token_of(None) && !gone.admits_token_of(Some(seconds(1000))));
    }
}

#[test]
fn a_token_counts_when_it_was_issued_after_the_last_sign_out() {
    let mut state = user("alice").state;
    state.tokens_valid_after = Some(start());
    let user = User::from_store(state);
    let moment = Duration::from_micros(1);
    let tries: [(Option<Timestamp>, bool); 4] = [
        (None, false),
        (Some(start().minus(moment)), false),
        (Some(start()), false),
        (Some(start().plus(moment)), true),
    ];
    for (issued_at, counts) in tries {
        assert_eq!(user.admits_token_of(issued_at), counts, "{issued_at:?}");
    }
}

#[test]
fn only_a_user_deleted_for_30_days_expires() {
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
