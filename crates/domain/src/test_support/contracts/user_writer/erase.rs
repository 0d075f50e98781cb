//! Erasing a user.

use super::{StoreUnderTest, everybody, race};
use crate::directory::PageRequest;
use crate::directory::{DirectoryFilter, Sort};
use crate::test_support::samples::{
    awkward_user, call, context, context_expecting, context_under, new_user, user_id,
};
use crate::user::{Change, ChangeRefused, Status};
use crate::write::{Erased, Precondition, WriteContext, WriteError};

/// An erased user is nowhere any more.
pub async fn an_erased_user_is_gone_from_reads_lists_and_counts(store: &StoreUnderTest) {
    let user = store.added(&awkward_user("alice")).await;
    let bob = store.added(&new_user("bob")).await;
    assert_eq!(
        store.writer.erase(user.id, &context()).await,
        Ok(Erased::Applied)
    );
    assert_eq!(store.find(user.id).await, None);
    assert_eq!(everybody(store).await, 1);
    let request = PageRequest {
        filter: DirectoryFilter {
            statuses: Status::ALL.to_vec(),
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

/// A user need not be deleted to be erased, and may be.
pub async fn a_deleted_user_can_be_erased(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    store.changed(user.id, &Change::Delete).await;
    assert_eq!(
        store.writer.erase(user.id, &context()).await,
        Ok(Erased::Applied)
    );
    assert_eq!(store.find(user.id).await, None);
}

/// Nobody can be erased who is not there, and nobody twice.
pub async fn an_erasure_of_an_unknown_user_finds_nobody(store: &StoreUnderTest) {
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

/// No change brings an erased user back.
pub async fn nothing_brings_an_erased_user_back(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    store.erased(user.id).await;
    for change in [Change::Restore, call("Alice")] {
        let written = store.writer.change(user.id, &change, &context()).await;
        assert_eq!(written, Err(WriteError::NotFound), "{change:?}");
    }
    assert_eq!(store.find(user.id).await, None);
}

/// An erasure of another version than the expected one is refused and leaves everything.
pub async fn an_erasure_of_an_unexpected_version_is_refused(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let refused = WriteContext {
        precondition: Precondition::AnyOf(vec![2]),
        ..context_under("key", 1)
    };
    let erased = store.writer.erase(user.id, &refused).await;
    assert_eq!(
        erased,
        Err(WriteError::Refused(ChangeRefused::PreconditionFailed))
    );
    assert_eq!(store.find(user.id).await.as_deref(), Some(&user));
    assert_eq!(store.events(user.id).await.len(), 1);

    // Another request under the same key would be refused if the key had been noted.
    let admitted = WriteContext {
        precondition: context_expecting(1).precondition,
        ..context_under("key", 2)
    };
    assert_eq!(
        store.writer.erase(user.id, &admitted).await,
        Ok(Erased::Applied)
    );
}

/// Of racing erasures, one finds the user.
pub async fn one_of_racing_erasures_finds_the_user(store: &StoreUnderTest) {
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
