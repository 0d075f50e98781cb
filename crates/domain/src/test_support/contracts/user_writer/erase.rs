//! Erasing a user.

use super::{StoreUnderTest, race, user_count};
use crate::directory::PageRequest;
use crate::directory::{DirectoryFilter, Sort};
use crate::test_support::samples::{
    awkward_user, context, context_expecting, context_with_key, new_user, set_name, user_id,
};
use crate::user::{Change, ChangeRefused, Status};
use crate::write::{Erased, Precondition, WriteContext, WriteError};

/// No read, list or count includes an erased user.
pub async fn an_erased_user_is_absent_from_reads_lists_and_counts(store: &StoreUnderTest) {
    let user = store.added(&awkward_user("alice")).await;
    let bob = store.added(&new_user("bob")).await;
    assert_eq!(
        store.writer.erase(user.id, &context()).await,
        Ok(Erased::Applied)
    );
    assert_eq!(store.find(user.id).await, None);
    assert_eq!(user_count(store).await, 1);
    let request = PageRequest {
        filter: DirectoryFilter {
            statuses: Status::ALL.into(),
            ..DirectoryFilter::default()
        },
        sort: Sort::Username,
        after: None,
        limit: 10,
    };
    assert_eq!(
        store.directory.page(&request).await.expect("a page").users,
        [bob]
    );
}

/// A user can be erased whether or not it is deleted.
pub async fn a_deleted_user_can_be_erased(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    store.changed(user.id, &Change::Delete).await;
    assert_eq!(
        store.writer.erase(user.id, &context()).await,
        Ok(Erased::Applied)
    );
    assert_eq!(store.find(user.id).await, None);
}

/// An unknown or already erased user is not found.
pub async fn an_erasure_of_an_unknown_user_is_not_found(store: &StoreUnderTest) {
    assert_eq!(
        store.writer.erase(user_id(), &context()).await,
        Err(WriteError::NotFound)
    );
    let user = store.added(&new_user("alice")).await;
    store.erased(user.id).await;
    assert_eq!(
        store.writer.erase(user.id, &context()).await,
        Err(WriteError::NotFound)
    );
}

/// An erased user cannot be changed or restored.
pub async fn no_change_restores_an_erased_user(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    store.erased(user.id).await;
    for change in [Change::Restore, set_name("Alice")] {
        let written = store.writer.change(user.id, &change, &context()).await;
        assert_eq!(written, Err(WriteError::NotFound), "{change:?}");
    }
    assert_eq!(store.find(user.id).await, None);
}

/// An erasure whose precondition fails is refused and changes nothing.
pub async fn an_erasure_of_an_unexpected_version_is_refused(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let refused = WriteContext {
        precondition: Precondition::AnyOf(vec![2.into()]),
        ..context_with_key("key", 1)
    };
    let erased = store.writer.erase(user.id, &refused).await;
    assert_eq!(
        erased,
        Err(WriteError::Refused(ChangeRefused::PreconditionFailed))
    );
    assert_eq!(store.find(user.id).await.as_deref(), Some(&user));
    assert_eq!(store.events(user.id).await.len(), 1);

    // Another request with the same key would be refused if the key had been recorded.
    let admitted = WriteContext {
        precondition: context_expecting(1).precondition,
        ..context_with_key("key", 2)
    };
    assert_eq!(
        store.writer.erase(user.id, &admitted).await,
        Ok(Erased::Applied)
    );
}

/// One of several racing erasures is applied, the others find no user.
pub async fn of_racing_erasures_one_succeeds(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    let outcomes = race(store, 8, |store, _| async move {
        store.writer.erase(id, &context()).await
    })
    .await;
    let count = |wanted: &Result<Erased, WriteError>| {
        outcomes.iter().filter(|outcome| *outcome == wanted).count()
    };
    assert_eq!(count(&Ok(Erased::Applied)), 1, "{outcomes:?}");
    assert_eq!(count(&Err(WriteError::NotFound)), 7, "{outcomes:?}");
    assert_eq!(store.events(id).await.len(), 2);
}
