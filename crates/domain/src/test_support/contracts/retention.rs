//! The contract of [`crate::ports::Retention`].

mod records;

pub use records::*;

use std::time::Duration;

use super::{StoreUnderTest, race};
use crate::directory::DirectoryFilter;
use crate::ports::{ExpiredUser, Purged, Records, UserKey};
use crate::test_support::samples::{awkward_user, context_at, new_user, seconds, start, user_id};
use crate::user::{Actor, Change, EventKind, Status, User};
use crate::values::{EmailKey, Timestamp, UserId, UsernameKey};
use crate::write::{USERNAME_RESERVATION, UniqueField, WriteContext, WriteError, Written};

const MICROSECOND: Duration = Duration::from_micros(1);

/// The first moment at which a user that was deleted at [`start`] expires.
fn due() -> Timestamp {
    start().plus(User::RESTORE_PERIOD)
}

/// The context of the retention worker at a moment.
fn purging_at(at: Timestamp) -> WriteContext {
    WriteContext {
        actor: Actor::retention(),
        ..context_at(at)
    }
}

impl StoreUnderTest {
    async fn deleted(&self, name: &str, at: Timestamp) -> UserId {
        let id = self.added(&new_user(name)).await.id;
        self.changed_with(id, &Change::Delete, &context_at(at))
            .await;
        id
    }

    async fn expired(&self, at: Timestamp, after: Option<ExpiredUser>) -> Vec<ExpiredUser> {
        self.retention.expired(at, after).await.expect("a result")
    }

    async fn erase_expired(&self, id: UserId, at: Timestamp) -> bool {
        let erased = self.retention.erase_expired(id, &purging_at(at)).await;
        erased.expect("a result")
    }

    async fn purge(&self, records: Records, at: Timestamp) -> Purged {
        self.retention.purge(records, at).await.expect("a result")
    }
}

/// A deleted user can be restored for 30 days and expires at the end of the last.
pub async fn a_deleted_user_is_erased_after_30_days_and_not_earlier(store: &StoreUnderTest) {
    let id = store.deleted("alice", start()).await;
    let last = due().minus(MICROSECOND);
    assert_eq!(store.expired(last, None).await, []);
    assert!(!store.erase_expired(id, last).await);
    assert!(store.find(id).await.is_some());

    let listed = ExpiredUser {
        deleted_at: start(),
        id,
    };
    assert_eq!(store.expired(due(), None).await, [listed]);
    assert!(store.erase_expired(id, due()).await);
    assert_eq!(store.find(id).await, None);
    assert_eq!(store.expired(due(), None).await, []);
    assert!(!store.erase_expired(id, due()).await);
}

/// The expiry of a user leaves the same records as its erasure.
pub async fn an_expired_user_leaves_only_events_and_a_reserved_name(store: &StoreUnderTest) {
    let new = awkward_user("alice");
    let alice = store.added(&new).await;
    let deleted = store.changed(alice.id, &Change::Delete).await;
    let context = purging_at(due());
    let erased = store.retention.erase_expired(alice.id, &context).await;
    assert_eq!(erased, Ok(true));

    for key in [
        UserKey::Id(alice.id),
        UserKey::Username(UsernameKey::from(&alice.username)),
        UserKey::Email(EmailKey::from(&alice.email)),
        UserKey::ExternalId(alice.external_id.clone().expect("an external id")),
    ] {
        assert_eq!(store.find_by(&key).await, None, "{key:?}");
    }
    let any_status = DirectoryFilter {
        statuses: Status::ALL.into_iter().collect(),
        ..DirectoryFilter::default()
    };
    assert_eq!(store.directory.count(&any_status).await, Ok(0));

    let events = store.events(alice.id).await;
    let event = events.last().expect("an event");
    assert_eq!(events.len(), 3);
    assert_eq!(Some(event), deleted.expire(&context).as_ref());
    assert_eq!(
        (event.kind, event.actor.as_str()),
        (EventKind::Erased, "retention")
    );

    // Email address and external id are free immediately, the username 90 days after the erasure.
    let mut successor = awkward_user("somebody");
    successor.email = new.email.clone();
    store.added_with(&successor, &context_at(due())).await;
    let free = due().plus(USERNAME_RESERVATION);
    let early = context_at(free.minus(MICROSECOND));
    assert_eq!(
        store.add(&new_user("ALICE"), &early).await,
        Err(WriteError::Taken(UniqueField::Username.into()))
    );
    store
        .added_with(&new_user("ALICE"), &context_at(free))
        .await;
}

/// Active, suspended, restored and unknown users do not expire, however old they are.
pub async fn only_deleted_users_expire(store: &StoreUnderTest) {
    let active = store.added(&new_user("active")).await.id;
    let suspended = store.added(&new_user("suspended")).await.id;
    store.changed(suspended, &Change::suspend()).await;
    let restored = store.deleted("restored", start()).await;
    store.changed(restored, &Change::Restore).await;
    let later = due().plus(User::RESTORE_PERIOD);
    assert_eq!(store.expired(later, None).await, []);
    for id in [active, suspended, restored] {
        assert!(!store.erase_expired(id, later).await);
        assert!(store.find(id).await.is_some());
    }
    assert!(!store.erase_expired(user_id(), later).await);
}

/// Paging returns every expired user once, whether or not the users of earlier pages were erased.
pub async fn expired_users_are_listed_oldest_deletion_first_in_batches(store: &StoreUnderTest) {
    let most = usize::from(ExpiredUser::MAX_BATCH);
    let mut expected = Vec::new();
    for number in 0..most + 5 {
        // Two users for each time, latest time first.
        let after_start = u64::try_from(most - number.min(most) / 2).expect("a number");
        let deleted_at = seconds(after_start);
        let id = store.deleted(&format!("leaver{number}"), deleted_at).await;
        expected.push(ExpiredUser { deleted_at, id });
    }
    expected.sort_by_key(|user| (user.deleted_at, user.id));
    let rest = expected.split_off(most);
    let at = due().plus(Duration::from_hours(1));
    let first = store.expired(at, None).await;
    assert_eq!(first, expected);
    for user in first.iter().step_by(2) {
        assert!(store.erase_expired(user.id, at).await);
    }
    let second = store.expired(at, first.last().copied()).await;
    assert_eq!(second, rest);
    assert_eq!(store.expired(at, second.last().copied()).await, []);
}

/// A user that is restored after being listed is not erased and has no further event.
pub async fn a_user_restored_after_being_listed_is_kept(store: &StoreUnderTest) {
    let id = store.deleted("alice", start()).await;
    assert_eq!(store.expired(due(), None).await.len(), 1);
    let restored = store
        .changed_with(id, &Change::Restore, &context_at(due()))
        .await;
    assert!(!store.erase_expired(id, due()).await);
    assert_eq!(store.find(id).await.as_deref(), Some(&restored));
    assert_eq!(store.events(id).await.len(), 3);
}

/// The 30 days start at the latest deletion.
pub async fn a_second_deletion_starts_a_new_30_day_period(store: &StoreUnderTest) {
    let id = store.deleted("alice", start()).await;
    let later = seconds(1);
    store
        .changed_with(id, &Change::Restore, &context_at(later))
        .await;
    store
        .changed_with(id, &Change::Delete, &context_at(later))
        .await;
    assert_eq!(store.expired(due(), None).await, []);
    assert!(!store.erase_expired(id, due()).await);
    assert!(
        store
            .erase_expired(id, later.plus(User::RESTORE_PERIOD))
            .await
    );
}

/// One of several racing purges erases the user.
pub async fn of_racing_purges_one_erases_the_user(store: &StoreUnderTest) {
    let id = store.deleted("alice", start()).await;
    let erased = race(store, 8, |store, _| async move {
        store.erase_expired(id, due()).await
    })
    .await;
    // A purge skips a user that another purge has locked. All racing purges may skip it, so one more runs after them.
    let by_racers = erased.iter().filter(|erased| **erased).count();
    let by_the_next = usize::from(store.erase_expired(id, due()).await);
    assert_eq!(by_racers + by_the_next, 1, "{erased:?}");
    assert_eq!(store.events(id).await.len(), 3);
}

/// An acknowledged restoration keeps the user despite racing purges. A restoration that finds no user came too late.
pub async fn an_acknowledged_restoration_survives_a_racing_purge(store: &StoreUnderTest) {
    let mut ids = Vec::new();
    for number in 0..16 {
        ids.push(store.deleted(&format!("leaver{number}"), start()).await);
    }
    let racing = ids.clone();
    let outcomes = race(store, ids.len() * 2, |store, number| {
        let id = racing.get(number / 2).copied().expect("an id");
        async move {
            if number % 2 == 0 {
                return store.erase_expired(id, due()).await;
            }
            let context = context_at(due());
            match store.writer.change(id, &Change::Restore, &context).await {
                Ok(Written::Applied(_)) => true,
                Err(WriteError::NotFound) => false,
                other => panic!("unexpected outcome of a restoration: {other:?}"),
            }
        }
    })
    .await;
    for (id, outcome) in ids.into_iter().zip(outcomes.chunks(2)) {
        let (erased, restored) = (
            outcome.first() == Some(&true),
            outcome.last() == Some(&true),
        );
        assert_ne!(erased, restored, "{id:?}");
        let found = store.find(id).await;
        assert_eq!(found.is_some_and(|user| !user.is_deleted()), restored);
    }
}
