//! Batches: what their records make of each other, and what racing ones do.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{ImportUnderTest, assert_refused, called, created, with_external_id};
use crate::import::{Import, ImportOutcome, Imported};
use crate::ports::{ImportError, UserImport, UserKey};
use crate::test_support::contracts::race;
use crate::test_support::samples::{
    context, email, import, merge_public, new_user, record, user_id, username,
};
use crate::user::{EventKind, NewUser, Record};
use crate::values::{EmailKey, UserId, UsernameKey, Version};
use crate::write::Written;

/// Within a batch each record finds what those before it left.
pub async fn a_later_record_of_a_batch_sees_the_earlier(store: &ImportUnderTest) {
    let alice = new_user("alice");
    let twin = NewUser {
        email: email("twin@example.org"),
        ..new_user("\u{430}lice")
    };
    let renamed = NewUser {
        username: username("alicia"),
        ..called(&alice, "Alice")
    };
    let batch = [
        import(record(alice.clone())),
        import(record(called(&alice, "Alice"))),
        import(record(called(&alice, "Alice"))),
        import(record(twin)),
        import(record(renamed)),
    ];
    let [made, changed, unchanged, refused, renamed] = store.run_these(&batch).await;
    let id = created(&made);
    assert_eq!(changed, Ok(Imported::Updated(id)));
    assert_eq!(unchanged, Ok(Imported::Unchanged(id)));
    assert_refused(&refused, "username", "taken");
    assert_eq!(renamed, Ok(Imported::Updated(id)));
    let user = store.find(id).await.expect("the user");
    assert_eq!(user.username.as_str(), "alicia");
    assert_eq!(Some(user.version), Version::from_i64(3));
    let versions: Vec<i64> = store
        .events(id)
        .await
        .iter()
        .map(|event| event.version.get())
        .collect();
    assert_eq!(versions, [1, 2, 3]);
}

/// A batch may be as large as it says.
pub async fn five_hundred_records_are_imported_at_once(store: &ImportUnderTest) {
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
        .map(|again| import(record(called(&again.record.user, "New"))))
        .collect();
    let updated = |outcome: &ImportOutcome| matches!(outcome, Ok(Imported::Updated(_)));
    assert!(store.run(&changed).await.iter().all(updated));
    assert_eq!(store.everybody().await, 500);
}

/// Two users whose records have each other's address keep their own.
pub async fn values_swapped_within_a_batch_are_refused_and_not_lost(store: &ImportUnderTest) {
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
    // One after another an address may move on.
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

/// Of racing imports of one batch, each user is made by one and found by the others.
pub async fn racing_imports_of_one_batch_make_each_user_once(store: &ImportUnderTest) {
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
            settled(port.as_ref(), &batch).await
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
    assert_eq!(store.everybody().await, 40);
    for n in 0..40 {
        let key = UsernameKey::parse(&format!("racer{n}")).expect("a name");
        let user = store.find_by(&UserKey::Username(key)).await;
        let user = user.expect("the user");
        assert_eq!(store.kinds(user.id).await, [EventKind::Created]);
    }
}

/// Imports wait for changes of the same users and changes for imports: both take effect.
pub async fn an_import_that_races_changes_loses_none(store: &ImportUnderTest) {
    let people: Vec<NewUser> = (0..5).map(|n| new_user(&format!("person{n}"))).collect();
    let mut ids = Vec::new();
    for new in &people {
        ids.push(store.added(new).await.id);
    }
    let (port, people, ids) = (store.import.clone(), Arc::new(people), Arc::new(ids));
    race(&store.store, 10, |store, number| {
        let (port, people, ids) = (port.clone(), people.clone(), ids.clone());
        async move {
            if number % 2 == 0 {
                let batch: Vec<Import> = people
                    .iter()
                    .map(|new| import(record(called(new, &format!("name {number}")))))
                    .collect();
                settled(port.as_ref(), &batch).await;
            } else {
                for id in ids.iter() {
                    let change = merge_public(&format!(r#"{{"by{number}":true}}"#));
                    let written = store.writer.change(*id, &change, &context()).await;
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

/// Imports until nobody else is in the way, as a use case does.
async fn settled(port: &dyn UserImport, batch: &[Import]) -> Vec<ImportOutcome> {
    for _ in 0..50 {
        match port.import(batch).await {
            Ok(outcomes) => return outcomes,
            Err(ImportError::Raced(_) | ImportError::Store(_)) => tokio::task::yield_now().await,
        }
    }
    panic!("the batch never gets its turn")
}
