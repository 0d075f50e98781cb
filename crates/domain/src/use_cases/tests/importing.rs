//! Imports: races, failures and permissions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::Freshness;
use crate::caller::Caller;
use crate::import::{
    Import, ImportLedger, ImportOutcome, Imported, MatchBy, Plan, StoreSnapshot, plan,
};
use crate::input::RecordInput;
use crate::permissions::Denied;
use crate::ports::{Clock as _, ImportError, UserKey, UserReader as _};
use crate::test_support::mocks::{MockUserImport, untouched_ports};
use crate::test_support::samples::{administrator, import, person, record, service, user_id};
use crate::use_cases::{FindUserError, ImportMode, ImportRun, Ports, UseCases, UserSelector};
use crate::write::UniqueField;

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
    let mut ledger = ImportLedger::default();
    import
        .run(&Caller::Operator, batch, &mut ledger, ImportMode::Write)
        .await
        .unwrap()
}

/// The plan of a store that creates a user for each record.
fn created(batch: &[Import]) -> Plan {
    let created = batch
        .iter()
        .map(|import| Ok(Imported::Created(import.fresh_id)));
    Plan {
        outcomes: created.collect(),
        ..Plan::default()
    }
}

#[tokio::test]
async fn only_the_operator_may_import() {
    for caller in [administrator(), person(user_id()), service("posts")] {
        let run = on(MockUserImport::new())
            .import_users
            .run(
                &caller,
                &mut batch(1),
                &mut ImportLedger::default(),
                ImportMode::Write,
            )
            .await;
        assert_eq!(run, Err(Denied::Forbidden));
    }
}

#[tokio::test]
async fn an_empty_batch_does_not_call_the_store() {
    let run = run(MockUserImport::new(), &mut []).await;
    assert_eq!(run, ImportRun::default());
}

#[tokio::test]
async fn a_batch_that_lost_a_race_is_imported_record_by_record() {
    let mut port = MockUserImport::new();
    port.expect_import()
        .times(4)
        .returning(|batch, _| match batch {
            [_] => Ok(created(batch)),
            _ => Err(ImportError::Raced(UniqueField::Email)),
        });
    let mut batch = batch(3);
    let run = run(port, &mut batch).await;
    assert_eq!(run.outcomes, created(&batch).outcomes);
    assert_eq!(run.stopped, None);
}

#[tokio::test]
async fn a_record_that_loses_every_race_is_rejected_alone() {
    let mut port = MockUserImport::new();
    port.expect_import().returning(|batch, _| match batch {
        [one] if one.record.user.username.as_str() != "user1" => Ok(created(batch)),
        _ => Err(ImportError::Raced(UniqueField::Email)),
    });
    let run = run(port, &mut batch(3)).await;
    assert!(run.outcomes[0].is_ok() && run.outcomes[2].is_ok());
    let faults = run.outcomes[1].as_ref().unwrap_err();
    assert_eq!(faults[0].path(), ["email"]);
    assert_eq!(faults[0].code(), "taken");
}

#[tokio::test]
async fn a_store_failure_keeps_the_outcomes_before_it() {
    let mut port = MockUserImport::new();
    port.expect_import().returning(move |batch, _| match batch {
        [one] if one.record.user.username.as_str() == "user2" => Err(away().into()),
        [_] => Ok(created(batch)),
        _ => Err(ImportError::Raced(UniqueField::Username)),
    });
    let run = run(port, &mut batch(4)).await;
    assert_eq!(run.outcomes.len(), 2);
    assert_eq!(run.stopped, Some(away()));
}

/// Imports one record and returns its outcome.
async fn run_one(on: &UseCases, import: &mut Import) -> ImportOutcome {
    let batch = std::slice::from_mut(import);
    let mut ledger = ImportLedger::new(Some(MatchBy::Email), []);
    let run = on
        .import_users
        .run(&Caller::Operator, batch, &mut ledger, ImportMode::Write)
        .await;
    run.unwrap().outcomes.pop().unwrap()
}

#[tokio::test]
async fn an_import_has_the_time_of_its_attempt_not_of_its_validation() {
    let fakes = Fakes::default();
    let on = fakes.use_cases();
    let check = |input: UserInput| {
        let record = RecordInput {
            user: input,
            ..RecordInput::default()
        };
        on.import_users.check(&Caller::Operator, record, 1).unwrap()
    };
    let mut made = check(input("alice"));
    let mut changed = check(UserInput {
        profile: name_update("Alice").profile,
        ..input("alice")
    });
    let alice = made.fresh_id;
    for import in [&mut made, &mut changed] {
        fakes.clock.advance(Duration::from_mins(10));
        let before = fakes.clock.now();
        assert!(run_one(&on, import).await.is_ok());
        let user = fakes.store.find(&UserKey::Id(alice)).await.unwrap();
        let log = events_of(&*fakes.store, alice).await;
        assert!(user.unwrap().updated_at > before);
        assert!(log.last().unwrap().at > before);
    }
}

#[tokio::test]
async fn a_repeated_attempt_finds_the_result_of_a_lost_one() {
    let fakes = Fakes::default();
    let on = fakes.use_cases();
    let record = RecordInput {
        user: UserInput {
            status: text("deleted"),
            ..input("alice")
        },
        ..RecordInput::default()
    };
    let mut import = on.import_users.check(&Caller::Operator, record, 1).unwrap();
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
async fn every_attempt_of_a_record_has_its_own_time_and_event() {
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let recorded = attempts.clone();
    let mut port = MockUserImport::new();
    port.expect_import().returning(move |batch, _| {
        let context = &batch[0].context;
        recorded
            .lock()
            .unwrap()
            .push((context.at, context.event_id));
        Err(ImportError::Raced(UniqueField::Email))
    });
    assert!(run(port, &mut batch(1)).await.outcomes[0].is_err());
    let attempts = attempts.lock().unwrap();
    assert_eq!(attempts.len(), 4);
    assert!(
        attempts.is_sorted_by(|one, next| one < next),
        "{attempts:?}"
    );
}

#[tokio::test]
async fn a_dry_run_never_writes() {
    let mut port = MockUserImport::new();
    port.expect_import().never();
    port.expect_snapshot()
        .returning(|_| Ok(StoreSnapshot::default()));
    let mut ledger = ImportLedger::default();
    let run = on(port)
        .import_users
        .run(
            &Caller::Operator,
            &mut batch(2),
            &mut ledger,
            ImportMode::DryRun,
        )
        .await
        .unwrap();
    assert!(run.outcomes.iter().all(Result::is_ok));
    assert_eq!(run.outcomes.len(), 2);
}

#[tokio::test]
async fn records_imported_one_by_one_share_one_ledger() {
    let mut port = MockUserImport::new();
    port.expect_import().returning(|batch, ledger| match batch {
        [_] => Ok(plan(batch, StoreSnapshot::default(), ledger)),
        _ => Err(ImportError::Raced(UniqueField::Email)),
    });
    let mut batch = batch(2);
    batch[0].record.id = Some(user_id());
    batch[1].record.id = batch[0].record.id;
    let run = run(port, &mut batch).await;
    assert!(run.outcomes[0].is_ok());
    assert_eq!(run.outcomes[1].as_ref().unwrap_err()[0].code(), "duplicate");
}

#[tokio::test]
async fn a_run_reports_the_changed_fields_of_each_user() {
    let fakes = Fakes::default();
    let mut one = import(record(new_user("alice")));
    let id = one.fresh_id;
    let run = fakes
        .use_cases()
        .import_users
        .run(
            &Caller::Operator,
            std::slice::from_mut(&mut one),
            &mut ImportLedger::default(),
            ImportMode::DryRun,
        )
        .await
        .unwrap();
    assert_eq!(run.changed[&id], ["username", "email"]);
}

#[tokio::test]
async fn an_imported_user_can_be_found() {
    let fakes = Fakes::default();
    let on = fakes.use_cases();
    let input = RecordInput {
        user: input("alice"),
        created_at: text("2019-05-04T12:00:00Z"),
        ..RecordInput::default()
    };
    let mut import = on.import_users.check(&Caller::Operator, input, 1).unwrap();
    let run = on
        .import_users
        .run(
            &Caller::Operator,
            std::slice::from_mut(&mut import),
            &mut ImportLedger::default(),
            ImportMode::Write,
        )
        .await
        .unwrap();
    assert_eq!(run.outcomes, [Ok(Imported::Created(import.fresh_id))]);
    let selector = UserSelector::Email("ALICE@example.com".to_owned());
    let found = on
        .find_user
        .run(&Caller::Operator, &selector, Freshness::Current)
        .await
        .unwrap();
    assert_eq!(
        found.view.public().created_at.to_string(),
        "2019-05-04T12:00:00.000000Z"
    );
    assert_eq!(kinds(&fakes, import.fresh_id).await, [EventKind::Created]);
}

#[tokio::test]
async fn a_lookup_by_email_needs_permission_to_see_emails() {
    let selector = UserSelector::Email("alice@example.com".to_owned());
    let found = UseCases::new(&untouched_ports())
        .find_user
        .run(&person(user_id()), &selector, Freshness::Current)
        .await;
    assert_eq!(found, Err(FindUserError::Denied(Denied::Forbidden)));
}
