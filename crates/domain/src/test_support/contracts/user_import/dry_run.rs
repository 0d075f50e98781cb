//! Dry runs.

use super::{ImportUnderTest, assert_same, with_external_id, with_name};
use crate::import::{Import, ImportLedger, plan};
use crate::test_support::samples::{email, import, new_user, record, username};
use crate::user::{EventKind, NewUser};

/// A dry run has the same outcomes as the import, batch by batch, and changes nothing.
pub async fn a_dry_run_predicts_the_import_and_writes_nothing(store: &ImportUnderTest) {
    let alice = with_external_id("alice", "1");
    let user = store.added(&alice).await;
    let bob = store.added(&with_external_id("bob", "2")).await;
    let moved = NewUser {
        username: username("alicia"),
        email: email("alicia@example.org"),
        ..alice.clone()
    };
    let with_the_old_email = NewUser {
        email: alice.email.clone(),
        ..with_external_id("bob", "2")
    };
    let batches: Vec<Vec<Import>> = [
        vec![record(moved), record(new_user("carol"))],
        vec![
            record(with_the_old_email),
            // The previous batch released this username.
            record(new_user("alice")),
            record(with_name(&new_user("carol"), "Carol")),
            record(new_user("c\u{251}rol")),
            record(with_name(&alice, "Alice")),
        ],
        vec![record(new_user("dave")), record(new_user("bob"))],
    ]
    .into_iter()
    .map(|records| records.into_iter().map(import).collect())
    .collect();
    let mut ledger = ImportLedger::default();
    let mut foretold = Vec::new();
    for batch in &batches {
        let known = store.import.snapshot(batch).await.expect("what is known");
        let plan = plan(batch, known, &ledger);
        ledger.record_dry_run(batch, &plan);
        foretold.push(plan.outcomes);
    }
    for user in [&user, &bob] {
        assert_same(&store.find(user.id).await.expect("the user"), user);
        assert_eq!(store.kinds(user.id).await, [EventKind::Created]);
    }
    assert_eq!(store.user_count().await, 2);

    let mut ledger = ImportLedger::default();
    for (batch, foretold) in batches.iter().zip(foretold) {
        let outcomes = store.run_in(batch, &ledger).await;
        ledger.record(batch, &outcomes);
        assert_eq!(outcomes, foretold);
    }
    assert_eq!(store.user_count().await, 4);
}
