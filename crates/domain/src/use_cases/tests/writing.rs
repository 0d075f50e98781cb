use super::*;
use crate::test_support::fakes::Fakes;
use crate::test_support::samples::{
    administrator, awkward_user, person, seconds, service, user_id,
};
use crate::use_cases::*;
use crate::user::{Actor, Change, EventKind, Status};
use crate::values::ShortText;
use crate::write::UniqueField;

#[tokio::test]
async fn a_new_user_has_the_clocks_time_and_the_callers_actor() {
    let fakes = Fakes::default();
    let written = fakes
        .use_cases()
        .create_user
        .run(&service("auth"), &input("Alice"), unconditional())
        .await
        .unwrap();
    let made = written.view.public();
    assert!(!written.replayed);
    assert_eq!(
        (made.username.as_str(), made.version.get(), made.status),
        ("Alice", 1, Status::Active)
    );
    // The first clock reading is for the validation of dates.
    let made_at = seconds(1);
    assert_eq!(made.created_at, made_at);
    assert_eq!(made.id.as_uuid().get_version_num(), 7);
    let events = events_of(&*fakes.store, made.id).await;
    assert_eq!(events.len(), 1);
    assert!(
        events
            .iter()
            .all(|event| event.actor == Actor::from(&service("auth")) && event.at == made_at)
    );
}

#[tokio::test]
async fn a_taken_value_is_reported_by_its_field() {
    let fakes = Fakes::default();
    let taken = stored_user(&fakes, "alice").user;
    let on = fakes.use_cases();
    let caller = service("auth");
    let created = on
        .create_user
        .run(&caller, &input("ALICE"), unconditional())
        .await;
    assert_eq!(
        created,
        Err(CreateUserError::Taken(UniqueField::Username.into()))
    );
    let bob = stored_user(&fakes, "bob").user.id;
    let taken_email = UserInput {
        email: text(taken.email.as_str()),
        ..UserInput::default()
    };
    let updated = on
        .update_user
        .run(&person(bob), bob, &taken_email, unconditional())
        .await;
    assert_eq!(
        updated,
        Err(EditUserError::Taken(UniqueField::Email.into()))
    );
}

#[tokio::test]
async fn a_repeated_creation_replays_until_the_user_is_erased() {
    let fakes = Fakes::default();
    let on = fakes.use_cases();
    let caller = service("auth");
    let create = async |name: &str, request: u8| {
        let conditions = with_key("key", request);
        on.create_user.run(&caller, &input(name), conditions).await
    };
    let first = create("alice", 1).await.unwrap();
    let again = create("alice", 1).await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert_eq!(first.view, again.view);
    assert_eq!(create("bob", 2).await, Err(CreateUserError::KeyReused));

    let id = first.view.public().id;
    let deleted = on.delete_user.run(&caller, id, unconditional()).await;
    deleted.unwrap();
    let replay = create("alice", 1).await.unwrap();
    assert!(replay.replayed);
    assert_eq!(replay.view.public().status, Status::Deleted);
    let erased = on.erase_user.run(&caller, id, unconditional()).await;
    erased.unwrap();
    assert_eq!(create("alice", 1).await, Err(CreateUserError::NotFound));
}

#[tokio::test]
async fn an_update_merges_and_returns_the_callers_view() {
    let (_, on, id) = with_alice();
    let updated = update_name(&on, &person(id), id, unconditional())
        .await
        .unwrap();
    let shown = updated.view.public();
    assert_eq!(shown.profile.name.map(ShortText::as_str), Some("Alice"));
    assert_eq!((shown.username.as_str(), shown.version.get()), ("alice", 2));
    assert!(updated.view.own().is_some() && updated.view.full().is_none());
}

#[tokio::test]
async fn an_unchanged_update_keeps_the_version_and_makes_no_event() {
    let (fakes, on, id) = with_alice();
    for _ in 0..3 {
        update_name(&on, &person(id), id, unconditional())
            .await
            .unwrap();
    }
    let last = update_name(&on, &person(id), id, unconditional())
        .await
        .unwrap();
    assert_eq!(last.view.public().version.get(), 2);
    assert!(!last.replayed);
    assert_eq!(
        kinds(&fakes, id).await,
        [EventKind::Created, EventKind::Updated]
    );
}

#[tokio::test]
async fn an_update_of_a_stale_version_or_absent_user_fails() {
    let (fakes, on, id) = with_alice();
    let caller = service("auth");
    let stale = update_name(&on, &caller, id, at_version(2)).await;
    assert_eq!(stale, Err(EditUserError::PreconditionFailed));
    let absent = update_name(&on, &caller, user_id(), unconditional()).await;
    assert_eq!(absent, Err(EditUserError::NotFound));
    change_user(&fakes, id, &Change::Delete).await;
    let deleted = update_name(&on, &caller, id, unconditional()).await;
    assert_eq!(deleted, Err(EditUserError::NotFound));
}

#[tokio::test]
async fn a_verification_without_the_address_needs_a_version() {
    let fakes = Fakes::default();
    let user = stored_user(&fakes, "alice").user;
    let on = fakes.use_cases();
    let caller = service("auth");
    let without_email = UserInput {
        email_verified: FieldInput::Value(true),
        ..UserInput::default()
    };
    let refused = on
        .update_user
        .run(&caller, user.id, &without_email, unconditional())
        .await;
    assert!(
        matches!(refused, Err(EditUserError::PreconditionRequired(faults)) if faults.len() == 1)
    );
    let named = UserInput {
        email: text(user.email.as_str()),
        ..without_email
    };
    let updated = on
        .update_user
        .run(&caller, user.id, &named, unconditional())
        .await
        .unwrap();
    assert!(updated.view.own().unwrap().email_verified);
}

#[tokio::test]
async fn a_rule_that_depends_on_stored_data_is_an_input_fault() {
    let fakes = Fakes::default();
    let id = stored(&fakes, &awkward_user("alice")).user.id;
    let other = UserInput {
        external_id: text("another"),
        ..UserInput::default()
    };
    let updated = fakes
        .use_cases()
        .update_user
        .run(&service("auth"), id, &other, unconditional())
        .await;
    assert!(matches!(updated, Err(EditUserError::Invalid(faults)) if faults.len() == 1));
}

#[tokio::test]
async fn a_replacement_clears_absent_fields_that_the_caller_may_write() {
    let fakes = Fakes::default();
    let before = stored(&fakes, &awkward_user("alice")).user;
    let replacement = UserInput {
        email: text(before.email.as_str()),
        ..input("alice")
    };
    let on = fakes.use_cases();
    let by_itself = on
        .replace_user
        .run(&person(before.id), before.id, &replacement, at_version(1))
        .await
        .unwrap();
    let own = by_itself.view.own().unwrap();
    assert_eq!(
        by_itself.view.public().profile,
        crate::view::PublicProfile::from(&crate::user::Profile::default())
    );
    assert!(own.user_metadata.is_empty() && own.phone_number.is_none() && own.email_verified);
    assert_eq!(
        by_itself.view.public().public_metadata,
        &before.metadata.public
    );
    assert_eq!(
        (own.roles, own.external_id),
        (&before.roles, before.external_id.as_ref())
    );

    let by_admin = on
        .replace_user
        .run(&administrator(), before.id, &replacement, at_version(2))
        .await
        .unwrap();
    let full = by_admin.view.full().unwrap();
    assert!(full.private_metadata.is_empty() && by_admin.view.public().public_metadata.is_empty());
    assert!(!by_admin.view.own().unwrap().email_verified);
    assert_eq!(by_admin.view.public().status, Status::Suspended);
}
