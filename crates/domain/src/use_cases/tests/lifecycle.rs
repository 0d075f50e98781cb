//! Deleting, restoring, suspending, erasing users, and giving them roles.

use super::*;
use crate::caller::Caller;
use crate::ports::UserKey;
use crate::test_support::samples::{administrator, email, person, service, user_id, username};
use crate::use_cases::*;
use crate::user::{Change, EventKind, Status};
use crate::values::{EmailKey, Role, UsernameKey};

#[tokio::test]
async fn a_deletion_can_be_repeated_and_undone() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    let on = fakes.use_cases();
    let caller = service("auth");
    for _ in 0..2 {
        let deleted = on.delete_user.run(&caller, id, unconditional()).await;
        assert_eq!(deleted, Ok(Deletion { replayed: false }));
    }
    let restored = on
        .change_status
        .run(&caller, id, StatusChange::Restore, unconditional())
        .await
        .unwrap();
    assert_eq!(restored.view.public().status, Status::Active);
    assert_eq!(
        kinds(&fakes, id).await,
        [EventKind::Created, EventKind::Deleted, EventKind::Restored]
    );
    let nobody = on
        .delete_user
        .run(&caller, user_id(), unconditional())
        .await;
    assert_eq!(nobody, Err(ChangeStatusError::NotFound));
}

#[tokio::test]
async fn a_user_may_delete_itself() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    let deleted = fakes
        .use_cases()
        .delete_user
        .run(&person(id), id, unconditional())
        .await;
    assert_eq!(deleted, Ok(Deletion { replayed: false }));
}

#[tokio::test]
async fn a_change_of_status_can_be_repeated_and_finds_no_deleted_user() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    let on = fakes.use_cases();
    let caller = administrator();
    for (change, status, version) in [
        (StatusChange::Suspend, Status::Suspended, 2),
        (StatusChange::Suspend, Status::Suspended, 2),
        (StatusChange::Activate, Status::Active, 3),
        (StatusChange::Restore, Status::Active, 3),
    ] {
        let changed = on
            .change_status
            .run(&caller, id, change, unconditional())
            .await
            .unwrap();
        let shown = changed.view.public();
        assert_eq!(
            (shown.status, shown.version.get()),
            (status, version),
            "{change:?}"
        );
    }
    let stale = on
        .change_status
        .run(&caller, id, StatusChange::Suspend, at_version(1))
        .await;
    assert_eq!(stale, Err(ChangeStatusError::PreconditionFailed));
    fakes
        .store
        .change(id, &Change::Delete, &context())
        .await
        .unwrap();
    let deleted = on
        .change_status
        .run(&caller, id, StatusChange::Suspend, unconditional())
        .await;
    assert_eq!(deleted, Err(ChangeStatusError::NotFound));
}

#[tokio::test]
async fn an_erasure_is_for_good_and_harmless_when_repeated_under_its_key() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    let on = fakes.use_cases();
    let caller = service("auth");
    let erased = on.erase_user.run(&caller, id, under("key", 1)).await;
    assert_eq!(erased, Ok(Deletion { replayed: false }));
    let again = on.erase_user.run(&caller, id, under("key", 1)).await;
    assert_eq!(again, Ok(Deletion { replayed: true }));
    let without_key = on.erase_user.run(&caller, id, unconditional()).await;
    assert_eq!(without_key, Err(ChangeStatusError::NotFound));
    let restored = on
        .change_status
        .run(&caller, id, StatusChange::Restore, unconditional())
        .await;
    assert_eq!(restored, Err(ChangeStatusError::NotFound));
}

#[tokio::test]
async fn a_write_whose_user_was_deleted_since_is_not_shown_on_replay() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    let on = fakes.use_cases();
    on.update_user
        .run(&person(id), id, &called("Alice"), under("key", 1))
        .await
        .unwrap();
    fakes
        .store
        .change(id, &Change::Delete, &context())
        .await
        .unwrap();
    let replay = on
        .update_user
        .run(&person(id), id, &called("Alice"), under("key", 1))
        .await;
    assert_eq!(replay, Err(EditUserError::NotFound));
}

#[tokio::test]
async fn the_operator_makes_the_first_administrator_by_any_key() {
    let mut new = new_user("alice");
    new.email = email("alice@example.com");
    for key in [
        UserKey::Username(UsernameKey::from(&username("ALICE"))),
        UserKey::Email(EmailKey::from(&email("Alice@Example.com"))),
    ] {
        let fakes = Fakes::default();
        let id = stored(&fakes, &new).user.id;
        let on = fakes.use_cases();
        for _ in 0..2 {
            let granted = on
                .grant_role
                .run(&Caller::Operator, &key, Role::admin())
                .await
                .unwrap();
            assert_eq!(granted.view.public().version.get(), 2);
            assert!(granted.view.own().unwrap().roles.is_admin());
        }
        assert_eq!(
            kinds(&fakes, id).await,
            [EventKind::Created, EventKind::Updated]
        );
    }
}

#[tokio::test]
async fn a_role_is_given_to_nobody_who_is_absent_or_deleted() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    fakes
        .store
        .change(id, &Change::Delete, &context())
        .await
        .unwrap();
    let grant = fakes.use_cases().grant_role;
    let absent = UserKey::Username(UsernameKey::from(&username("nobody")));
    for key in [UserKey::Id(id), UserKey::Id(user_id()), absent] {
        let granted = grant.run(&Caller::Operator, &key, Role::admin()).await;
        assert_eq!(granted, Err(GrantRoleError::NotFound), "{key:?}");
    }
}
