//! Deletion, restore, suspension and erasure of users, and granting of roles.

use super::*;
use crate::caller::Caller;
use crate::permissions::Denied;
use crate::ports::UserKey;
use crate::test_support::samples::{administrator, email, person, service, user_id, username};
use crate::use_cases::*;
use crate::user::{Change, EventKind, Status, SuspensionInput};
use crate::values::{EmailKey, Role, UsernameKey};

#[tokio::test]
async fn a_deletion_can_be_repeated_and_undone() {
    let (fakes, on, id) = with_alice();
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
    let absent = on
        .delete_user
        .run(&caller, user_id(), unconditional())
        .await;
    assert_eq!(absent, Err(ChangeStatusError::NotFound));
}

#[tokio::test]
async fn a_user_may_delete_itself() {
    let (_, on, id) = with_alice();
    let deleted = on.delete_user.run(&person(id), id, unconditional()).await;
    assert_eq!(deleted, Ok(Deletion { replayed: false }));
}

#[tokio::test]
async fn a_status_change_is_idempotent_and_does_not_find_deleted_users() {
    let (fakes, on, id) = with_alice();
    let caller = administrator();
    let suspend = async |conditions| {
        let suspension = SuspensionInput::default();
        let suspended = on.suspend_user.run(&caller, id, &suspension, conditions);
        suspended.await
    };
    let set = async |change, conditions| {
        let status = &on.change_status;
        status.run(&caller, id, change, conditions).await
    };
    for _ in 0..2 {
        let suspended = suspend(unconditional()).await.unwrap();
        let shown = suspended.view.public();
        assert_eq!((shown.status, shown.version.get()), (Status::Suspended, 2));
    }
    for change in [StatusChange::Activate, StatusChange::Restore] {
        let changed = set(change, unconditional()).await.unwrap();
        let shown = changed.view.public();
        assert_eq!(
            (shown.status, shown.version.get()),
            (Status::Active, 3),
            "{change:?}"
        );
    }
    let stale = set(StatusChange::Activate, at_version(1)).await;
    assert_eq!(stale, Err(ChangeStatusError::PreconditionFailed));
    let stale = suspend(at_version(1)).await;
    assert_eq!(stale, Err(ChangeStatusError::PreconditionFailed.into()));
    change_user(&fakes, id, &Change::Delete).await;
    let deleted = set(StatusChange::Activate, unconditional()).await;
    assert_eq!(deleted, Err(ChangeStatusError::NotFound));
    let deleted = suspend(unconditional()).await;
    assert_eq!(deleted, Err(ChangeStatusError::NotFound.into()));
}

#[tokio::test]
async fn an_erasure_is_final_and_replays_under_its_key() {
    let (_, on, id) = with_alice();
    let caller = service("auth");
    let erased = on.erase_user.run(&caller, id, with_key("key", 1)).await;
    assert_eq!(erased, Ok(Deletion { replayed: false }));
    let again = on.erase_user.run(&caller, id, with_key("key", 1)).await;
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
async fn a_replay_shows_a_user_that_was_deleted_meanwhile() {
    let (fakes, on, id) = with_alice();
    update_name(&on, &person(id), id, with_key("key", 1))
        .await
        .unwrap();
    change_user(&fakes, id, &Change::Delete).await;
    let replay = update_name(&on, &person(id), id, with_key("key", 1)).await;
    let replay = replay.unwrap();
    assert!(replay.replayed);
    assert_eq!(replay.view.public().status, Status::Deleted);
}

#[tokio::test]
async fn the_operator_grants_admin_by_username_or_email() {
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
async fn a_role_is_revoked_once() {
    let (_, on, id) = with_alice();
    let key = UserKey::Id(id);
    let granted = on.grant_role.run(&Caller::Operator, &key, Role::admin());
    granted.await.unwrap();
    for _ in 0..2 {
        let revoke = &on.revoke_role;
        let revoked = revoke.run(&Caller::Operator, &key, Role::admin()).await;
        let view = revoked.unwrap().view;
        assert_eq!(view.public().version.get(), 3);
        assert!(!view.own().unwrap().roles.is_admin());
    }
    let absent = UserKey::Id(user_id());
    let revoked = on
        .revoke_role
        .run(&Caller::Operator, &absent, Role::admin())
        .await;
    assert_eq!(revoked, Err(GrantRoleError::NotFound));
}

#[tokio::test]
async fn a_role_is_not_granted_to_an_absent_or_deleted_user() {
    let (fakes, on, id) = with_alice();
    change_user(&fakes, id, &Change::Delete).await;
    let grant = on.grant_role;
    let absent = UserKey::Username(UsernameKey::from(&username("absent")));
    for key in [UserKey::Id(id), UserKey::Id(user_id()), absent] {
        let granted = grant.run(&Caller::Operator, &key, Role::admin()).await;
        assert_eq!(granted, Err(GrantRoleError::NotFound), "{key:?}");
    }
}

#[tokio::test]
async fn only_the_operator_releases_a_username() {
    let fakes = Fakes::default();
    let alice = stored_user(&fakes, "alice").user.id;
    let write = fakes.use_cases().update_user;
    let name = UserInput {
        username: text("alicia"),
        ..UserInput::default()
    };
    let auth = service("auth");
    let renamed = write.run(&auth, alice, &name, unconditional()).await;
    assert!(renamed.is_ok());
    let on = fakes.use_cases().release_name;
    let denied = on.run(&service("auth"), "alice").await;
    assert_eq!(denied, Err(ReleaseNameError::Denied(Denied::Forbidden)));
    let invalid = on.run(&Caller::Operator, "two words").await;
    assert!(matches!(invalid, Err(ReleaseNameError::Invalid(_))));
    let released = on.run(&Caller::Operator, "ALICE").await.unwrap();
    let keys: Vec<Option<&str>> = released.iter().map(|name| name.key.as_deref()).collect();
    assert_eq!(keys, [Some("alice")]);
    assert_eq!(on.run(&Caller::Operator, "alice").await, Ok(Vec::new()));
}
