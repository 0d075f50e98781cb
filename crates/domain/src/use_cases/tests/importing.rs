//! Imports: what races and failures come to, and who may not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::caller::Caller;
use crate::import::{Import, ImportOutcome, Imported};
use crate::input::RecordInput;
use crate::permissions::Denied;
use crate::ports::{Clock as _, ImportError, UserKey, UserReader as _};
use crate::test_support::mocks::{MockUserImport, untouched_ports};
use crate::test_support::samples::{administrator, import, person, record, service, user_id};
use crate::use_cases::{FindUserError, ImportMode, ImportRun, Ports, Sought, UseCases};
use crate::write::UniqueField;
use crate::{Freshness, StoreError};

fn batch(count: usize) -> Vec<Import> {
    let record = |n| import(record(new_user(&format!("user{n}"))));
    (0..count).map(record).collect()
}

fn on(port: MockUserImport) -> UseCases {
    let fakes = Fakes::default();
    UseCases::new(&Ports {
        import: Arc::new(port),
        clock: fakes.clock,
        ids: fakes.ids,
        ..untouched_ports()
    })
}

async fn run(port: MockUserImport, batch: &mut [Import]) -> ImportRun {
    let import = on(port).import_users;
    import
        .run(&Caller::Operator, batch, ImportMode::Write)
        .await
        .unwrap()
}

#[tokio::test]
async fn nobody_but_the_operator_imports() {
    for caller in [administrator(), person(user_id()), service("posts")] {
        let run = on(MockUserImport::new())
            .import_users
            .run(&caller, &mut batch(1), ImportMode::Write)
            .await;
        assert_eq!(run, Err(Denied::Forbidden));
    }
}

#[tokio::test]
async fn no_records_ask_no_store() {
    let run = run(MockUserImport::new(), &mut []).await;
    assert_eq!(run, ImportRun::default());
}

#[tokio::test]
async fn a_batch_that_lost_a_race_is_imported_record_by_record() {
    let mut port = MockUserImport::new();
    port.expect_import()
        .times(4)
        .returning(|batch| match batch {
            [one] => Ok(vec![Ok(Imported::Created(one.fresh_id))]),
            _ => Err(ImportError::Raced(UniqueField::Email)),
        });
    let mut batch = batch(3);
    let run = run(port, &mut batch).await;
    let created = batch
        .iter()
        .map(|import| Ok(Imported::Created(import.fresh_id)));
    assert_eq!(run.outcomes, created.collect::<Vec<_>>());
    assert_eq!(run.stopped, None);
}

#[tokio::test]
async fn a_record_that_loses_race_after_race_is_refused_and_its_neighbours_are_not() {
    let mut port = MockUserImport::new();
    port.expect_import().returning(|batch| match batch {
        [one] if one.record.user.username.as_str() != "user1" => {
            Ok(vec![Ok(Imported::Created(one.fresh_id))])
        }
        _ => Err(ImportError::Raced(UniqueField::Email)),
    });
    let run = run(port, &mut batch(3)).await;
    assert!(run.outcomes[0].is_ok() && run.outcomes[2].is_ok());
    let faults = run.outcomes[1].as_ref().unwrap_err();
    assert_eq!(faults[0].path(), ["email"]);
    assert_eq!(faults[0].code(), "taken");
}

#[tokio::test]
async fn a_store_that_fails_in_the_middle_tells_how_far_it_came() {
    let away = || StoreError::Unavailable("away".to_owned());
    let mut port = MockUserImport::new();
    port.expect_import().returning(move |batch| match batch {
        [one] if one.record.user.username.as_str() == "user2" => Err(away().into()),
        [one] => Ok(vec![Ok(Imported::Created(one.fresh_id))]),
        _ => Err(ImportError::Raced(UniqueField::Username)),
    });
    let run = run(port, &mut batch(4)).await;
    assert_eq!(run.outcomes.len(), 2);
    assert_eq!(run.stopped, Some(away()));
}

/// Runs one record and tells what became of it.
async fn run_one(on: &UseCases, import: &mut Import) -> ImportOutcome {
    let batch = std::slice::from_mut(import);
    let run = on
        .import_users
        .run(&Caller::Operator, batch, ImportMode::Write)
        .await;
    run.unwrap().outcomes.pop().unwrap()
}

#[tokio::test]
async fn what_an_import_does_is_of_the_moment_of_its_try_and_not_of_the_check_long_before() {
    let fakes = Fakes::default();
    let on = fakes.use_cases();
    let check = |input: UserInput| {
        let record = RecordInput {
            user: input,
            ..RecordInput::default()
        };
        on.import_users.check(&Caller::Operator, record).unwrap()
    };
    let mut made = check(input("alice"));
    let mut changed = check(UserInput {
        profile: called("Alice").profile,
        ..input("alice")
    });
    let alice = made.fresh_id;
    for import in [&mut made, &mut changed] {
        fakes.clock.advance(Duration::from_mins(10));
        let before = fakes.clock.now();
        assert!(run_one(&on, import).await.is_ok());
        let user = fakes.store.find(&UserKey::Id(alice)).await.unwrap();
        let log = fakes.store.about(alice).await.unwrap();
        assert!(user.unwrap().updated_at > before);
        assert!(log.last().unwrap().at > before);
    }
}

#[tokio::test]
async fn a_try_after_one_whose_outcome_was_lost_finds_done_what_that_one_did() {
    let fakes = Fakes::default();
    let on = fakes.use_cases();
    let record = RecordInput {
        user: UserInput {
            status: text("deleted"),
            ..input("alice")
        },
        ..RecordInput::default()
    };
    let mut import = on.import_users.check(&Caller::Operator, record).unwrap();
    let first = run_one(&on, &mut import).await;
    let key = UserKey::Id(import.fresh_id);
    let stored = fakes.store.find(&key).await;
    assert!(stored.as_ref().unwrap().is_some());
    fakes.clock.advance(Duration::from_mins(10));
    assert_eq!(run_one(&on, &mut import).await, first);
    assert_eq!(fakes.store.find(&key).await, stored);
    assert_eq!(kinds(&fakes, import.fresh_id).await, [EventKind::Created]);
}

#[tokio::test]
async fn every_try_of_a_record_that_races_others_has_a_moment_and_an_event_of_its_own() {
    let tries = Arc::new(Mutex::new(Vec::new()));
    let told = tries.clone();
    let mut port = MockUserImport::new();
    port.expect_import().returning(move |batch| {
        let context = &batch[0].context;
        told.lock().unwrap().push((context.at, context.event_id));
        Err(ImportError::Raced(UniqueField::Email))
    });
    assert!(run(port, &mut batch(1)).await.outcomes[0].is_err());
    let tries = tries.lock().unwrap();
    assert_eq!(tries.len(), 4);
    assert!(tries.is_sorted_by(|one, next| one < next), "{tries:?}");
}

#[tokio::test]
async fn a_rehearsal_never_writes() {
    let mut port = MockUserImport::new();
    port.expect_import().never();
    port.expect_rehearse().returning(|batch| {
        Ok(batch
            .iter()
            .map(|one| Ok(Imported::Created(one.fresh_id)))
            .collect())
    });
    let run = on(port)
        .import_users
        .run(&Caller::Operator, &mut batch(2), ImportMode::Rehearse)
        .await
        .unwrap();
    assert_eq!(run.outcomes.len(), 2);
}

#[tokio::test]
async fn what_is_checked_and_imported_is_found_by_everybody() {
    let fakes = Fakes::default();
    let on = fakes.use_cases();
    let input = RecordInput {
        user: input("alice"),
        created_at: text("2019-05-04T12:00:00Z"),
        ..RecordInput::default()
    };
    let mut import = on.import_users.check(&Caller::Operator, input).unwrap();
    let run = on
        .import_users
        .run(
            &Caller::Operator,
            std::slice::from_mut(&mut import),
            ImportMode::Write,
        )
        .await
        .unwrap();
    assert_eq!(run.outcomes, [Ok(Imported::Created(import.fresh_id))]);
    let sought = Sought::Email("ALICE@example.com".to_owned());
    let found = on
        .find_user
        .run(&Caller::Operator, &sought, Freshness::Current)
        .await
        .unwrap();
    assert_eq!(
        found.view.public().created_at.to_string(),
        "2019-05-04T12:00:00.000000Z"
    );
    assert_eq!(kinds(&fakes, import.fresh_id).await, [EventKind::Created]);
}

#[tokio::test]
async fn who_finds_by_address_needs_to_see_addresses() {
    let sought = Sought::Email("alice@example.com".to_owned());
    let found = UseCases::new(&untouched_ports())
        .find_user
        .run(&person(user_id()), &sought, Freshness::Current)
        .await;
    assert_eq!(found, Err(FindUserError::Denied(Denied::Forbidden)));
}
