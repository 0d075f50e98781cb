//! The retention of erasures.

use std::time::Duration;

use super::super::{StoreUnderTest, race};
use crate::erasure::Erasure;
use crate::ports::{ErasureError, Purged, Records};
use crate::test_support::samples::seconds;
use crate::values::Timestamp;

const MICROSECOND: Duration = Duration::from_micros(1);

const NOTHING: Purged = Purged {
    removed: 0,
    has_more: false,
};

impl StoreUnderTest {
    /// Purges batch by batch until nothing is left to do.
    async fn purge_erasures(&self, at: Timestamp) -> Purged {
        let mut removed = 0;
        loop {
            let purged = self.retention.purge(Records::Erasures, at).await;
            let purged = purged.expect("a result");
            removed += purged.removed;
            if !purged.has_more {
                return Purged { removed, ..purged };
            }
        }
    }
}

/// Racing consumers confirm the same erasures. Each erasure is complete afterwards, and expires.
pub async fn racing_acknowledgements_complete_an_erasure(store: &StoreUnderTest) {
    let names: Vec<String> = (0..8).map(|number| format!("c{number}")).collect();
    for consumer in &names {
        store.registered(consumer).await;
    }
    let mut users = Vec::new();
    for number in 0..5 {
        users.push(store.erased_user(&format!("user{number}")).await);
    }
    let racers = race(store, 8, |store, number| {
        let users = users.clone();
        async move {
            for user in users {
                store.acknowledged(user, &format!("c{number}"), 2).await;
            }
        }
    });
    racers.await;
    for user in &users {
        assert!(store.report(*user).await.is_complete());
    }
    let due = seconds(2).plus(Erasure::RETENTION);
    assert_eq!(store.purge_erasures(due).await.removed, 5);
}

/// An erasure is kept until 90 days after its last acknowledgement; without consumers, after the erasure.
pub async fn an_erasure_is_kept_for_90_days_after_its_completion(store: &StoreUnderTest) {
    let alone = store.erased_user("alone").await;
    store.registered("posts").await;
    store.registered("mail").await;
    let (ann, bob) = (
        store.erased_user("ann").await,
        store.erased_user("bob").await,
    );
    store.acknowledged(ann, "posts", 5).await;
    store.acknowledged(bob, "posts", 5).await;
    store.acknowledged(ann, "mail", 7).await;
    store.acknowledged(ann, "mail", 9).await;
    let due = |second| seconds(second).plus(Erasure::RETENTION);
    assert_eq!(
        store.purge_erasures(due(0).minus(MICROSECOND)).await,
        NOTHING
    );
    assert_eq!(store.purge_erasures(due(0)).await.removed, 1);
    let gone = Err(ErasureError::UnknownErasure);
    assert_eq!(store.erasures.report(alone).await, gone);
    assert_eq!(
        store.purge_erasures(due(7).minus(MICROSECOND)).await,
        NOTHING
    );
    assert!(store.report(ann).await.is_complete());
    assert_eq!(store.purge_erasures(due(7)).await.removed, 1);
    assert_eq!(store.erasures.report(ann).await, gone);
    let refused = store.acknowledge(ann, "mail", 9).await;
    assert_eq!(refused, Err(ErasureError::UnknownErasure));
    // One consumer has not confirmed the other erasure.
    assert_eq!(store.purge_erasures(due(1_000_000)).await, NOTHING);
    assert_eq!(store.pending_users("mail").await, [bob]);
}

/// What only a removed consumer has not confirmed is kept until 90 days after the removal, and what another one has not
/// confirmed until then.
pub async fn a_removal_completes_erasures(store: &StoreUnderTest) {
    store.registered("posts").await;
    store.registered("mail").await;
    let (ann, bob) = (
        store.erased_user("ann").await,
        store.erased_user("bob").await,
    );
    store.acknowledged(ann, "posts", 5).await;
    store.removed("mail", seconds(8)).await;
    let due = |second| seconds(second).plus(Erasure::RETENTION);
    assert_eq!(
        store.purge_erasures(due(8).minus(MICROSECOND)).await,
        NOTHING
    );
    assert!(store.report(ann).await.is_complete());
    assert_eq!(store.purge_erasures(due(8)).await.removed, 1);
    let gone = store.erasures.report(ann).await;
    assert_eq!(gone, Err(ErasureError::UnknownErasure));
    assert_eq!(store.pending_users("posts").await, [bob]);
    store.acknowledged(bob, "posts", 9).await;
    assert_eq!(store.purge_erasures(due(9)).await.removed, 1);
}
