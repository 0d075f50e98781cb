//! What a lease is worth, and what it is not worth any more.

use super::{CacheUnderTest, arrived, three};
use crate::ports::Lookup;
use crate::values::UserId;

impl CacheUnderTest {
    /// Lets another reader look while a lease is held: it waits, or gets a lease of its own, which is given back.
    async fn waiting(&self, id: UserId) -> Option<crate::ports::Arrival> {
        match self.look(id).await {
            Lookup::Coming(arrival) => Some(arrival),
            Lookup::Miss(..) => None,
            Lookup::Hit(hit) => panic!("nobody has filled in {hit:?}"),
        }
    }
}

/// A reader that has read before a write does not bring the older user back.
pub async fn a_put_voids_the_leases_taken_before_it(cache: &CacheUnderTest) {
    let [first, second, _] = three();
    let slow = cache.missed(first.id).await;
    let write = cache.cache.lease(first.id);
    cache.cache.put(write, second).await;
    cache.cache.fill(slow, Some(first.clone()));
    cache.assert_newest_or_nothing(first.id, 2).await;
}

/// A reader that has seen nobody does not make a user who was created meanwhile vanish.
pub async fn a_put_voids_a_lease_under_which_nobody_was_found(cache: &CacheUnderTest) {
    let [first, ..] = three();
    let slow = cache.missed(first.id).await;
    let write = cache.cache.lease(first.id);
    cache.cache.put(write, first.clone()).await;
    cache.cache.fill(slow, None);
    cache.assert_newest_or_nothing(first.id, 1).await;
}

/// A notice of what is newer than what a reader has read keeps that from coming in.
pub async fn a_notice_voids_the_leases_of_what_is_older(cache: &CacheUnderTest) {
    let [first, second, _] = three();
    for older in [Some(first.clone()), None] {
        let slow = cache.missed(first.id).await;
        cache.cache.notice(&second);
        cache.cache.fill(slow, older);
        cache.assert_newest_or_nothing(first.id, 2).await;
        cache.cache.forget(first.id).await;
    }
}

/// Who was erased while somebody read it does not come back, nor does what a write of unknown outcome has replaced.
pub async fn forgetting_voids_the_leases_taken_before_it(cache: &CacheUnderTest) {
    let [_, _, newest] = three();
    let (slow, write) = (cache.missed(newest.id).await, cache.cache.lease(newest.id));
    cache.cache.forget(newest.id).await;
    cache.cache.fill(slow, Some(newest.clone()));
    assert_eq!(cache.known(newest.id).await, None);
    cache.cache.fill(write, Some(newest.clone()));
    assert_eq!(cache.known(newest.id).await, None);
}

/// Of two writes the one that was done first may come to the cache last: it never wins.
pub async fn a_put_after_the_put_of_a_later_write_is_not_kept(cache: &CacheUnderTest) {
    let [_, second, third] = three();
    let (earlier, later) = (cache.cache.lease(second.id), cache.cache.lease(second.id));
    cache.cache.put(later, third).await;
    cache.cache.put(earlier, second.clone()).await;
    cache.assert_newest_or_nothing(second.id, 3).await;
}

/// Nor does the later write lose what it made to the earlier when both come in order.
pub async fn a_put_after_the_put_of_an_earlier_write_leaves_nothing_older(cache: &CacheUnderTest) {
    let [_, second, third] = three();
    let (earlier, later) = (cache.cache.lease(second.id), cache.cache.lease(second.id));
    cache.cache.put(earlier, second.clone()).await;
    cache.cache.put(later, third).await;
    cache.assert_newest_or_nothing(second.id, 3).await;
}

/// A put whose own user was forgotten since the lease was taken brings nothing back.
pub async fn a_put_after_the_user_was_forgotten_is_not_kept(cache: &CacheUnderTest) {
    let [_, second, _] = three();
    let lease = cache.cache.lease(second.id);
    cache.cache.forget(second.id).await;
    cache.cache.put(lease, second.clone()).await;
    assert_eq!(cache.known(second.id).await, None);
}

/// A lease that is given back leaves no trace: the next reader has one.
pub async fn a_dropped_lease_lets_the_next_reader_have_one(cache: &CacheUnderTest) {
    let [first, ..] = three();
    for _ in 0..3 {
        drop(cache.missed(first.id).await);
    }
    drop(cache.cache.lease(first.id));
    cache.filled(first.id, Some(&first)).await;
    assert_eq!(cache.known(first.id).await, Some(1));
}

/// A write that comes to nothing keeps no reader from filling in.
pub async fn a_write_that_gives_its_lease_back_voids_nothing(cache: &CacheUnderTest) {
    let [first, ..] = three();
    let reader = cache.missed(first.id).await;
    drop(cache.cache.lease(first.id));
    cache.cache.fill(reader, Some(first.clone()));
    assert_eq!(cache.known(first.id).await, Some(1));
}

/// Whoever waits for another reader gets what that reader found, a user or nobody.
pub async fn who_waits_for_another_reader_gets_its_answer(cache: &CacheUnderTest) {
    for exists in [true, false] {
        let [first, ..] = three();
        let found = exists.then(|| first.clone());
        let lease = cache.missed(first.id).await;
        let waiting = [cache.waiting(first.id).await, cache.waiting(first.id).await];
        cache.cache.fill(lease, found.clone());
        for arrival in waiting.into_iter().flatten() {
            assert_eq!(arrived(arrival).await, Some(found.clone()));
        }
    }
}

/// Whoever waits for a reader that gives up is told so, and may look again.
pub async fn who_waits_for_a_reader_that_gives_up_is_told_so(cache: &CacheUnderTest) {
    let [first, ..] = three();
    let lease = cache.missed(first.id).await;
    let waiting = [cache.waiting(first.id).await, cache.waiting(first.id).await];
    drop(lease);
    for arrival in waiting.into_iter().flatten() {
        assert_eq!(arrived(arrival).await, None);
    }
    cache.filled(first.id, Some(&first)).await;
    assert_eq!(cache.known(first.id).await, Some(1));
}

/// Whoever comes after a write does not get the answer of a reader that came before it.
pub async fn who_comes_after_a_write_does_not_wait_for_a_reader_from_before(
    cache: &CacheUnderTest,
) {
    let [first, second, _] = three();
    for is_written_here in [true, false] {
        let slow = cache.missed(first.id).await;
        if is_written_here {
            let write = cache.cache.lease(first.id);
            cache.cache.put(write, second.clone()).await;
        } else {
            cache.cache.notice(&second);
        }
        let later = cache.look(first.id).await;
        cache.cache.fill(slow, Some(first.clone()));
        match later {
            Lookup::Hit(hit) => assert_eq!(super::version(hit.user.as_ref()), 2),
            Lookup::Miss(..) => {}
            Lookup::Coming(arrival) => {
                let answer = arrived(arrival).await;
                assert!(
                    answer.is_none_or(|user| super::version(user.as_ref()) == 2),
                    "the answer of a reader from before the write"
                );
            }
        }
        cache.cache.forget(first.id).await;
    }
}
