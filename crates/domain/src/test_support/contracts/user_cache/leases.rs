//! Leases and what invalidates them.

use super::{CacheUnderTest, result_of, three_revisions};
use crate::ports::Lookup;
use crate::values::UserId;

impl CacheUnderTest {
    /// Looks up a user while another reader holds a lease. Returns `None` if the cache issued another lease.
    async fn wait_behind_lease(&self, id: UserId) -> Option<crate::ports::InFlight> {
        match self.look_up_one(id).await {
            Lookup::InFlight(in_flight) => Some(in_flight),
            Lookup::Miss(..) => None,
            Lookup::Hit(hit) => panic!("unexpected hit {hit:?}"),
        }
    }
}

/// A reader that read before a write must not restore the older user.
pub async fn a_put_invalidates_earlier_leases(cache: &CacheUnderTest) {
    let [first, second, _] = three_revisions();
    let slow = cache.miss(first.id).await;
    let write = cache.cache.lease(first.id);
    cache.cache.put(write, second).await;
    cache.cache.fill(slow, Some(first.clone()));
    cache.assert_newest_or_nothing(first.id, 2).await;
}

/// A reader that found no user must not hide a user that was created meanwhile.
pub async fn a_put_invalidates_a_lease_that_found_no_user(cache: &CacheUnderTest) {
    let [first, ..] = three_revisions();
    let slow = cache.miss(first.id).await;
    let write = cache.cache.lease(first.id);
    cache.cache.put(write, first.clone()).await;
    cache.cache.fill(slow, None);
    cache.assert_newest_or_nothing(first.id, 1).await;
}

/// An observation of a newer revision prevents a fill with an older one.
pub async fn an_observation_invalidates_leases_of_older_values(cache: &CacheUnderTest) {
    let [first, second, _] = three_revisions();
    for older in [Some(first.clone()), None] {
        let slow = cache.miss(first.id).await;
        cache.cache.observe(&second);
        cache.cache.fill(slow, older);
        cache.assert_newest_or_nothing(first.id, 2).await;
        cache.cache.forget(first.id).await;
    }
}

/// A user that is erased during a read must not return. The same holds for a value replaced by a write with unknown
/// outcome.
pub async fn forgetting_a_user_invalidates_earlier_leases(cache: &CacheUnderTest) {
    let [_, _, newest] = three_revisions();
    let (slow, write) = (cache.miss(newest.id).await, cache.cache.lease(newest.id));
    cache.cache.forget(newest.id).await;
    cache.cache.fill(slow, Some(newest.clone()));
    assert_eq!(cache.cached_revision(newest.id).await, None);
    cache.cache.fill(write, Some(newest.clone()));
    assert_eq!(cache.cached_revision(newest.id).await, None);
}

/// The earlier of two writes may reach the cache last. It must not win.
pub async fn a_put_that_arrives_after_a_later_write_is_discarded(cache: &CacheUnderTest) {
    let [_, second, third] = three_revisions();
    let (earlier, later) = (cache.cache.lease(second.id), cache.cache.lease(second.id));
    cache.cache.put(later, third).await;
    cache.cache.put(earlier, second.clone()).await;
    cache.assert_newest_or_nothing(second.id, 3).await;
}

/// The later of two writes wins if they reach the cache in order.
pub async fn puts_in_write_order_leave_nothing_older(cache: &CacheUnderTest) {
    let [_, second, third] = three_revisions();
    let (earlier, later) = (cache.cache.lease(second.id), cache.cache.lease(second.id));
    cache.cache.put(earlier, second.clone()).await;
    cache.cache.put(later, third).await;
    cache.assert_newest_or_nothing(second.id, 3).await;
}

/// A put does nothing if its user was forgotten after the lease was taken.
pub async fn a_put_after_forgetting_the_user_is_discarded(cache: &CacheUnderTest) {
    let [_, second, _] = three_revisions();
    let lease = cache.cache.lease(second.id);
    cache.cache.forget(second.id).await;
    cache.cache.put(lease, second.clone()).await;
    assert_eq!(cache.cached_revision(second.id).await, None);
}

/// A dropped lease has no effect, and the next reader gets one.
pub async fn a_dropped_lease_is_available_to_the_next_reader(cache: &CacheUnderTest) {
    let [first, ..] = three_revisions();
    for _ in 0..3 {
        drop(cache.miss(first.id).await);
    }
    drop(cache.cache.lease(first.id));
    cache.fill(first.id, Some(&first)).await;
    assert_eq!(cache.cached_revision(first.id).await, Some(1));
}

/// A write that fails and drops its lease does not prevent a reader's fill.
pub async fn a_write_that_drops_its_lease_invalidates_nothing(cache: &CacheUnderTest) {
    let [first, ..] = three_revisions();
    let reader = cache.miss(first.id).await;
    drop(cache.cache.lease(first.id));
    cache.cache.fill(reader, Some(first.clone()));
    assert_eq!(cache.cached_revision(first.id).await, Some(1));
}

/// A waiting reader gets the result of the first reader, whether a user or its absence.
pub async fn a_waiting_reader_gets_the_result_of_the_first_reader(cache: &CacheUnderTest) {
    for exists in [true, false] {
        let [first, ..] = three_revisions();
        let found = exists.then(|| first.clone());
        let lease = cache.miss(first.id).await;
        let waiting = [
            cache.wait_behind_lease(first.id).await,
            cache.wait_behind_lease(first.id).await,
        ];
        cache.cache.fill(lease, found.clone());
        for in_flight in waiting.into_iter().flatten() {
            assert_eq!(result_of(in_flight).await, Some(found.clone()));
        }
    }
}

/// A waiting reader gets the information that the first read was abandoned, and may look up again.
pub async fn a_waiting_reader_learns_that_the_first_reader_gave_up(cache: &CacheUnderTest) {
    let [first, ..] = three_revisions();
    let lease = cache.miss(first.id).await;
    let waiting = [
        cache.wait_behind_lease(first.id).await,
        cache.wait_behind_lease(first.id).await,
    ];
    drop(lease);
    for in_flight in waiting.into_iter().flatten() {
        assert_eq!(result_of(in_flight).await, None);
    }
    cache.fill(first.id, Some(&first)).await;
    assert_eq!(cache.cached_revision(first.id).await, Some(1));
}

/// A reader that starts after a write must not get the result of a reader that started before.
pub async fn a_read_after_a_write_ignores_earlier_readers(cache: &CacheUnderTest) {
    let [first, second, _] = three_revisions();
    for is_written_here in [true, false] {
        let slow = cache.miss(first.id).await;
        if is_written_here {
            let write = cache.cache.lease(first.id);
            cache.cache.put(write, second.clone()).await;
        } else {
            cache.cache.observe(&second);
        }
        let later = cache.look_up_one(first.id).await;
        cache.cache.fill(slow, Some(first.clone()));
        match later {
            Lookup::Hit(hit) => assert_eq!(super::revision(hit.user.as_ref()), 2),
            Lookup::Miss(..) => {}
            Lookup::InFlight(in_flight) => {
                let answer = result_of(in_flight).await;
                assert!(
                    answer.is_none_or(|user| super::revision(user.as_ref()) == 2),
                    "a result of a reader that started before the write"
                );
            }
        }
        cache.cache.forget(first.id).await;
    }
}
