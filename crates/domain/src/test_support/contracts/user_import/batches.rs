//! Records of one batch that affect each other, and racing batches.

use std::collections::BTreeSet;
use std::iter;
use std::sync::Arc;

use super::{ImportUnderTest, assert_refused, created, matching, with_external_id, with_name};
use crate::StoreError;
use crate::import::{Import, ImportLedger, ImportOutcome, Imported, MatchBy};
use crate::ports::{ImportError, UserImport, UserKey};
use crate::test_support::contracts::race;
use crate::test_support::samples::{
    context, email, import, merge_public, new_user, record, user_id,
};
use crate::user::{EventKind, NewUser, Record};
use crate::values::{EmailKey, UserId, UsernameKey, Version};
use crate::write::{WriteError, Written};

/// A record never changes the user of an earlier record of its run, in the same batch or in an earlier one.
pub async fn a_record_never_changes_the_user_of_an_earlier_record(store: &ImportUnderTest) {
    let alice = with_external_id("alice", "1");
    let same_email = NewUser {
        email: email(&alice.email.as_str().to_uppercase()),
        ..with_external_id("alina", "2")
    };
    let look_alike = NewUser {
        email: email("twin@example.org"),
        ..new_user("\u{251}lice")
    };
    let first = import(record(alice.clone()));
    let user_of_line_1 = first.fresh_id;
    let later: Vec<Import> = [
        (with_name(&alice, "Alice"), "external_id", "duplicate"),
        (alice.clone(), "external_id", "duplicate"),
        (same_email, "email", "duplicate"),
        (new_user("Alice"), "username", "duplicate"),
        (look_alike, "username", "taken"),
    ]
    .into_iter()
    .zip(2..)
    .map(|((new, ..), line)| Import {
        line,
        ..import(record(new))
    })
    .collect();
    let places = [
        ("external_id", "duplicate"),
        ("external_id", "duplicate"),
        ("email", "duplicate"),
        ("username", "duplicate"),
        ("username", "taken"),
    ];
    let batch: Vec<Import> = iter::once(first).chain(later.clone()).collect();
    for match_by in [None, Some(MatchBy::Email), Some(MatchBy::Username)] {
        let mut ledger = ImportLedger::new(match_by, []);
        let outcomes = store.run_in(&batch, &ledger).await;
        let (first, others) = outcomes.split_first().expect("an outcome for each record");
        assert_eq!(*first, Ok(Imported::Created(user_of_line_1)));
        ledger.record(&batch, &outcomes);
        let again = store.run_in(&later, &ledger).await;
        for outcomes in [others, &again] {
            for ((outcome, import), (path, code)) in outcomes.iter().zip(&later).zip(places) {
                assert_refused(outcome, path, code);
                let faults = outcome.as_ref().expect_err("a refusal");
                let named = faults.iter().any(|fault| {
                    let detail = fault.detail();
                    detail.contains("line 1") && detail.contains(&format!("ine {}", import.line))
                });
                assert!(named, "{faults:?}");
            }
        }
    }
    assert_eq!(store.user_count().await, 1);
    assert_eq!(store.kinds(user_of_line_1).await, [EventKind::Created]);
}

/// The largest batch is imported in one call.
pub async fn a_batch_of_500_records_is_imported(store: &ImportUnderTest) {
    let batch: Vec<Import> = (0..500)
        .map(|n| {
            import(record(with_external_id(
                &format!("user{n}"),
                &n.to_string(),
            )))
        })
        .collect();
    let outcomes = store.run(&batch).await;
    let ids: BTreeSet<UserId> = outcomes.iter().map(created).collect();
    assert_eq!(ids.len(), 500);
    let again: Vec<Import> = batch
        .iter()
        .map(|import| Import {
            fresh_id: user_id(),
            ..import.clone()
        })
        .collect();
    let unchanged = |outcome: &ImportOutcome| matches!(outcome, Ok(Imported::Unchanged(_)));
    assert!(store.run(&again).await.iter().all(unchanged));
    let changed: Vec<Import> = again
        .iter()
        .map(|again| import(record(with_name(&again.record.user, "New"))))
        .collect();
    let updated = |outcome: &ImportOutcome| matches!(outcome, Ok(Imported::Updated(_)));
    assert!(store.run(&changed).await.iter().all(updated));
    assert_eq!(store.user_count().await, 500);
}

/// Users keep their email addresses if one batch swaps them.
pub async fn values_swapped_within_a_batch_are_refused(store: &ImportUnderTest) {
    let (alice, bob) = (new_user("alice"), new_user("bob"));
    let (a, b) = (store.added(&alice).await, store.added(&bob).await);
    let swapped = |id: UserId, own: &NewUser, other: &NewUser| {
        import(Record {
            id: Some(id),
            ..record(NewUser {
                email: other.email.clone(),
                ..own.clone()
            })
        })
    };
    let batch = [swapped(a.id, &alice, &bob), swapped(b.id, &bob, &alice)];
    for outcome in store.run(&batch).await {
        assert_refused(&outcome, "email", "conflict");
    }
    // An email address may move if its owner gives it up in an earlier record.
    let away = import(Record {
        id: Some(a.id),
        ..record(NewUser {
            email: email("away@example.org"),
            ..alice.clone()
        })
    });
    let outcomes = store.run(&[away, swapped(b.id, &bob, &alice)]).await;
    assert_eq!(
        outcomes,
        [Ok(Imported::Updated(a.id)), Ok(Imported::Updated(b.id))]
    );
    let key = UserKey::Email(EmailKey::parse(alice.email.as_str()).expect("an address"));
    assert_eq!(store.find_by(&key).await.map(|user| user.id), Some(b.id));
}

/// One of several racing imports creates each user, the others find it.
pub async fn racing_imports_of_one_batch_create_each_user_once(store: &ImportUnderTest) {
    let records: Vec<Record> = (0..40)
        .map(|n| record(with_external_id(&format!("racer{n}"), &n.to_string())))
        .collect();
    let (port, records) = (store.import.clone(), Arc::new(records));
    let outcomes = race(&store.store, 4, |_, number| {
        let (port, records) = (port.clone(), records.clone());
        async move {
            let mut batch: Vec<Import> = records.iter().cloned().map(import).collect();
            if number % 2 == 1 {
                batch.reverse();
            }
            import_with_retries(port.as_ref(), &batch, &ImportLedger::default()).await
        }
    })
    .await;
    let ids: Vec<UserId> = outcomes
        .iter()
        .flatten()
        .filter_map(|outcome| match outcome {
            Ok(Imported::Created(id)) => Some(*id),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 40, "{outcomes:?}");
    assert_eq!(store.user_count().await, 40);
    for n in 0..40 {
        let key = UsernameKey::parse(&format!("racer{n}")).expect("a name");
        let user = store.find_by(&UserKey::Username(key)).await;
        let user = user.expect("the user");
        assert_eq!(store.kinds(user.id).await, [EventKind::Created]);
    }
}

/// Imports and changes of the same users are serialized, and all take effect.
pub async fn an_import_racing_changes_loses_none(store: &ImportUnderTest) {
    let people: Vec<NewUser> = (0..5).map(|n| new_user(&format!("person{n}"))).collect();
    let mut ids = Vec::new();
    for new in &people {
        ids.push(store.added(new).await.id);
    }
    let (port, people, ids) = (store.import.clone(), Arc::new(people), Arc::new(ids));
    let by_email = Arc::new(matching(MatchBy::Email));
    race(&store.store, 10, |store, number| {
        let (port, people, ids) = (port.clone(), people.clone(), ids.clone());
        let by_email = by_email.clone();
        async move {
            if number % 2 == 0 {
                let batch: Vec<Import> = people
                    .iter()
                    .map(|new| import(record(with_name(new, &format!("name {number}")))))
                    .collect();
                import_with_retries(port.as_ref(), &batch, &by_email).await;
            } else {
                for id in ids.iter() {
                    let change = merge_public(&format!(r#"{{"by{number}":true}}"#));
                    let written = loop {
                        match store.writer.change(*id, &change, &context()).await {
                            // Nothing was written: on a busy machine the wait for a connection or lock may time out.
                            Err(WriteError::Store(StoreError::Unavailable(_))) => {
                                tokio::task::yield_now().await;
                            }
                            written => break written,
                        }
                    };
                    assert!(matches!(written, Ok(Written::Applied(_))), "{written:?}");
                }
            }
        }
    })
    .await;
    for id in ids.iter() {
        let user = store.find(*id).await.expect("the user");
        assert!(user.profile.name.is_some());
        assert_eq!(user.metadata.public.as_map().len(), 5);
        assert_eq!(Some(user.version), Version::from_i64(11));
        assert_eq!(store.events(*id).await.len(), 11);
    }
}

/// Imports a batch and retries after lost races, like the use case.
async fn import_with_retries(
    port: &dyn UserImport,
    batch: &[Import],
    ledger: &ImportLedger,
) -> Vec<ImportOutcome> {
    for _ in 0..50 {
        match port.import(batch, ledger).await {
            Ok(plan) => return plan.outcomes,
            Err(ImportError::Raced(_) | ImportError::Store(_)) => tokio::task::yield_now().await,
        }
    }
    panic!("the import kept losing races")
}
