use super::*;
use crate::ports::UserKeys;

fn unavailable<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("away".to_owned()))
}

/// Returns a store that is unavailable.
fn away() -> MockUserReader {
    let mut reader = MockUserReader::new();
    reader.expect_find().returning(|_| unavailable());
    reader.expect_find_many().returning(|_| unavailable());
    reader
}

/// Returns a standby that has this user.
fn standby(user: &Arc<User>) -> Arc<dyn UserReader> {
    let (one, many) = (user.clone(), user.clone());
    let mut reader = MockUserReader::new();
    reader
        .expect_find()
        .returning(move |_| Ok(Some(one.clone())));
    reader
        .expect_find_many()
        .returning(move |_| Ok(vec![Some(many.clone())]));
    Arc::new(reader)
}

/// Returns a cache without the user, which refuses to be filled: mocks fail on unexpected calls.
fn missing(id: UserId) -> (MockUserCache, Leases) {
    let (mut cache, leases) = (MockUserCache::new(), Leases::default());
    let given = leases.clone();
    look_up(&mut cache, id, move || given.miss(id));
    (cache, leases)
}

#[tokio::test]
async fn a_standby_answers_a_miss_of_an_unavailable_store_and_fills_no_cache() {
    let alice = sample_user("alice");
    let (cache, _leases) = missing(alice.id);
    let users = reading(away(), cache).with_standby(Some(standby(&alice)));
    let answer = users.read(&by_id(&alice), Freshness::Bounded).await;
    assert_eq!(answer, read(Some(&alice), Source::Standby));
    let (cache, _leases) = missing(alice.id);
    let users = reading(away(), cache).with_standby(Some(standby(&alice)));
    let keys = UserKeys::Ids(vec![alice.id]);
    let answer = users.read_many(&keys, Freshness::Bounded).await.unwrap();
    assert_eq!(Ok(answer[0].clone()), read(Some(&alice), Source::Standby));
}

#[tokio::test]
async fn a_standby_answers_nothing_that_must_be_current() {
    let alice = sample_user("alice");
    let users = reading(away(), MockUserCache::new()).with_standby(Some(standby(&alice)));
    let answer = users.read(&by_id(&alice), Freshness::Current).await;
    assert_eq!(answer, unavailable());
    let keys = UserKeys::Ids(vec![alice.id]);
    let answer = users.read_many(&keys, Freshness::Current).await;
    assert_eq!(answer, unavailable());
}

#[tokio::test]
async fn a_standby_does_not_hide_a_failure_of_the_store() {
    let alice = sample_user("alice");
    let (cache, _leases) = missing(alice.id);
    let mut broken = MockUserReader::new();
    let failure = || StoreError::Internal("broken".to_owned());
    broken.expect_find().returning(move |_| Err(failure()));
    let users = reading(broken, cache).with_standby(Some(standby(&alice)));
    let answer = users.read(&by_id(&alice), Freshness::Bounded).await;
    assert_eq!(answer, Err(failure()));
}

#[tokio::test]
async fn the_blocks_of_a_user_on_a_standby_are_not_known() {
    let alice = sample_user("alice");
    let read = |source| Reading {
        user: Some(alice.clone()),
        source,
    };
    let key = by_id(&alice);
    let known = read(Source::Coalesced);
    assert_eq!(known.requested(&key), Some((alice.id, Some(&*alice))));
    let unknown = read(Source::Standby);
    assert_eq!(unknown.requested(&key), Some((alice.id, None)));
}
