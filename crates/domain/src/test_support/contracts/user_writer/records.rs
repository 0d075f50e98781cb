//! Lookup of idempotency records outside a write.

use std::time::Duration;

use super::StoreUnderTest;
use crate::test_support::samples::{context_with_key, new_user, service, set_name, start};
use crate::user::{Actor, Change};
use crate::values::Timestamp;
use crate::write::{IdempotencyKey, RecordedWrite, UniqueField, WriteContext, WriteError};

impl StoreUnderTest {
    async fn recorded(&self, context: &WriteContext, at: Timestamp) -> Option<RecordedWrite> {
        let idempotency = context.idempotency.as_ref().expect("a key");
        let found = self
            .write_records
            .find_write(&context.actor, idempotency, at);
        found.await.expect("a result")
    }
}

/// A record is found only by its actor, key and fingerprint, for 24 hours. A refused write has no record.
pub async fn a_recorded_write_is_found_by_its_actor_key_and_fingerprint(store: &StoreUnderTest) {
    let context = context_with_key("key", 1);
    let user = store.added_with(&new_user("alice"), &context).await;
    let expected = Some(RecordedWrite {
        subject: user.id.as_uuid(),
        ended_access: false,
    });
    assert_eq!(store.recorded(&context, start()).await, expected);
    let end = start().plus(IdempotencyKey::RETENTION);
    let last = end.minus(Duration::from_micros(1));
    assert_eq!(store.recorded(&context, last).await, expected);
    assert_eq!(store.recorded(&context, end).await, None);
    let by_another = WriteContext {
        actor: Actor::from(&service("another")),
        ..context.clone()
    };
    for other in [
        by_another,
        context_with_key("key", 2),
        context_with_key("another", 1),
    ] {
        assert_eq!(store.recorded(&other, start()).await, None);
    }
    let refused = context_with_key("refused", 1);
    let taken = store.add(&new_user("alice"), &refused).await;
    assert_eq!(taken, Err(WriteError::Taken(UniqueField::Username.into())));
    assert_eq!(store.recorded(&refused, start()).await, None);
}

/// The record states whether the write revoked the tokens of its own actor.
pub async fn a_write_record_says_whether_it_ended_its_actors_access(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let own = |key: &str| WriteContext {
        actor: Actor::of_user(user.id),
        ..context_with_key(key, 1)
    };
    let ended = async |context: &WriteContext| {
        let found = store.recorded(context, start()).await;
        found.expect("a record").ended_access
    };
    store
        .changed_with(user.id, &set_name("Alice"), &own("edit"))
        .await;
    assert!(!ended(&own("edit")).await);
    for (key, change, undo) in [
        ("sign-out", Change::SignOut, None),
        ("suspend", Change::suspend(), Some(Change::Activate)),
        ("delete", Change::Delete, Some(Change::Restore)),
    ] {
        store.changed_with(user.id, &change, &own(key)).await;
        assert!(ended(&own(key)).await, "{key}");
        if let Some(undo) = undo {
            store.changed(user.id, &undo).await;
        }
    }
    let by_another = context_with_key("delete", 1);
    store
        .changed_with(user.id, &Change::Delete, &by_another)
        .await;
    assert!(!ended(&by_another).await);
}
