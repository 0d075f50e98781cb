//! Changing a user.

use super::{StoreUnderTest, expected, race, times};
use crate::test_support::samples::{
    awkward_user, call, context, context_at, context_expecting, context_under, edit, merge_public,
    new_user, rename, roles, seconds, user_id,
};
use crate::user::{Change, ChangeRefused, Edit, EventKind, UserEdits};
use crate::values::Role;
use crate::write::{Precondition, WriteContext, WriteError, Written};

/// Each kind of change makes of the stored user what `apply` makes of it.
pub async fn a_change_makes_what_the_domain_makes(store: &StoreUnderTest) {
    let mut user = store.added(&awkward_user("alice")).await;
    let changes = [
        call("Alice"),
        rename("alicia"),
        merge_public(r#"{"a":null,"b":{"c":[1]}}"#),
        Change::GrantRole(Role::parse("editor").expect("a role")),
        Change::Activate,
        Change::Suspend,
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

/// A change of one user leaves all others alone.
pub async fn a_change_touches_nobody_else(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let bob = store.added(&new_user("bob")).await;
    store.changed(alice.id, &call("Alice")).await;
    assert_eq!(store.find(bob.id).await.as_deref(), Some(&bob));
}

/// A change that changes nothing says so, and the user stays at its version.
pub async fn an_unchanged_user_keeps_its_version_and_everything_else(store: &StoreUnderTest) {
    let user = store.added(&awkward_user("alice")).await;
    let later = context_at(seconds(60));
    let changes = [
        rename("alice"),
        Change::Suspend,
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

/// Nobody can be changed who is not there.
pub async fn a_change_of_an_unknown_user_finds_nobody(store: &StoreUnderTest) {
    store.added(&new_user("alice")).await;
    let unknown = user_id();
    for change in [call("Alice"), Change::Delete, Change::Restore] {
        let written = store.writer.change(unknown, &change, &context()).await;
        assert_eq!(written, Err(WriteError::NotFound), "{change:?}");
    }
    assert_eq!(store.find(unknown).await, None);
    assert_eq!(store.events(unknown).await, []);
}

/// What `apply` refuses the store refuses, for the same reason.
pub async fn what_the_domain_refuses_is_refused(store: &StoreUnderTest) {
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
        (&user, call("Alice"), context_expecting(2)),
        (&user, verified, context()),
        (&user, numberless, context_expecting(1)),
        (&deleted, call("Bob"), context()),
        (&deleted, Change::Suspend, context()),
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

/// A refused change leaves nothing: no row, no event, no record of its key.
pub async fn a_refused_change_leaves_nothing(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let refused = WriteContext {
        precondition: Precondition::AnyOf(vec![2]),
        ..context_under("key", 1)
    };
    let written = store.writer.change(user.id, &call("Alice"), &refused).await;
    assert_eq!(
        written,
        Err(WriteError::Refused(ChangeRefused::PreconditionFailed))
    );
    assert_eq!(store.find(user.id).await.as_deref(), Some(&user));
    assert_eq!(store.events(user.id).await.len(), 1);

    // Another request under the same key would be refused if the key had been noted.
    store
        .changed_with(user.id, &call("Alice"), &context_under("key", 2))
        .await;
}

/// An expected version is looked at in the same moment as the change is made.
pub async fn an_expected_version_admits_exactly_that_version(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    store
        .changed_with(user.id, &call("one"), &context_expecting(1))
        .await;
    let stale = store
        .writer
        .change(user.id, &call("two"), &context_expecting(1))
        .await;
    assert_eq!(
        stale,
        Err(WriteError::Refused(ChangeRefused::PreconditionFailed))
    );
    let any_of = WriteContext {
        precondition: Precondition::AnyOf(vec![9, 2]),
        ..context()
    };
    store.changed_with(user.id, &call("two"), &any_of).await;
    let none = WriteContext {
        precondition: Precondition::AnyOf(Vec::new()),
        ..context()
    };
    let written = store.writer.change(user.id, &call("three"), &none).await;
    assert_eq!(
        written,
        Err(WriteError::Refused(ChangeRefused::PreconditionFailed))
    );
    let exists = WriteContext {
        precondition: Precondition::Exists,
        ..context()
    };
    store.changed_with(user.id, &call("three"), &exists).await;
}

/// Racing changes all take effect, one after another; none is lost and none is refused.
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
    let told: Vec<i64> = store
        .events(id)
        .await
        .iter()
        .map(|event| event.version.get())
        .collect();
    assert_eq!(told, (1..=61).collect::<Vec<_>>());
}

/// Of racing changes that expect one version, one is made.
pub async fn one_of_24_racing_changes_of_one_expected_version_is_made(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    let outcomes = race(store, 24, |store, number| async move {
        store
            .writer
            .change(id, &call(&format!("Alice {number}")), &context_expecting(1))
            .await
    })
    .await;
    let failed = Err(WriteError::Refused(ChangeRefused::PreconditionFailed));
    assert_eq!(
        times(&outcomes, |outcome| matches!(
            outcome,
            Ok(Written::Applied(_))
        )),
        1,
        "{outcomes:?}"
    );
    assert_eq!(
        times(&outcomes, |outcome| *outcome == failed),
        23,
        "{outcomes:?}"
    );
    let last = store.find(id).await.expect("the user");
    assert_eq!(last.version.get(), 2);
    assert!(outcomes.contains(&Ok(Written::Applied(last.as_ref().clone()))));
}

/// Changes that race an erasure are made before it or find nobody.
pub async fn changes_that_race_an_erasure_come_before_it_or_find_nobody(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    let outcomes = race(store, 13, |store, number| async move {
        if number == 6 {
            store.erased(id).await;
            return None;
        }
        Some(
            store
                .writer
                .change(id, &call(&format!("Alice {number}")), &context())
                .await,
        )
    })
    .await;
    let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
    let made = times(&outcomes, |outcome| {
        matches!(outcome, Ok(Written::Applied(_)))
    });
    let missed = times(&outcomes, |outcome| *outcome == Err(WriteError::NotFound));
    assert_eq!(made + missed, 12, "{outcomes:?}");
    assert_eq!(store.find(id).await, None);
    let events = store.events(id).await;
    assert_eq!(events.len(), 1 + made + 1);
    assert_eq!(
        events.last().map(|event| event.kind),
        Some(EventKind::Erased)
    );
}
