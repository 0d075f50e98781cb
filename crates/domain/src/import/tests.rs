//! Tests of import plans, in addition to the contract suite of the stores.

use super::*;
use crate::test_support::samples::{
    context_at, email, import, line, new_user, record, rename, seconds, user, user_id,
};
use crate::user::{Edit, ImportedHistory, NewUser, Presence};
use crate::values::Version;
use crate::write::USERNAME_RESERVATION;

fn snapshot_of(users: Vec<User>) -> StoreSnapshot {
    StoreSnapshot {
        users,
        ..StoreSnapshot::default()
    }
}

/// Plans a batch in a new run.
fn plan(batch: &[Import], snapshot: StoreSnapshot) -> Plan {
    super::plan(batch, snapshot, &ImportLedger::default())
}

#[test]
fn two_records_with_one_email_in_different_case_collide() {
    let carol = new_user("carol");
    let other = NewUser {
        email: email(&carol.email.as_str().to_uppercase()),
        ..new_user("caroline")
    };
    let batch = [carol, other].map(|new| import(record(new)));
    for match_by in [None, Some(MatchBy::Email)] {
        let ledger = ImportLedger::new(match_by, []);
        let plan = super::plan(&batch, StoreSnapshot::default(), &ledger);
        assert!(plan.outcomes[0].is_ok());
        let faults = plan.outcomes[1].as_ref().unwrap_err();
        assert_eq!(
            (faults[0].path(), faults[0].code()),
            (&["email".to_owned()][..], "duplicate")
        );
        assert_eq!((plan.created.len(), plan.updated.len()), (1, 0));
        assert_eq!(plan.events.len(), 1);
    }
}

#[test]
fn a_second_record_for_an_unchanged_user_is_rejected() {
    let stored = user("alice");
    let same = Record {
        id: Some(stored.id),
        ..record(NewUser {
            username: stored.username.clone(),
            email: stored.email.clone(),
            ..new_user("unused")
        })
    };
    let mut called = same.clone();
    called.user.rest.profile.name = Edit::Set(line("Alice"));
    let plan = plan(
        &[import(same), import(called)],
        snapshot_of(vec![stored.clone()]),
    );
    assert_eq!(plan.outcomes[0], Ok(Imported::Unchanged(stored.id)));
    assert_eq!(
        plan.outcomes[1].as_ref().unwrap_err()[0].code(),
        "duplicate"
    );
}

#[test]
fn a_resumed_run_rejects_users_of_earlier_lines() {
    let stored = user("alice");
    let renamed = Record {
        id: Some(stored.id),
        ..record(new_user("alicia"))
    };
    let ledger = ImportLedger::new(None, [(stored.id, 7)]);
    let plan = super::plan(&[import(renamed)], snapshot_of(vec![stored]), &ledger);
    let faults = plan.outcomes[0].as_ref().unwrap_err();
    assert_eq!(faults[0].code(), "duplicate");
    assert!(faults[0].detail().contains("line 7"), "{}", faults[0]);
}

#[test]
fn a_record_without_times_has_the_import_time() {
    let mut import = import(record(new_user("alice")));
    import.context = context_at(seconds(7));
    let plan = plan(&[import], StoreSnapshot::default());
    let made = &plan.created[0];
    assert_eq!(
        (made.created_at, made.updated_at, made.version),
        (seconds(7), seconds(7), Version::FIRST)
    );
}

#[test]
fn updated_at_is_never_before_created_at() {
    let mut import = import(Record {
        history: ImportedHistory {
            created_at: Some(seconds(60)),
            ..ImportedHistory::default()
        },
        ..record(new_user("alice"))
    });
    import.context = context_at(seconds(0));
    let plan = plan(&[import], StoreSnapshot::default());
    assert_eq!(plan.created[0].updated_at, seconds(60));
}

#[test]
fn a_created_event_includes_the_deleted_status() {
    let plan = plan(
        &[import(Record {
            presence: Presence::Deleted(None),
            ..record(new_user("alice"))
        })],
        StoreSnapshot::default(),
    );
    assert!(plan.created[0].is_deleted());
    assert_eq!(plan.events[0].changed, ["username", "email", "status"]);
}

#[test]
fn a_released_name_is_free_after_the_reservation() {
    let stored = user("alice");
    let renamed = stored
        .apply(&rename("alicia"), &context_at(seconds(1)))
        .unwrap()
        .unwrap()
        .user;
    let released = ReleasedUsername {
        key: "alice".to_owned(),
        skeleton: "alice".to_owned(),
        owner: user_id(),
        released_at: seconds(0),
    };
    let back = import(record(NewUser {
        email: renamed.email.clone(),
        ..new_user("alice")
    }));
    let outcome = |released_at: Timestamp, at: Timestamp| {
        let snapshot = StoreSnapshot {
            users: vec![renamed.clone()],
            released_usernames: vec![ReleasedUsername {
                released_at,
                ..released.clone()
            }],
            ..StoreSnapshot::default()
        };
        let mut import = back.clone();
        import.context = context_at(at);
        let by_email = ImportLedger::new(Some(MatchBy::Email), []);
        let plan = super::plan(&[import], snapshot, &by_email);
        plan.outcomes.into_iter().next().unwrap()
    };
    assert!(outcome(seconds(0), seconds(9)).is_err());
    assert_eq!(
        outcome(seconds(0), seconds(0).plus(USERNAME_RESERVATION)),
        Ok(Imported::Updated(renamed.id))
    );
}
