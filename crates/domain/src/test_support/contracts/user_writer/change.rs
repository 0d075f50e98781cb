//! Changing a user.

use super::{StoreUnderTest, count_of, expected, race};
use crate::test_support::samples::{
    awkward_user, context, context_at, context_expecting, context_with_key, edit, merge_public,
    new_user, rename, roles, seconds, set_name, user_id,
};
use crate::user::{Change, ChangeRefused, Edit, EventKind, UserEdits};
use crate::values::Role;
use crate::write::{Precondition, WriteContext, WriteError, Written};

/// Each kind of change stores the result of `apply`.
pub async fn a_change_stores_the_domain_result(store: &StoreUnderTest) {
    let mut user = store.added(&awkward_user("alice")).await;
    let changes = [
        set_name("Alice"),
        rename("alicia"),
        merge_public(r#"{"a":null,"b":{"c":[1]}}"#),
        Change::GrantRole(Role::parse("editor").expect("a role")),
        Change::Activate,
        Change::suspend(),
        Change::Delete,
        Change::Restore,
        edit(UserEdits {
            phone_number: Edit::Clear,
            roles: Some(roles(&[])),
            ..UserEdits::default()
        }),
    ];
    for (number, change) in (1..).zip(changes) {
        let context = context_at(seconds(number));
        let wanted = expected(&user, &change, &context).user;
        let written = store.writer.change(user.id, &change, &context).await;
        assert_eq!(written, Ok(Written::Applied(wanted.clone())), "{change:?}");
        assert_eq!(
            store.find(user.id).await.as_deref(),
            Some(&wanted),
            "{change:?}"
        );
        user = wanted;
    }
}

/// A change leaves all other users as they are.
pub async fn a_change_affects_no_other_user(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let bob = store.added(&new_user("bob")).await;
    store.changed(alice.id, &set_name("Alice")).await;
    assert_eq!(store.find(bob.id).await.as_deref(), Some(&bob));
}

/// A change without effect is reported as unchanged, and the version stays the same.
pub async fn a_change_without_effect_keeps_the_version(store: &StoreUnderTest) {
    let user = store.added(&awkward_user("alice")).await;
    let later = context_at(seconds(60));
    let changes = [
        rename("alice"),
        Change::suspend(),
        Change::Restore,
        edit(UserEdits::default()),
    ];
    for change in changes {
        let written = store.writer.change(user.id, &change, &later).await;
        assert_eq!(written, Ok(Written::Unchanged(user.clone())), "{change:?}");
    }
    super::super::assert_same(&store.find(user.id).await.expect("the user"), &user);
    assert_eq!(store.events(user.id).await.len(), 1);
}

/// A change of an unknown user fails and stores nothing.
pub async fn a_change_of_an_unknown_user_is_not_found(store: &StoreUnderTest) {
    store.added(&new_user("alice")).await;
    let unknown = user_id();
    for change in [set_name("Alice"), Change::Delete, Change::Restore] {
        let written = store.writer.change(unknown, &change, &context()).await;
        assert_eq!(written, Err(WriteError::NotFound), "{change:?}");
    }
    assert_eq!(store.find(unknown).await, None);
    assert_eq!(store.events(unknown).await, []);
}

/// The store refuses what `apply` refuses, for the same reason.
pub async fn a_change_that_the_domain_refuses_is_refused(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let deleted = store.added(&new_user("bob")).await;
    let deleted = store.changed(deleted.id, &Change::Delete).await;
    let verified = edit(UserEdits {
        email_verified: Some(true),
        ..UserEdits::default()
    });
    let numberless = edit(UserEdits {
        phone_number_verified: Some(true),
        ..UserEdits::default()
    });
    let tries = [
        (&user, set_name("Alice"), context_expecting(2)),
        (&user, verified, context()),
        (&user, numberless, context_expecting(1)),
        (&deleted, set_name("Bob"), context()),
        (&deleted, Change::suspend(), context()),
        (&deleted, Change::Restore, context_expecting(1)),
    ];
    for (target, change, context) in tries {
        let refused = target
            .apply(&change, &context)
            .expect_err("a change to be refused");
        let written = store.writer.change(target.id, &change, &context).await;
        assert_eq!(written, Err(WriteError::Refused(refused)), "{change:?}");
        assert_eq!(
            store.find(target.id).await.as_deref(),
            Some(target),
            "{change:?}"
        );
    }
}

/// A refused change stores no row, no event and no idempotency record.
pub async fn a_refused_change_stores_nothing(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let refused = WriteContext {
        precondition: Precondition::AnyOf(vec![2.into()]),
        ..context_with_key("key", 1)
    };
    let written = store
        .writer
        .change(user.id, &set_name("Alice"), &refused)
        .await;
    assert_eq!(
        written,
        Err(WriteError::Refused(ChangeRefused::PreconditionFailed))
    );
    assert_eq!(store.find(user.id).await.as_deref(), Some(&user));
    assert_eq!(store.events(user.id).await.len(), 1);

    // Another request with the same key would be refused if the key had been recorded.
    store
        .changed_with(user.id, &set_name("Alice"), &context_with_key("key", 2))
        .await;
}

/// The precondition is checked atomically with the change.
pub async fn a_precondition_admits_only_the_expected_version(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    store
        .changed_with(user.id, &set_name("one"), &context_expecting(1))
        .await;
    let stale = store
        .writer
        .change(user.id, &set_name("two"), &context_expecting(1))
        .await;
    assert_eq!(
        stale,
        Err(WriteError::Refused(ChangeRefused::PreconditionFailed))
    );
    let any_of = WriteContext {
        precondition: Precondition::AnyOf(vec![9.into(), 2.into()]),
        ..context()
    };
    store.changed_with(user.id, &set_name("two"), &any_of).await;
    let none = WriteContext {
        precondition: Precondition::AnyOf(Vec::new()),
        ..context()
    };
    let written = store
        .writer
        .change(user.id, &set_name("three"), &none)
        .await;
    assert_eq!(
        written,
        Err(WriteError::Refused(ChangeRefused::PreconditionFailed))
    );
    let exists = WriteContext {
        precondition: Precondition::Exists,
        ..context()
    };
    store
        .changed_with(user.id, &set_name("three"), &exists)
        .await;
}

/// Racing changes are serialized: none is lost and none is refused.
pub async fn sixty_racing_merges_all_take_effect(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    let users = race(store, 60, |store, number| {
        let change = merge_public(&format!(r#"{{"key{number}":{number}}}"#));
        async move { store.changed(id, &change).await }
    })
    .await;

    let mut versions: Vec<i64> = users.iter().map(|user| user.version.get()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=61).collect::<Vec<_>>());
    let last = store.find(id).await.expect("the user");
    assert_eq!(last.version.get(), 61);
    assert_eq!(last.metadata.public.as_map().len(), 60);
    let versions: Vec<i64> = store
        .events(id)
        .await
        .iter()
        .map(|event| event.version.get())
        .collect();
    assert_eq!(versions, (1..=61).collect::<Vec<_>>());
}

/// One of several racing changes that expect the same version is applied.
pub async fn of_24_racing_conditional_changes_one_succeeds(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    let outcomes = race(store, 24, |store, number| async move {
        store
            .writer
            .change(
                id,
                &set_name(&format!("Alice {number}")),
                &context_expecting(1),
            )
            .await
    })
    .await;
    let failed = Err(WriteError::Refused(ChangeRefused::PreconditionFailed));
    assert_eq!(
        count_of(&outcomes, |outcome| matches!(
            outcome,
            Ok(Written::Applied(_))
        )),
        1,
        "{outcomes:?}"
    );
    assert_eq!(
        count_of(&outcomes, |outcome| *outcome == failed),
        23,
        "{outcomes:?}"
    );
    let last = store.find(id).await.expect("the user");
    assert_eq!(last.version.get(), 2);
    assert!(outcomes.contains(&Ok(Written::Applied(last.as_ref().clone()))));
}

/// A change that races an erasure is applied before it or finds no user.
pub async fn changes_racing_an_erasure_precede_it_or_find_no_user(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    let outcomes = race(store, 13, |store, number| async move {
        if number == 6 {
            store.erased(id).await;
            return None;
        }
        Some(
            store
                .writer
                .change(id, &set_name(&format!("Alice {number}")), &context())
                .await,
        )
    })
    .await;
    let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
    let made = count_of(&outcomes, |outcome| {
        matches!(outcome, Ok(Written::Applied(_)))
    });
    let missed = count_of(&outcomes, |outcome| *outcome == Err(WriteError::NotFound));
    assert_eq!(made + missed, 12, "{outcomes:?}");
    assert_eq!(store.find(id).await, None);
    let events = store.events(id).await;
    assert_eq!(events.len(), 1 + made + 1);
    assert_eq!(
        events.last().map(|event| event.kind),
        Some(EventKind::Erased)
    );
}
