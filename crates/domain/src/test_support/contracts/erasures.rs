//! The contract of [`crate::ports::Erasures`], and of the retention of erasures.

mod consumers;
mod retention;

pub use consumers::*;
pub use retention::*;

use super::StoreUnderTest;
use crate::erasure::{Confirmation, Erasure, ErasureReport, PendingSummary};
use crate::ports::{ConsumerRegistration, ErasureError, ErasureWrite};
use crate::test_support::samples::{context, context_at, new_user, seconds, start, user_id};
use crate::user::{Change, User};
use crate::values::{ConsumerName, Timestamp, UserId};

fn name(text: &str) -> ConsumerName {
    ConsumerName::parse(text).expect("a name")
}

impl StoreUnderTest {
    async fn registered(&self, consumer: &str) -> ConsumerRegistration {
        let registered = self
            .erasures
            .register_consumer(&name(consumer), &context())
            .await;
        registered.expect("a registration")
    }

    async fn removed(&self, consumer: &str, at: Timestamp) {
        let removed = self
            .erasures
            .remove_consumer(&name(consumer), &context_at(at))
            .await;
        assert_eq!(removed, Ok(ErasureWrite::Done));
    }

    async fn erased_user(&self, username: &str) -> UserId {
        let id = self.added(&new_user(username)).await.id;
        self.erased(id).await;
        id
    }

    async fn acknowledge(
        &self,
        user: UserId,
        consumer: &str,
        at: u64,
    ) -> Result<ErasureWrite, ErasureError> {
        let context = context_at(seconds(at));
        self.erasures
            .acknowledge(user, &name(consumer), &context)
            .await
    }

    async fn acknowledged(&self, user: UserId, consumer: &str, at: u64) {
        let acknowledged = self.acknowledge(user, consumer, at).await;
        assert_eq!(acknowledged, Ok(ErasureWrite::Done));
    }

    /// All pending erasures of a consumer, read in pages of two.
    async fn pending(&self, consumer: &str) -> Vec<Erasure> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.erasures.pending(&name(consumer), after, 2).await;
            let page = page.expect("a page");
            assert!(page.erasures.len() <= 2);
            all.extend(page.erasures);
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    }

    async fn pending_users(&self, consumer: &str) -> Vec<UserId> {
        let pending = self.pending(consumer).await;
        pending.iter().map(|erasure| erasure.user).collect()
    }

    async fn report(&self, user: UserId) -> ErasureReport {
        self.erasures.report(user).await.expect("a report")
    }

    /// The consumers in the report about a user, each with the second of its acknowledgement.
    async fn confirmations(&self, user: UserId) -> Vec<(String, Option<Timestamp>)> {
        let report = self.report(user).await;
        let parts = report.confirmations.into_iter();
        parts
            .map(|part: Confirmation| {
                assert_eq!(part.acked_by.is_some(), part.acked_at.is_some());
                (part.consumer.to_string(), part.acked_at)
            })
            .collect()
    }
}

/// An erasure is pending for the consumers that were registered before it, oldest first, and for no others.
pub async fn an_erasure_is_pending_for_earlier_registrations(store: &StoreUnderTest) {
    store.erased_user("before").await;
    store.registered("posts").await;
    let first = store.erased_user("ann").await;
    store.registered("mail").await;
    let mut later = Vec::new();
    for number in 0..4 {
        later.push(store.erased_user(&format!("user{number}")).await);
    }
    assert_eq!(store.pending_users("mail").await, later);
    let all = [vec![first], later].concat();
    assert_eq!(store.pending_users("posts").await, all);
    let pending = store.pending("posts").await;
    assert!(pending.is_sorted_by_key(|erasure| erasure.position));
    assert!(pending.iter().all(|erasure| erasure.erased_at == start()));
    let unknown = store.erasures.pending(&name("search"), None, 2).await;
    assert_eq!(unknown, Err(ErasureError::UnknownConsumer));
}

/// The position of an erasure is that of its event.
pub async fn the_position_of_an_erasure_is_that_of_its_event(store: &StoreUnderTest) {
    let user = store.erased_user("ann").await;
    let newest = store.change_log.before(None, 1).await.expect("changes");
    let position = store.report(user).await.erasure.position;
    assert_eq!(newest.next, Some(position));
}

/// The expiry of a deleted user is an erasure too.
pub async fn an_expiry_is_an_erasure(store: &StoreUnderTest) {
    store.registered("posts").await;
    let id = store.added(&new_user("ann")).await.id;
    store.changed(id, &Change::Delete).await;
    assert_eq!(store.pending_users("posts").await, []);
    let due = context_at(start().plus(User::RESTORE_PERIOD));
    let erased = store.retention.erase_expired(id, &due).await;
    assert_eq!(erased, Ok(true));
    assert_eq!(store.pending_users("posts").await, [id]);
    assert_eq!(store.report(id).await.erasure.erased_at, due.at);
}

/// A consumer confirms an erasure once. The time of its first acknowledgement is kept.
pub async fn the_first_acknowledgement_is_kept(store: &StoreUnderTest) {
    store.registered("posts").await;
    store.registered("mail").await;
    let (ann, bob) = (
        store.erased_user("ann").await,
        store.erased_user("bob").await,
    );
    store.acknowledged(ann, "posts", 5).await;
    store.acknowledged(ann, "posts", 9).await;
    assert_eq!(store.pending_users("posts").await, [bob]);
    assert_eq!(store.pending_users("mail").await, [ann, bob]);
    let expected = [
        ("mail".to_owned(), None),
        ("posts".to_owned(), Some(seconds(5))),
    ];
    assert_eq!(store.confirmations(ann).await, expected);
    assert!(!store.report(ann).await.is_complete());
    store.acknowledged(ann, "mail", 7).await;
    assert!(store.report(ann).await.is_complete());
    assert!(!store.report(bob).await.is_complete());
}

/// An unknown consumer is refused before an unknown erasure.
pub async fn unknown_consumers_and_users_are_refused(store: &StoreUnderTest) {
    store.registered("posts").await;
    let user = store.added(&new_user("ann")).await.id;
    for unknown in [user, user_id()] {
        let refused = store.acknowledge(unknown, "mail", 1).await;
        assert_eq!(refused, Err(ErasureError::UnknownConsumer));
        let refused = store.acknowledge(unknown, "posts", 1).await;
        assert_eq!(refused, Err(ErasureError::UnknownErasure));
        let refused = store.erasures.report(unknown).await;
        assert_eq!(refused, Err(ErasureError::UnknownErasure));
    }
    let (mail, context) = (name("mail"), context());
    let refused = store.erasures.remove_consumer(&mail, &context).await;
    assert_eq!(refused, Err(ErasureError::UnknownConsumer));
}

/// A consumer may confirm an erasure from before its registration.
pub async fn an_erasure_that_is_not_pending_can_be_confirmed(store: &StoreUnderTest) {
    let user = store.erased_user("ann").await;
    assert_eq!(store.confirmations(user).await, []);
    assert!(store.report(user).await.is_complete());
    store.registered("posts").await;
    assert_eq!(store.pending("posts").await, []);
    store.acknowledged(user, "posts", 3).await;
    let expected = [("posts".to_owned(), Some(seconds(3)))];
    assert_eq!(store.confirmations(user).await, expected);
}

/// Each consumer has a summary of its pending erasures.
pub async fn pending_erasures_are_summarized(store: &StoreUnderTest) {
    assert_eq!(store.erasures.summarize_pending().await, Ok(Vec::new()));
    store.registered("posts").await;
    store.registered("mail").await;
    store.registered("gone").await;
    let users = [
        store.added(&new_user("ann")).await.id,
        store.added(&new_user("bob")).await.id,
    ];
    for (at, user) in [seconds(4), seconds(6)].into_iter().zip(users) {
        let erased = store.writer.erase(user, &context_at(at)).await;
        assert!(erased.is_ok());
    }
    store.acknowledged(users[0], "mail", 9).await;
    store.removed("gone", start()).await;
    let summary = |consumer, pending, oldest| PendingSummary {
        consumer: name(consumer),
        pending,
        oldest,
    };
    let expected = vec![
        summary("mail", 1, Some(seconds(6))),
        summary("posts", 2, Some(seconds(4))),
    ];
    assert_eq!(store.erasures.summarize_pending().await, Ok(expected));
    for consumer in ["mail", "posts"] {
        for user in users {
            store.acknowledged(user, consumer, 9).await;
        }
    }
    let expected = vec![summary("mail", 0, None), summary("posts", 0, None)];
    assert_eq!(store.erasures.summarize_pending().await, Ok(expected));
}
