use super::*;

#[tokio::test]
async fn a_hit_asks_no_store() {
    let alice = somebody("alice");
    for tier in [Tier::Process, Tier::Shared] {
        for vouched_by in [Voucher::Store, Voucher::Replicas] {
            for user in [Some(alice.clone()), None] {
                let mut cache = MockUserCache::new();
                let known = Hit {
                    user: user.clone(),
                    tier,
                    vouched_by,
                };
                look_up(&mut cache, alice.id, || Lookup::Hit(known));
                let users = reading(MockUserReader::new(), cache);
                let found = users.read(&by_id(&alice), Freshness::Bounded).await;
                let source = Source::Cache(tier, vouched_by);
                assert_eq!(found, read(user.as_ref(), source));
            }
        }
    }
}

#[tokio::test]
async fn a_miss_asks_the_store_once_and_fills_under_its_lease() {
    let alice = somebody("alice");
    for (found, missed) in [
        (Some(&alice), Missed::Unknown),
        (Some(&alice), Missed::Unvouched),
        (None, Missed::Unknown),
        (None, Missed::Unvouched),
    ] {
        let (mut cache, leases) = (MockUserCache::new(), Leases::default());
        let (id, given) = (alice.id, leases.clone());
        look_up(&mut cache, id, move || Lookup::Miss(given.of(id), missed));
        expect_fill(&mut cache, id, found);
        let users = reading(finding(&by_id(&alice), found), cache);
        let answer = users.read(&by_id(&alice), Freshness::Bounded).await;
        assert_eq!(answer, read(found, Source::Store(missed)));
    }
}

#[tokio::test]
async fn a_hint_leads_to_a_user_who_is_believed_to_bear_the_name() {
    let alice = somebody("alice");
    for key in [by_name(&alice), by_older_id(&alice)] {
        let mut cache = hinting(&key, Some(alice.id));
        let known = alice.clone();
        look_up(&mut cache, alice.id, move || hit(Some(&known)));
        let users = reading(MockUserReader::new(), cache);
        let answer = users.read(&key, Freshness::Bounded).await;
        assert_eq!(answer, read(Some(&alice), HIT));
    }
}

#[tokio::test]
async fn a_miss_behind_a_hint_is_sought_by_the_name_and_filled_under_its_lease() {
    let alice = somebody("alice");
    for key in [by_name(&alice), by_older_id(&alice)] {
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
async fn without_a_hint_the_store_is_asked_and_what_it_finds_is_noticed() {
    let alice = somebody("alice");
    for key in [by_name(&alice), by_older_id(&alice)] {
        for found in [Some(&alice), None] {
            let mut cache = hinting(&key, None);
            if let Some(found) = found {
                expect_notice(&mut cache, found);
            }
            let users = reading(finding(&key, found), cache);
            let answer = users.read(&key, Freshness::Bounded).await;
            assert_eq!(answer, read(found, MISSED));
        }
    }
}

#[tokio::test]
async fn a_wrong_hint_leads_to_the_store_which_is_asked_by_the_name() {
    let (former, bearer) = (somebody("former"), somebody("alice"));
    for key in [by_name(&bearer), by_older_id(&bearer)] {
        // Who bore it has another one now, or is gone.
        for known in [Some(&former), None] {
            for found in [Some(&bearer), None] {
                let mut cache = hinting(&key, Some(former.id));
                let known = known.cloned();
                look_up(&mut cache, former.id, move || hit(known.as_ref()));
                if let Some(found) = found {
                    expect_notice(&mut cache, found);
                }
                let users = reading(finding(&key, found), cache);
                let answer = users.read(&key, Freshness::Bounded).await;
                assert_eq!(answer, read(found, MISSED));
            }
        }
    }
}

#[tokio::test]
async fn a_lease_of_another_user_is_given_back_unfilled() {
    let (former, bearer) = (somebody("former"), somebody("alice"));
    let key = by_name(&bearer);
    for found in [Some(&bearer), None] {
        let (mut cache, leases) = (hinting(&key, Some(former.id)), Leases::default());
        let (id, given) = (former.id, leases.clone());
        look_up(&mut cache, id, move || given.miss(id));
        if let Some(found) = found {
            expect_notice(&mut cache, found);
        }
        let users = reading(finding(&key, found), cache);
        let answer = users.read(&key, Freshness::Bounded).await;
        assert_eq!(answer, read(found, MISSED));
        assert_eq!(leases.returned(), 1);
    }
}

#[tokio::test]
async fn addresses_are_not_looked_for_in_the_cache() {
    let alice = somebody("alice");
    for found in [Some(&alice), None] {
        let mut cache = MockUserCache::new();
        if let Some(found) = found {
            expect_notice(&mut cache, found);
        }
        let users = reading(finding(&by_email(&alice), found), cache);
        let answer = users.read(&by_email(&alice), Freshness::Bounded).await;
        assert_eq!(answer, read(found, MISSED));
    }
}

#[tokio::test]
async fn an_arrival_gives_the_other_readers_answer() {
    let alice = somebody("alice");
    for (key, found) in [
        (by_id(&alice), Some(&alice)),
        (by_id(&alice), None),
        (by_name(&alice), Some(&alice)),
    ] {
        let mut cache = hinting(&key, Some(alice.id));
        let other = found.cloned();
        look_up(&mut cache, alice.id, move || coming(other.as_ref()));
        let users = reading(MockUserReader::new(), cache);
        let answer = users.read(&key, Freshness::Bounded).await;
        assert_eq!(answer, read(found, Source::Joined));
    }
}

#[tokio::test]
async fn an_arrival_that_does_not_answer_the_name_leads_to_the_store() {
    let (former, bearer) = (somebody("former"), somebody("alice"));
    let key = by_name(&bearer);
    for other in [Some(&former), None] {
        let mut cache = hinting(&key, Some(former.id));
        let other = other.cloned();
        look_up(&mut cache, former.id, move || coming(other.as_ref()));
        expect_notice(&mut cache, &bearer);
        let users = reading(finding(&key, Some(&bearer)), cache);
        let answer = users.read(&key, Freshness::Bounded).await;
        assert_eq!(answer, read(Some(&bearer), MISSED));
    }
}

#[tokio::test]
async fn after_an_arrival_that_gave_up_the_cache_is_looked_into_again() {
    let alice = somebody("alice");
    let id = alice.id;
    for gave_up in 1..3 {
        let (mut cache, leases) = (MockUserCache::new(), Leases::default());
        cache
            .expect_look_up()
            .times(gave_up)
            .returning(|_| vec![giving_up()]);
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
async fn after_three_arrivals_that_gave_up_the_store_is_asked() {
    let alice = somebody("alice");
    let mut cache = MockUserCache::new();
    cache
        .expect_look_up()
        .times(ARRIVALS_AWAITED)
        .returning(|_| vec![giving_up()]);
    expect_notice(&mut cache, &alice);
    let users = reading(finding(&by_id(&alice), Some(&alice)), cache);
    let answer = users.read(&by_id(&alice), Freshness::Bounded).await;
    assert_eq!(answer, read(Some(&alice), MISSED));
    assert_eq!(ARRIVALS_AWAITED, 3);
}

#[tokio::test]
async fn a_current_read_does_not_look_into_the_cache_but_tells_it() {
    let alice = somebody("alice");
    for key in [
        by_id(&alice),
        by_name(&alice),
        by_older_id(&alice),
        by_email(&alice),
    ] {
        for found in [Some(&alice), None] {
            let mut cache = MockUserCache::new();
            match found {
                Some(found) => expect_notice(&mut cache, found),
                // An absence is one of an id.
                None if key == by_id(&alice) => expect_notice_of_absence(&mut cache, alice.id),
                None => {}
            }
            let users = reading(finding(&key, found), cache);
            let answer = users.read(&key, Freshness::Current).await;
            assert_eq!(answer, read(found, Source::Asked));
        }
    }
}

#[tokio::test]
async fn an_error_of_the_store_is_passed_on_and_its_lease_given_back() {
    let alice = somebody("alice");
    let id = alice.id;
    for freshness in [Freshness::Bounded, Freshness::Current] {
        let (mut cache, leases) = (MockUserCache::new(), Leases::default());
        let given = leases.clone();
        cache
            .expect_look_up()
            .returning(move |_| vec![given.miss(id)]);
        let mut reader = MockUserReader::new();
        reader.expect_find().times(1).returning(|_| Err(away()));
        let users = reading(reader, cache);
        assert_eq!(users.read(&by_id(&alice), freshness).await, Err(away()));
        let is_leased = freshness == Freshness::Bounded;
        assert_eq!(leases.returned(), usize::from(is_leased));
    }
}

#[tokio::test]
async fn a_cache_that_answers_nothing_is_as_good_as_none() {
    let alice = somebody("alice");
    let mut cache = MockUserCache::new();
    cache.expect_look_up().times(1).returning(|_| Vec::new());
    expect_notice(&mut cache, &alice);
    let users = reading(finding(&by_id(&alice), Some(&alice)), cache);
    let answer = users.read(&by_id(&alice), Freshness::Bounded).await;
    assert_eq!(answer, read(Some(&alice), MISSED));
}

#[tokio::test]
async fn the_port_reads_as_the_cache_promises() {
    let alice = somebody("alice");
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
fn a_lease_tells_whose_it_is_and_gives_its_slip_to_its_own_cache_only() {
    let id = user_id();
    assert_eq!(Lease::new(id, 7_u8).into_slip::<u8>(), Some(7));
    assert_eq!(Lease::new(id, 7_u8).into_slip::<i8>(), None);
    assert_eq!(Lease::new(id, ()).id(), id);
    let shown = format!(
        "{:?}",
        Lookup::Miss(Lease::new(id, "slip"), Missed::Unknown)
    );
    assert!(shown.contains(&format!("{id:?}")) && !shown.contains("slip"));
    assert_eq!(format!("{:?}", giving_up()), "Coming");
    assert!(format!("{:?}", hit(None)).starts_with("Hit"));
}
