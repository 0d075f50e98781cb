use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::*;

/// Expects one lookup of these users.
fn expect_look_up(cache: &mut MockUserCache, ids: Vec<UserId>, answers: Vec<Lookup>) {
    cache
        .expect_look_up()
        .withf(move |requested| requested == ids)
        .times(1)
        .return_once(|_| answers);
}

/// Expects one query of the store.
fn expect_query(reader: &mut MockUserReader, keys: UserKeys, found: Vec<Option<Arc<User>>>) {
    reader
        .expect_find_many()
        .withf(move |requested| *requested == keys)
        .times(1)
        .return_once(|_| Ok(found));
}

fn readings(of: &[(Option<&Arc<User>>, Source)]) -> Result<Vec<Reading>, StoreError> {
    of.iter()
        .map(|(user, source)| read(*user, *source))
        .collect()
}

fn names(users: &[&User]) -> UserKeys {
    let name = |user: &&User| UsernameKey::from(&user.username);
    UserKeys::Usernames(users.iter().map(name).collect())
}

#[tokio::test]
async fn a_batch_makes_one_cache_lookup_and_one_query_for_the_misses() {
    let [alice, bob] = ["alice", "bob"].map(sample_user);
    let (a, b, absent) = (alice.id, bob.id, user_id());
    let (mut cache, mut reader, leases) = (
        MockUserCache::new(),
        MockUserReader::new(),
        Leases::default(),
    );
    let answers = vec![leases.miss(b), hit(Some(&alice)), leases.miss(absent)];
    expect_look_up(&mut cache, vec![b, a, absent], answers);
    expect_query(
        &mut reader,
        UserKeys::Ids(vec![b, b, absent]),
        vec![Some(bob.clone()), Some(bob.clone()), None],
    );
    expect_fill(&mut cache, b, Some(&bob));
    expect_fill(&mut cache, absent, None);
    let keys = UserKeys::Ids(vec![b, a, b, absent, a]);
    let found = reading(reader, cache)
        .read_many(&keys, Freshness::Bounded)
        .await;
    let expected = [
        (Some(&bob), MISSED),
        (Some(&alice), HIT),
        (Some(&bob), MISSED),
        (None, MISSED),
        (Some(&alice), HIT),
    ];
    assert_eq!(found, readings(&expected));
}

#[tokio::test]
async fn a_batch_of_hits_makes_no_query_and_an_empty_one_no_lookup() {
    let alice = sample_user("alice");
    let (a, absent) = (alice.id, user_id());
    let mut cache = MockUserCache::new();
    expect_look_up(
        &mut cache,
        vec![a, absent],
        vec![hit(Some(&alice)), hit(None)],
    );
    let users = reading(MockUserReader::new(), cache);
    let keys = UserKeys::Ids(vec![a, absent]);
    let found = users.read_many(&keys, Freshness::Bounded).await;
    assert_eq!(found, readings(&[(Some(&alice), HIT), (None, HIT)]));
    for freshness in [Freshness::Bounded, Freshness::Current] {
        let none = users.read_many(&UserKeys::Ids(Vec::new()), freshness).await;
        assert_eq!(none, Ok(Vec::new()));
    }
}

/// Four names: one of a cached user, one that its hinted user has released, one of a user that is not cached, and one
/// without a hint.
#[tokio::test]
async fn names_are_looked_up_by_their_hints_and_otherwise_in_the_store() {
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(sample_user);
    let former = sample_user("former");
    let (mut cache, mut reader, leases) = (
        MockUserCache::new(),
        MockUserReader::new(),
        Leases::default(),
    );
    for (user, hint) in [
        (&alice, Some(alice.id)),
        (&bob, Some(former.id)),
        (&carol, Some(carol.id)),
        (&dave, None),
    ] {
        let key = by_name(user);
        cache
            .expect_hint()
            .withf(move |requested| *requested == key)
            .return_const(hint);
    }
    expect_look_up(
        &mut cache,
        vec![alice.id, former.id, carol.id],
        vec![hit(Some(&alice)), hit(Some(&former)), leases.miss(carol.id)],
    );
    expect_query(
        &mut reader,
        names(&[&bob, &carol, &dave]),
        vec![Some(bob.clone()), Some(carol.clone()), None],
    );
    expect_observe(&mut cache, &bob);
    expect_fill(&mut cache, carol.id, Some(&carol));
    let found = reading(reader, cache)
        .read_many(&names(&[&alice, &bob, &carol, &dave]), Freshness::Bounded)
        .await;
    let expected = [
        (Some(&alice), HIT),
        (Some(&bob), MISSED),
        (Some(&carol), MISSED),
        (None, MISSED),
    ];
    assert_eq!(found, readings(&expected));
}

#[tokio::test]
async fn two_names_with_hints_to_one_user_make_one_lookup() {
    let (alice, former) = (sample_user("alice"), sample_user("former"));
    for is_known in [true, false] {
        for order in [[&alice, &former], [&former, &alice]] {
            let (mut cache, mut reader, leases) = (
                MockUserCache::new(),
                MockUserReader::new(),
                Leases::default(),
            );
            cache.expect_hint().return_const(Some(alice.id));
            let answer = if is_known {
                hit(Some(&alice))
            } else {
                leases.miss(alice.id)
            };
            expect_look_up(&mut cache, vec![alice.id], vec![answer]);
            let id = alice.id;
            let owner = alice.clone();
            reader.expect_find_many().times(1).returning(move |keys| {
                let find = |key: UserKey| key.identifies(&owner).then(|| owner.clone());
                Ok(keys.each().into_iter().map(find).collect())
            });
            if is_known {
                cache.expect_observe().times(..=1).return_const(());
            } else {
                expect_fill(&mut cache, id, Some(&alice));
            }
            let users = reading(reader, cache);
            let keys = names(&[order[0], order[1]]);
            let found = users.read_many(&keys, Freshness::Bounded).await;
            for (reading, requested) in found.unwrap().into_iter().zip(order) {
                assert_eq!(reading.user.is_some(), requested.id == alice.id);
            }
            assert_eq!(leases.returned(), usize::from(!is_known));
        }
    }
}

#[tokio::test]
async fn a_lease_of_a_user_that_the_name_does_not_find_is_returned_unfilled() {
    let (former, owner) = (sample_user("former"), sample_user("alice"));
    for found in [Some(&owner), None] {
        let (mut cache, mut reader, leases) = (
            hinting(&by_name(&owner), Some(former.id)),
            MockUserReader::new(),
            Leases::default(),
        );
        let answers = vec![leases.miss(former.id)];
        expect_look_up(&mut cache, vec![former.id], answers);
        expect_query(&mut reader, names(&[&owner]), vec![found.cloned()]);
        if let Some(found) = found {
            expect_observe(&mut cache, found);
        }
        let answer = reading(reader, cache)
            .read_many(&names(&[&owner]), Freshness::Bounded)
            .await;
        assert_eq!(answer, readings(&[(found, MISSED)]));
        assert_eq!(leases.returned(), 1);
    }
}

#[tokio::test]
async fn emails_are_read_from_the_store_and_each_user_is_reported_once() {
    let alice = sample_user("alice");
    let (mut cache, mut reader) = (MockUserCache::new(), MockUserReader::new());
    let address = EmailKey::from(&alice.email);
    let keys = UserKeys::Emails(vec![address.clone(), address]);
    expect_query(&mut reader, keys.clone(), vec![Some(alice.clone()); 2]);
    expect_observe(&mut cache, &alice);
    let found = reading(reader, cache)
        .read_many(&keys, Freshness::Bounded)
        .await;
    let expected = (Some(&alice), MISSED);
    assert_eq!(found, readings(&[expected, expected]));
}

/// Two batches that wait for each other's leases first would deadlock.
#[tokio::test]
async fn in_flight_reads_are_awaited_after_the_batch_has_filled_its_own_leases() {
    let [alice, bob] = ["alice", "bob"].map(sample_user);
    let (mut cache, mut reader, leases) = (
        MockUserCache::new(),
        MockUserReader::new(),
        Leases::default(),
    );
    let (filled, arrives) = oneshot::channel::<()>();
    let (other, returned) = (bob.clone(), leases.clone());
    let other_read: InFlight = Box::pin(async move {
        arrives.await.unwrap();
        assert_eq!(returned.returned(), 1, "the lease is returned");
        Some(Some(other))
    });
    let answers = vec![Lookup::InFlight(other_read), leases.miss(alice.id)];
    expect_look_up(&mut cache, vec![bob.id, alice.id], answers);
    expect_query(
        &mut reader,
        UserKeys::Ids(vec![alice.id]),
        vec![Some(alice.clone())],
    );
    cache.expect_fill().times(1).return_once(|lease, _| {
        drop(lease);
        filled.send(()).unwrap();
    });
    let users = reading(reader, cache);
    let keys = UserKeys::Ids(vec![bob.id, alice.id, bob.id]);
    let found = timeout(
        Duration::from_secs(5),
        users.read_many(&keys, Freshness::Bounded),
    )
    .await
    .expect("the batch does not deadlock");
    let coalesced = (Some(&bob), Source::Coalesced);
    assert_eq!(
        found,
        readings(&[coalesced, (Some(&alice), MISSED), coalesced])
    );
}

/// An unused lease must not be held while waiting for another reader.
#[tokio::test]
async fn an_unfilled_lease_is_returned_before_in_flight_reads_are_awaited() {
    let [former, owner, bob] = ["former", "alice", "bob"].map(sample_user);
    let (mut cache, mut reader, leases) = (
        MockUserCache::new(),
        MockUserReader::new(),
        Leases::default(),
    );
    cache.expect_hint().times(2).returning({
        let (owner, former, bob) = (by_name(&owner), former.id, bob.id);
        move |key| Some(if *key == owner { former } else { bob })
    });
    let (other, returned) = (bob.clone(), leases.clone());
    let other_read: InFlight = Box::pin(async move {
        assert_eq!(returned.returned(), 1);
        Some(Some(other))
    });
    let answers = vec![leases.miss(former.id), Lookup::InFlight(other_read)];
    expect_look_up(&mut cache, vec![former.id, bob.id], answers);
    expect_query(&mut reader, names(&[&owner]), vec![None]);
    let found = reading(reader, cache)
        .read_many(&names(&[&owner, &bob]), Freshness::Bounded)
        .await;
    assert_eq!(
        found,
        readings(&[(None, MISSED), (Some(&bob), Source::Coalesced)])
    );
}

#[tokio::test]
async fn abandoned_in_flight_reads_are_read_in_one_more_query() {
    let [alice, bob, former] = ["alice", "bob", "former"].map(sample_user);
    let (mut cache, mut reader) = (MockUserCache::new(), MockUserReader::new());
    let ids = [
        (by_name(&alice), alice.id),
        (by_name(&bob), former.id),
        (by_name(&former), former.id),
    ];
    cache
        .expect_hint()
        .returning(move |key| ids.iter().find(|(name, _)| name == key).map(|(_, id)| *id));
    // The first read was abandoned; the second found a user with another name.
    let answers = vec![abandoned(), in_flight(Some(&former))];
    expect_look_up(&mut cache, vec![alice.id, former.id], answers);
    expect_query(
        &mut reader,
        names(&[&alice, &bob]),
        vec![Some(alice.clone()), Some(bob.clone())],
    );
    expect_observe(&mut cache, &alice);
    expect_observe(&mut cache, &bob);
    let found = reading(reader, cache)
        .read_many(&names(&[&alice, &bob]), Freshness::Bounded)
        .await;
    let expected = [(Some(&alice), MISSED), (Some(&bob), MISSED)];
    assert_eq!(found, readings(&expected));
}

#[tokio::test]
async fn a_current_batch_bypasses_the_cache_but_updates_it() {
    let alice = sample_user("alice");
    let (mut cache, mut reader) = (MockUserCache::new(), MockUserReader::new());
    let absent = user_id();
    let keys = UserKeys::Ids(vec![alice.id, absent]);
    expect_query(&mut reader, keys.clone(), vec![Some(alice.clone()), None]);
    expect_observe(&mut cache, &alice);
    expect_observed_absence(&mut cache, absent);
    let found = reading(reader, cache)
        .read_many(&keys, Freshness::Current)
        .await;
    let expected = [(Some(&alice), Source::Bypassed), (None, Source::Bypassed)];
    assert_eq!(found, readings(&expected));
}

#[tokio::test]
async fn a_batch_with_a_stale_miss_has_a_stale_source() {
    let [alice, bob] = ["alice", "bob"].map(sample_user);
    let (mut cache, mut reader, leases) = (
        MockUserCache::new(),
        MockUserReader::new(),
        Leases::default(),
    );
    let answers = vec![
        Lookup::Miss(leases.of(alice.id), MissReason::Stale),
        leases.miss(bob.id),
    ];
    let keys = UserKeys::Ids(vec![alice.id, bob.id]);
    expect_look_up(&mut cache, vec![alice.id, bob.id], answers);
    let found = vec![Some(alice.clone()), Some(bob.clone())];
    expect_query(&mut reader, keys.clone(), found);
    expect_fill(&mut cache, alice.id, Some(&alice));
    expect_fill(&mut cache, bob.id, Some(&bob));
    let found = reading(reader, cache)
        .read_many(&keys, Freshness::Bounded)
        .await;
    let stale = Source::Store(MissReason::Stale);
    assert_eq!(
        found,
        readings(&[(Some(&alice), stale), (Some(&bob), stale)])
    );
}

#[tokio::test]
async fn a_store_error_is_returned_and_all_leases_are_returned() {
    let [alice, bob] = ["alice", "bob"].map(sample_user);
    let (mut cache, mut reader, leases) = (
        MockUserCache::new(),
        MockUserReader::new(),
        Leases::default(),
    );
    let answers = vec![leases.miss(alice.id), leases.miss(bob.id)];
    expect_look_up(&mut cache, vec![alice.id, bob.id], answers);
    reader
        .expect_find_many()
        .times(1)
        .returning(|_| Err(unavailable()));
    let keys = UserKeys::Ids(vec![alice.id, bob.id]);
    let found = reading(reader, cache)
        .read_many(&keys, Freshness::Bounded)
        .await;
    assert_eq!((found, leases.returned()), (Err(unavailable()), 2));
}

#[tokio::test]
async fn a_store_error_after_an_abandoned_in_flight_read_is_returned() {
    let alice = sample_user("alice");
    let (mut cache, mut reader) = (MockUserCache::new(), MockUserReader::new());
    expect_look_up(&mut cache, vec![alice.id], vec![abandoned()]);
    reader
        .expect_find_many()
        .times(1)
        .returning(|_| Err(unavailable()));
    let found = reading(reader, cache)
        .read_many(&UserKeys::Ids(vec![alice.id]), Freshness::Bounded)
        .await;
    assert_eq!(found, Err(unavailable()));
}
