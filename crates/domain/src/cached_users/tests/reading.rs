use super::*;

#[tokio::test]
async fn a_hit_makes_no_query() {
    let alice = sample_user("alice");
    for tier in [Tier::Process, Tier::Shared] {
        for freshness_source in [FreshnessSource::Store, FreshnessSource::Replicas] {
            for user in [Some(alice.clone()), None] {
                let mut cache = MockUserCache::new();
                let known = Hit {
                    user: user.clone(),
                    tier,
                    freshness_source,
                };
                look_up(&mut cache, alice.id, || Lookup::Hit(known));
                let users = reading(MockUserReader::new(), cache);
                let found = users.read(&by_id(&alice), Freshness::Bounded).await;
                let source = Source::Cache(tier, freshness_source);
                assert_eq!(found, read(user.as_ref(), source));
            }
        }
    }
}

#[tokio::test]
async fn a_miss_makes_one_query_and_fills_under_its_lease() {
    let alice = sample_user("alice");
    for (found, reason) in [
        (Some(&alice), MissReason::Unknown),
        (Some(&alice), MissReason::Stale),
        (None, MissReason::Unknown),
        (None, MissReason::Stale),
    ] {
        let (mut cache, leases) = (MockUserCache::new(), Leases::default());
        let (id, given) = (alice.id, leases.clone());
        look_up(&mut cache, id, move || Lookup::Miss(given.of(id), reason));
        expect_fill(&mut cache, id, found);
        let users = reading(finding(&by_id(&alice), found), cache);
        let answer = users.read(&by_id(&alice), Freshness::Bounded).await;
        assert_eq!(answer, read(found, Source::Store(reason)));
    }
}

#[tokio::test]
async fn a_hint_finds_the_cached_user_with_the_name() {
    let alice = sample_user("alice");
    for key in [by_name(&alice), by_external_id(&alice)] {
        let mut cache = hinting(&key, Some(alice.id));
        let known = alice.clone();
        look_up(&mut cache, alice.id, move || hit(Some(&known)));
        let users = reading(MockUserReader::new(), cache);
        let answer = users.read(&key, Freshness::Bounded).await;
        assert_eq!(answer, read(Some(&alice), HIT));
    }
}

#[tokio::test]
async fn a_miss_after_a_hint_is_read_by_name_and_filled_under_its_lease() {
    let alice = sample_user("alice");
    for key in [by_name(&alice), by_external_id(&alice)] {
        let (mut cache, leases) = (hinting(&key, Some(alice.id)), Leases::default());
        let id = alice.id;
        look_up(&mut cache, id, move || leases.miss(id));
        expect_fill(&mut cache, id, Some(&alice));
        let users = reading(finding(&key, Some(&alice)), cache);
        let answer = users.read(&key, Freshness::Bounded).await;
        assert_eq!(answer, read(Some(&alice), MISSED));
    }
}

#[tokio::test]
async fn without_a_hint_the_store_is_read_and_the_cache_updated() {
    let alice = sample_user("alice");
    for key in [by_name(&alice), by_external_id(&alice)] {
        for found in [Some(&alice), None] {
            let mut cache = hinting(&key, None);
            if let Some(found) = found {
                expect_observe(&mut cache, found);
            }
            let users = reading(finding(&key, found), cache);
            let answer = users.read(&key, Freshness::Bounded).await;
            assert_eq!(answer, read(found, MISSED));
        }
    }
}

#[tokio::test]
async fn after_a_wrong_hint_the_store_is_read_by_name() {
    let (former, owner) = (sample_user("former"), sample_user("alice"));
    for key in [by_name(&owner), by_external_id(&owner)] {
        // The former owner has another name now, or was erased.
        for known in [Some(&former), None] {
            for found in [Some(&owner), None] {
                let mut cache = hinting(&key, Some(former.id));
                let known = known.cloned();
                look_up(&mut cache, former.id, move || hit(known.as_ref()));
                if let Some(found) = found {
                    expect_observe(&mut cache, found);
                }
                let users = reading(finding(&key, found), cache);
                let answer = users.read(&key, Freshness::Bounded).await;
                assert_eq!(answer, read(found, MISSED));
            }
        }
    }
}

#[tokio::test]
async fn a_lease_of_another_user_is_returned_unfilled() {
    let (former, owner) = (sample_user("former"), sample_user("alice"));
    let key = by_name(&owner);
    for found in [Some(&owner), None] {
        let (mut cache, leases) = (hinting(&key, Some(former.id)), Leases::default());
        let (id, given) = (former.id, leases.clone());
        look_up(&mut cache, id, move || given.miss(id));
        if let Some(found) = found {
            expect_observe(&mut cache, found);
        }
        let users = reading(finding(&key, found), cache);
        let answer = users.read(&key, Freshness::Bounded).await;
        assert_eq!(answer, read(found, MISSED));
        assert_eq!(leases.returned(), 1);
    }
}

#[tokio::test]
async fn emails_are_not_looked_up_in_the_cache() {
    let alice = sample_user("alice");
    for found in [Some(&alice), None] {
        let mut cache = MockUserCache::new();
        if let Some(found) = found {
            expect_observe(&mut cache, found);
        }
        let users = reading(finding(&by_email(&alice), found), cache);
        let answer = users.read(&by_email(&alice), Freshness::Bounded).await;
        assert_eq!(answer, read(found, MISSED));
    }
}

#[tokio::test]
async fn an_in_flight_read_returns_the_other_readers_answer() {
    let alice = sample_user("alice");
    for (key, found) in [
        (by_id(&alice), Some(&alice)),
        (by_id(&alice), None),
        (by_name(&alice), Some(&alice)),
    ] {
        let mut cache = hinting(&key, Some(alice.id));
        let other = found.cloned();
        look_up(&mut cache, alice.id, move || in_flight(other.as_ref()));
        let users = reading(MockUserReader::new(), cache);
        let answer = users.read(&key, Freshness::Bounded).await;
        assert_eq!(answer, read(found, Source::Coalesced));
    }
}

#[tokio::test]
async fn an_in_flight_read_of_another_name_is_followed_by_a_store_read() {
    let (former, owner) = (sample_user("former"), sample_user("alice"));
    let key = by_name(&owner);
    for other in [Some(&former), None] {
        let mut cache = hinting(&key, Some(former.id));
        let other = other.cloned();
        look_up(&mut cache, former.id, move || in_flight(other.as_ref()));
        expect_observe(&mut cache, &owner);
        let users = reading(finding(&key, Some(&owner)), cache);
        let answer = users.read(&key, Freshness::Bounded).await;
        assert_eq!(answer, read(Some(&owner), MISSED));
    }
}

#[tokio::test]
async fn after_an_abandoned_in_flight_read_the_cache_is_looked_up_again() {
    let alice = sample_user("alice");
    let id = alice.id;
    for abandoned_reads in 1..3 {
        let (mut cache, leases) = (MockUserCache::new(), Leases::default());
        cache
            .expect_look_up()
            .times(abandoned_reads)
            .returning(|_| vec![abandoned()]);
        cache
            .expect_look_up()
            .times(1)
            .returning(move |_| vec![leases.miss(id)]);
        expect_fill(&mut cache, id, Some(&alice));
        let users = reading(finding(&by_id(&alice), Some(&alice)), cache);
        let answer = users.read(&by_id(&alice), Freshness::Bounded).await;
        assert_eq!(answer, read(Some(&alice), MISSED));
    }
}

#[tokio::test]
async fn after_three_abandoned_in_flight_reads_the_store_is_read() {
    let alice = sample_user("alice");
    let mut cache = MockUserCache::new();
    cache
        .expect_look_up()
        .times(MAX_IN_FLIGHT_WAITS)
        .returning(|_| vec![abandoned()]);
    expect_observe(&mut cache, &alice);
    let users = reading(finding(&by_id(&alice), Some(&alice)), cache);
    let answer = users.read(&by_id(&alice), Freshness::Bounded).await;
    assert_eq!(answer, read(Some(&alice), MISSED));
    assert_eq!(MAX_IN_FLIGHT_WAITS, 3);
}

#[tokio::test]
async fn a_current_read_bypasses_the_cache_but_updates_it() {
    let alice = sample_user("alice");
    for key in [
        by_id(&alice),
        by_name(&alice),
        by_external_id(&alice),
        by_email(&alice),
    ] {
        for found in [Some(&alice), None] {
            let mut cache = MockUserCache::new();
            match found {
                Some(found) => expect_observe(&mut cache, found),
                // An absence is recorded for ids only.
                None if key == by_id(&alice) => expect_observed_absence(&mut cache, alice.id),
                None => {}
            }
            let users = reading(finding(&key, found), cache);
            let answer = users.read(&key, Freshness::Current).await;
            assert_eq!(answer, read(found, Source::Bypassed));
        }
    }
}

#[tokio::test]
async fn a_store_error_is_returned_and_its_lease_is_returned() {
    let alice = sample_user("alice");
    let id = alice.id;
    for freshness in [Freshness::Bounded, Freshness::Current] {
        let (mut cache, leases) = (MockUserCache::new(), Leases::default());
        let given = leases.clone();
        cache
            .expect_look_up()
            .returning(move |_| vec![given.miss(id)]);
        let mut reader = MockUserReader::new();
        reader
            .expect_find()
            .times(1)
            .returning(|_| Err(unavailable()));
        let users = reading(reader, cache);
        assert_eq!(
            users.read(&by_id(&alice), freshness).await,
            Err(unavailable())
        );
        let is_leased = freshness == Freshness::Bounded;
        assert_eq!(leases.returned(), usize::from(is_leased));
    }
}

#[tokio::test]
async fn without_an_answer_of_the_cache_the_store_is_read() {
    let alice = sample_user("alice");
    let mut cache = MockUserCache::new();
    cache.expect_look_up().times(1).returning(|_| Vec::new());
    expect_observe(&mut cache, &alice);
    let users = reading(finding(&by_id(&alice), Some(&alice)), cache);
    let answer = users.read(&by_id(&alice), Freshness::Bounded).await;
    assert_eq!(answer, read(Some(&alice), MISSED));
}

#[tokio::test]
async fn the_reader_port_reads_through_the_cache() {
    let alice = sample_user("alice");
    let mut cache = MockUserCache::new();
    let known = alice.clone();
    cache
        .expect_look_up()
        .times(2)
        .returning(move |_| vec![hit(Some(&known))]);
    let users: Arc<dyn UserReader> = Arc::new(reading(MockUserReader::new(), cache));
    assert_eq!(users.find(&by_id(&alice)).await, Ok(Some(alice.clone())));
    let many = users.find_many(&UserKeys::Ids(vec![alice.id])).await;
    assert_eq!(many, Ok(vec![Some(alice)]));
}

#[test]
fn a_lease_has_its_user_and_returns_its_token_to_its_own_cache_only() {
    let id = user_id();
    assert_eq!(Lease::new(id, 7_u8).into_token::<u8>(), Some(7));
    assert_eq!(Lease::new(id, 7_u8).into_token::<i8>(), None);
    assert_eq!(Lease::new(id, ()).id(), id);
    let shown = format!(
        "{:?}",
        Lookup::Miss(Lease::new(id, "token"), MissReason::Unknown)
    );
    assert!(shown.contains(&format!("{id:?}")) && !shown.contains("token"));
    assert_eq!(format!("{:?}", abandoned()), "InFlight");
    assert!(format!("{:?}", hit(None)).starts_with("Hit"));
}
