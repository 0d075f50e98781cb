//! Registrations and removals of consumers, and the replays of writes.

use super::super::{StoreUnderTest, race};
use super::name;
use crate::erasure::ErasureConsumer;
use crate::ports::{ConsumerRegistration, ErasureError, ErasureWrite};
use crate::test_support::samples::{
    context, context_at, context_with_key, seconds, start, user_id,
};
use crate::values::Timestamp;
use crate::write::WriteContext;

/// Like [`context_with_key`], at another time.
fn keyed_at(key: &str, request: u8, at: Timestamp) -> WriteContext {
    WriteContext {
        at,
        ..context_with_key(key, request)
    }
}

/// A consumer is registered once, is listed by name, and keeps the time and the actor of its registration.
pub async fn a_consumer_is_registered_once(store: &StoreUnderTest) {
    let first = store.registered("posts").await;
    assert!(first.is_new && !first.replayed);
    let later = store
        .erasures
        .register_consumer(&name("posts"), &context_at(seconds(5)))
        .await
        .expect("a registration");
    assert!(!later.is_new && !later.replayed);
    assert_eq!(later.consumer, first.consumer);
    let expected = ErasureConsumer {
        name: name("posts"),
        created_at: start(),
        created_by: context().actor,
    };
    assert_eq!(first.consumer, expected);
    let mail = store.registered("mail").await.consumer;
    let listed = store.erasures.list_consumers().await;
    assert_eq!(listed, Ok(vec![mail, expected]));
}

/// At most 64 consumers are registered. A removed one makes room.
pub async fn the_number_of_consumers_is_limited(store: &StoreUnderTest) {
    for number in 0..ErasureConsumer::MAX_REGISTERED {
        assert!(store.registered(&format!("c{number}")).await.is_new);
    }
    let refused = store
        .erasures
        .register_consumer(&name("more"), &context_with_key("more", 1))
        .await;
    assert_eq!(refused, Err(ErasureError::TooManyConsumers));
    assert!(!store.registered("c7").await.is_new);
    store.removed("c7", start()).await;
    let registered = store
        .erasures
        .register_consumer(&name("more"), &context_with_key("more", 1))
        .await;
    assert!(registered.is_ok_and(|registered| registered.is_new && !registered.replayed));
}

/// Of several racing registrations of one name, one registers it.
pub async fn racing_registrations_register_a_consumer_once(store: &StoreUnderTest) {
    let registered = race(store, 8, |store, _| async move {
        store.registered("posts").await.is_new
    });
    let new = registered.await.into_iter().filter(|is_new| *is_new);
    assert_eq!(new.count(), 1);
    let listed = store.erasures.list_consumers().await;
    assert_eq!(listed.expect("a list").len(), 1);
}

/// Removing a consumer ends its pending erasures, also for a later registration of the same name. What it has confirmed
/// stays in the reports.
pub async fn a_removal_ends_what_is_pending(store: &StoreUnderTest) {
    store.registered("posts").await;
    let (ann, bob) = (
        store.erased_user("ann").await,
        store.erased_user("bob").await,
    );
    store.acknowledged(ann, "posts", 5).await;
    store.removed("posts", seconds(6)).await;
    assert_eq!(store.erasures.list_consumers().await, Ok(Vec::new()));
    let pending = store.erasures.pending(&name("posts"), None, 2).await;
    assert_eq!(pending, Err(ErasureError::UnknownConsumer));
    let refused = store.acknowledge(bob, "posts", 7).await;
    assert_eq!(refused, Err(ErasureError::UnknownConsumer));
    let confirmed = [("posts".to_owned(), Some(seconds(5)))];
    assert_eq!(store.confirmations(ann).await, confirmed);
    assert_eq!(store.confirmations(bob).await, []);
    assert!(store.report(bob).await.is_complete());
    assert!(store.registered("posts").await.is_new);
    assert_eq!(store.pending("posts").await, []);
    let carol = store.erased_user("carol").await;
    assert_eq!(store.pending_users("posts").await, [carol]);
    store.acknowledged(bob, "posts", 8).await;
    let confirmed = [("posts".to_owned(), Some(seconds(8)))];
    assert_eq!(store.confirmations(bob).await, confirmed);
}

/// Each write about erasures is applied once per idempotency key.
pub async fn writes_about_erasures_are_replayed(store: &StoreUnderTest) {
    let erasures = &store.erasures;
    let posts = name("posts");
    let key = |key: &str, request| keyed_at(key, request, seconds(9));
    let first = erasures.register_consumer(&posts, &key("a", 1)).await;
    let first = first.expect("a registration");
    let replay = erasures.register_consumer(&posts, &key("a", 1)).await;
    let expected = ConsumerRegistration {
        replayed: true,
        ..first.clone()
    };
    assert_eq!(replay, Ok(expected));
    let other = erasures.register_consumer(&posts, &key("a", 2)).await;
    assert_eq!(other, Err(ErasureError::KeyReused));
    let unchanged = erasures.register_consumer(&posts, &key("b", 3)).await;
    assert_eq!(unchanged.map(|registered| registered.is_new), Ok(false));
    let replay = erasures.register_consumer(&posts, &key("b", 3)).await;
    let replay = replay.expect("a registration");
    assert!(!replay.is_new && replay.replayed);

    let user = store.erased_user("ann").await;
    for expected in [ErasureWrite::Done, ErasureWrite::Replayed] {
        let done = erasures.acknowledge(user, &posts, &key("c", 4)).await;
        assert_eq!(done, Ok(expected));
    }
    let other = erasures.acknowledge(user, &posts, &key("c", 5)).await;
    assert_eq!(other, Err(ErasureError::KeyReused));
    // A refused write leaves no record.
    let refused = erasures.acknowledge(user_id(), &posts, &key("d", 6)).await;
    assert_eq!(refused, Err(ErasureError::UnknownErasure));
    for expected in [ErasureWrite::Done, ErasureWrite::Replayed] {
        let done = erasures.remove_consumer(&posts, &key("d", 7)).await;
        assert_eq!(done, Ok(expected));
    }
    // The registration is replayed, but there is no consumer to return.
    let gone = erasures.register_consumer(&posts, &key("a", 1)).await;
    assert_eq!(gone, Err(ErasureError::UnknownConsumer));
}
