//! What a plan is beyond what the contract asks of a store.

use super::*;
use crate::test_support::samples::{
    context_at, import, line, new_user, record, rename, seconds, user, user_id, username,
};
use crate::user::{Edit, EventKind, NewUser, Past, Presence};
use crate::values::Version;

fn known(users: Vec<User>) -> Known {
    Known {
        users,
        ..Known::default()
    }
}

#[test]
fn a_user_made_and_changed_in_one_batch_is_written_once_with_both_events() {
    let alice = new_user("alice");
    let mut called = alice.clone();
    called.rest.profile.name = Edit::Set(line("Alice"));
    let plan = plan(
        &[import(record(alice)), import(record(called))],
        Known::default(),
    );
    assert_eq!(plan.created.len(), 1);
    assert!(plan.updated.is_empty());
    assert_eq!(Some(plan.created[0].version), Version::from_i64(2));
    let kinds: Vec<EventKind> = plan.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Created, EventKind::Updated]);
}

#[test]
fn a_user_changed_twice_is_written_once_as_the_last_change_leaves_it() {
    let stored = user("alice");
    let named = |name: &str| {
        import(record(NewUser {
            password: None,
            username: username(name),
            email: stored.email.clone(),
            rest: crate::user::UserEdits::default(),
        }))
    };
    let plan = plan(
        &[named("alicia"), named("alina"), named("alicia")],
        known(vec![stored.clone()]),
    );
    assert_eq!(plan.updated.len(), 1);
    assert_eq!(plan.updated[0].username.as_str(), "alicia");
    assert_eq!(plan.events.len(), 3);
    let mut released: Vec<&str> = plan.released.iter().map(|(name, ..)| name.key()).collect();
    released.sort_unstable();
    assert_eq!(
        released,
        ["alice", "alicia", "alina"],
        "each name once, for a store that writes them by one statement"
    );
}

#[test]
fn a_record_without_times_is_of_the_moment_of_its_import() {
    let mut import = import(record(new_user("alice")));
    import.context = context_at(seconds(7));
    let plan = plan(&[import], Known::default());
    let made = &plan.created[0];
    assert_eq!(
        (made.created_at, made.updated_at, made.version),
        (seconds(7), seconds(7), Version::FIRST)
    );
}

#[test]
fn a_user_never_changed_before_it_was_made_though_the_record_says_only_when() {
    let mut import = import(Record {
        past: Past {
            created_at: Some(seconds(60)),
            ..Past::default()
        },
        ..record(new_user("alice"))
    });
    import.context = context_at(seconds(0));
    let plan = plan(&[import], Known::default());
    assert_eq!(plan.created[0].updated_at, seconds(60));
}

#[test]
fn a_created_event_tells_of_a_deletion_too() {
    let plan = plan(
        &[import(Record {
            presence: Presence::Deleted(None),
            ..record(new_user("alice"))
        })],
        Known::default(),
    );
    assert!(plan.created[0].is_deleted());
    assert_eq!(plan.events[0].changed, ["username", "email", "status"]);
}

#[test]
fn a_name_that_was_taken_back_since_rests_no_more() {
    let stored = user("alice");
    let away = stored
        .apply(&rename("alicia"), &context_at(seconds(1)))
        .unwrap()
        .unwrap()
        .user;
    let resting = RestingName {
        key: "alice".to_owned(),
        skeleton: "alice".to_owned(),
        owner: user_id(),
        since: seconds(0),
    };
    let back = import(record(NewUser {
        email: away.email.clone(),
        ..new_user("alice")
    }));
    let outcome = |since: Timestamp, at: Timestamp| {
        let known = Known {
            users: vec![away.clone()],
            resting: vec![RestingName {
                since,
                ..resting.clone()
            }],
            ..Known::default()
        };
        let mut import = back.clone();
        import.context = context_at(at);
        plan(&[import], known).outcomes.pop().unwrap()
    };
    assert!(outcome(seconds(0), seconds(9)).is_err());
    assert_eq!(
        outcome(seconds(0), seconds(0).plus(NAME_REST)),
        Ok(Imported::Updated(away.id))
    );
}
