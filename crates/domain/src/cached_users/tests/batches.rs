use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::*;

/// Expects one look for these users.
fn expect_look_up(cache: &mut MockUserCache, ids: Vec<UserId>, answers: Vec<Lookup>) {
    cache
        .expect_look_up()
        .withf(move |asked| asked == ids)
        .times(1)
        .return_once(|_| answers);
}

/// Expects one question to the store.
fn expect_question(reader: &mut MockUserReader, keys: UserKeys, found: Vec<Option<Arc<User>>>) {
    reader
        .expect_find_many()
        .withf(move |asked| *asked == keys)
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
async fn the_cache_is_looked_into_once_and_the_store_asked_once_for_what_is_missing() {
    let [alice, bob] = ["alice", "bob"].map(somebody);
    let (a, b, nobody) = (alice.id, bob.id, user_id());
    let (mut cache, mut reader, leases) = (
        MockUserCache::new(),
        MockUserReader::new(),
        Leases::default(),
    );
    let answers = vec![leases.miss(b), hit(Some(&alice)), leases.miss(nobody)];
    expect_look_up(&mut cache, vec![b, a, nobody], answers);
    expect_question(
        &mut reader,
        UserKeys::Ids(vec![b, b, nobody]),
        vec![Some(bob.clone()), Some(bob.clone()), None],
    );
    expect_fill(&mut cache, b, Some(&bob));
    expect_fill(&mut cache, nobody, None);
    let keys = UserKeys::Ids(vec![b, a, b, nobody, a]);
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
async fn a_batch_of_hits_asks_no_store_and_an_empty_one_nobody() {
    let alice = somebody("alice");
    let (a, nobody) = (alice.id, user_id());
    let mut cache = MockUserCache::new();
    expect_look_up(
        &mut cache,
        vec![a, nobody],
        vec![hit(Some(&alice)), hit(None)],
    );
    let users = reading(MockUserReader::new(), cache);
    let keys = UserKeys::Ids(vec![a, nobody]);
    let found = users.read_many(&keys, Freshness::Bounded).await;
    assert_eq!(found, readings(&[(Some(&alice), HIT), (None, HIT)]));
    for freshness in [Freshness::Bounded, Freshness::Current] {
        let none = users.read_many(&UserKeys::Ids(Vec::new()), freshness).await;
        assert_eq!(none, Ok(Vec::new()));
    }
}

/// By four names: one whose bearer is known, one that was given up, one whose bearer is not known, one never heard.
#[tokio::test]
async fn names_are_looked_for_by_their_hints_and_the_rest_in_the_store() {
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(somebody);
    let former = somebody("former");
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
            .withf(move |asked| *asked == key)
            .return_const(hint);
    }
    expect_look_up(
        &mut cache,
        vec![alice.id, former.id, carol.id],
        vec![hit(Some(&alice)), hit(Some(&former)), leases.miss(carol.id)],
    );
    expect_question(
        &mut reader,
        names(&[&bob, &carol, &dave]),
        vec![Some(bob.clone()), Some(carol.clone()), None],
    );
    expect_notice(&mut cache, &bob);
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
async fn two_names_that_lead_to_one_user_are_one_look_and_one_of_them_is_right() {
    let (alice, former) = (somebody("alice"), somebody("former"));
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
            let bearer = alice.clone();
            reader.expect_find_many().times(1).returning(move |keys| {
                let find = |key: UserKey| key.names(&bearer).then(|| bearer.clone());
                Ok(keys.each().into_iter().map(find).collect())
            });
            if is_known {
                cache.expect_notice().times(..=1).return_const(());
            } else {
                expect_fill(&mut cache, id, Some(&alice));
            }
            let users = reading(reader, cache);
            let keys = names(&[order[0], order[1]]);
            let found = users.read_many(&keys, Freshness::Bounded).await;
            for (reading, sought) in found.unwrap().into_iter().zip(order) {
                assert_eq!(reading.user.is_some(), sought.id == alice.id);
            }
            assert_eq!(leases.returned(), usize::from(!is_known));
        }
    }
}

#[tokio::test]
async fn a_lease_of_somebody_who_was_not_found_by_the_name_is_given_back_unfilled() {
    let (former, bearer) = (somebody("former"), somebody("alice"));
    for found in [Some(&bearer), None] {
        let (mut cache, mut reader, leases) = (
            hinting(&by_name(&bearer), Some(former.id)),
            MockUserReader::new(),
            Leases::default(),
        );
        let answers = vec![leases.miss(former.id)];
        expect_look_up(&mut cache, vec![former.id], answers);
        expect_question(&mut reader, names(&[&bearer]), vec![found.cloned()]);
        if let Some(found) = found {
            expect_notice(&mut cache, found);
        }
        let answer = reading(reader, cache)
            .read_many(&names(&[&bearer]), Freshness::Bounded)
            .await;
        assert_eq!(answer, readings(&[(found, MISSED)]));
        assert_eq!(leases.returned(), 1);
    }
}

#[tokio::test]
async fn addresses_are_asked_of_the_store_alone_and_each_user_noticed_once() {
    let alice = somebody("alice");
    let (mut cache, mut reader) = (MockUserCache::new(), MockUserReader::new());
    let address = EmailKey::from(&alice.email);
    let keys = UserKeys::Emails(vec![address.clone(), address]);
    expect_question(&mut reader, keys.clone(), vec![Some(alice.clone()); 2]);
    expect_notice(&mut cache, &alice);
    let found = reading(reader, cache)
        .read_many(&keys, Freshness::Bounded)
        .await;
    let expected = (Some(&alice), MISSED);
    assert_eq!(found, readings(&[expected, expected]));
}

/// Two batches that first waited for each other's leases would wait for ever.
#[tokio::test]
async fn arrivals_are_awaited_only_after_the_own_leases_are_filled() {
    let [alice, bob] = ["alice", "bob"].map(somebody);
    let (mut cache, mut reader, leases) = (
        MockUserCache::new(),
        MockUserReader::new(),
        Leases::default(),
    );
    let (filled, arrives) = oneshot::channel::<()>();
    let (other, returned) = (bob.clone(), leases.clone());
    let arrival: Arrival = Box::pin(async move {
        arrives.await.unwrap();
        assert_eq!(returned.returned(), 1, "no lease is in hand");
        Some(Some(other))
    });
    let answers = vec![Lookup::Coming(arrival), leases.miss(alice.id)];
    expect_look_up(&mut cache, vec![bob.id, alice.id], answers);
    expect_question(
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
    .expect("a batch that does not wait for itself");
    let joined = (Some(&bob), Source::Joined);
    assert_eq!(found, readings(&[joined, (Some(&alice), MISSED), joined]));
}

/// A lease that is of no use is not kept while another reader is waited for either.
#[tokio::test]
async fn a_lease_that_was_not_filled_is_given_back_before_arrivals_are_awaited() {
    let [former, bearer, bob] = ["former", "alice", "bob"].map(somebody);
    let (mut cache, mut reader, leases) = (
        MockUserCache::new(),
        MockUserReader::new(),
        Leases::default(),
    );
    cache.expect_hint().times(2).returning({
        let (bearer, former, bob) = (by_name(&bearer), former.id, bob.id);
        move |key| Some(if *key == bearer { former } else { bob })
    });
    let (other, returned) = (bob.clone(), leases.clone());
    let arrival: Arrival = Box::pin(async move {
        assert_eq!(returned.returned(), 1);
        Some(Some(other))
    });
    let answers = vec![leases.miss(former.id), Lookup::Coming(arrival)];
    expect_look_up(&mut cache, vec![former.id, bob.id], answers);
    expect_question(&mut reader, names(&[&bearer]), vec![None]);
    let found = reading(reader, cache)
        .read_many(&names(&[&bearer, &bob]), Freshness::Bounded)
        .await;
    assert_eq!(
        found,
        readings(&[(None, MISSED), (Some(&bob), Source::Joined)])
    );
}

#[tokio::test]
async fn what_did_not_arrive_is_asked_of_the_store_in_one_more_question() {
    let [alice, bob, former] = ["alice", "bob", "former"].map(somebody);
    let (mut cache, mut reader) = (MockUserCache::new(), MockUserReader::new());
    let ids = [
        (by_name(&alice), alice.id),
        (by_name(&bob), former.id),
        (by_name(&former), former.id),
    ];
    cache
        .expect_hint()
        .returning(move |key| ids.iter().find(|(name, _)| name == key).map(|(_, id)| *id));
    // The first gave up; who arrives for the second bears another name.
    let answers = vec![giving_up(), coming(Some(&former))];
    expect_look_up(&mut cache, vec![alice.id, former.id], answers);
    expect_question(
        &mut reader,
        names(&[&alice, &bob]),
        vec![Some(alice.clone()), Some(bob.clone())],
    );
    expect_notice(&mut cache, &alice);
    expect_notice(&mut cache, &bob);
    let found = reading(reader, cache)
        .read_many(&names(&[&alice, &bob]), Freshness::Bounded)
        .await;
    let expected = [(Some(&alice), MISSED), (Some(&bob), MISSED)];
    assert_eq!(found, readings(&expected));
}

#[tokio::test]
async fn a_current_batch_does_not_look_into_the_cache_but_tells_it() {
    let alice = somebody("alice");
    let (mut cache, mut reader) = (MockUserCache::new(), MockUserReader::new());
    let nobody = user_id();
    let keys = UserKeys::Ids(vec![alice.id, nobody]);
    expect_question(&mut reader, keys.clone(), vec![Some(alice.clone()), None]);
    expect_notice(&mut cache, &alice);
    expect_notice_of_absence(&mut cache, nobody);
    let found = reading(reader, cache)
        .read_many(&keys, Freshness::Current)
        .await;
    let expected = [(Some(&alice), Source::Asked), (None, Source::Asked)];
    assert_eq!(found, readings(&expected));
}

#[tokio::test]
async fn a_batch_of_which_something_was_unvouched_says_so() {
    let [alice, bob] = ["alice", "bob"].map(somebody);
    let (mut cache, mut reader, leases) = (
        MockUserCache::new(),
        MockUserReader::new(),
        Leases::default(),
    );
    let answers = vec![
        Lookup::Miss(leases.of(alice.id), Missed::Unvouched),
        leases.miss(bob.id),
    ];
    let keys = UserKeys::Ids(vec![alice.id, bob.id]);
    expect_look_up(&mut cache, vec![alice.id, bob.id], answers);
    let found = vec![Some(alice.clone()), Some(bob.clone())];
    expect_question(&mut reader, keys.clone(), found);
    expect_fill(&mut cache, alice.id, Some(&alice));
    expect_fill(&mut cache, bob.id, Some(&bob));
    let found = reading(reader, cache)
        .read_many(&keys, Freshness::Bounded)
        .await;
    let stale = Source::Store(Missed::Unvouched);
    assert_eq!(
        found,
        readings(&[(Some(&alice), stale), (Some(&bob), stale)])
    );
}

#[tokio::test]
async fn an_error_of_the_store_is_passed_on_and_all_leases_given_back() {
    let [alice, bob] = ["alice", "bob"].map(somebody);
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
        .returning(|_| Err(away()));
    let keys = UserKeys::Ids(vec![alice.id, bob.id]);
    let found = reading(reader, cache)
        .read_many(&keys, Freshness::Bounded)
        .await;
    assert_eq!((found, leases.returned()), (Err(away()), 2));
}

#[tokio::test]
async fn an_error_of_the_store_after_an_arrival_that_gave_up_is_passed_on() {
    let alice = somebody("alice");
    let (mut cache, mut reader) = (MockUserCache::new(), MockUserReader::new());
    expect_look_up(&mut cache, vec![alice.id], vec![giving_up()]);
    reader
        .expect_find_many()
        .times(1)
        .returning(|_| Err(away()));
    let found = reading(reader, cache)
        .read_many(&UserKeys::Ids(vec![alice.id]), Freshness::Bounded)
        .await;
    assert_eq!(found, Err(away()));
}
