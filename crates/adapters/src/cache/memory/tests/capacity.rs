//! Hints, capacity and lifetimes.

use std::thread;

use user_domain::user::{Edit, MetadataEdit};

use super::*;

#[test]
fn usernames_and_external_ids_lead_to_their_last_user() {
    let tier = tier();
    let mut new = samples::new_user("alice");
    new.rest.external_id = Edit::Set(samples::external_id("4711"));
    let first = samples::registered(&new, &samples::context()).user;
    let second = samples::registered(&new, &samples::context()).user;
    let name = UserKey::Username(UsernameKey::from(&first.username));
    let external_id = UserKey::ExternalId(samples::external_id("4711"));
    assert_eq!(tier.hint(&name), None);
    for user in [first, second] {
        let user = Arc::new(user);
        tier.fill(tier.lease(user.id), Some(&user));
        assert_eq!(tier.hint(&name), Some(user.id));
        assert_eq!(tier.hint(&external_id), Some(user.id));
    }
    assert_eq!(
        tier.hint(&UserKey::ExternalId(samples::external_id("4712"))),
        None
    );
}

/// Entries and hints of an erased user are kept no longer than this.
#[test]
fn entries_and_hints_have_a_time_to_live() {
    let tier = tier();
    assert_eq!(tier.entries.policy().time_to_live(), Some(ENTRY_TTL));
    assert_eq!(tier.hints.policy().time_to_live(), Some(HINT_TTL));
    assert!(
        HINT_TTL >= 2 * ENTRY_TTL,
        "hints outlive the entries that renew them"
    );
}

#[test]
fn the_hints_of_a_removed_user_are_removed() {
    let tier = tier();
    let mut new = samples::new_user("alice");
    new.rest.external_id = Edit::Set(samples::external_id("4711"));
    let alice = Arc::new(samples::registered(&new, &samples::context()).user);
    let bob = Arc::new(samples::user("bob"));
    for user in [&alice, &bob] {
        tier.fill(tier.lease(user.id), Some(user));
    }
    tier.remove_hints(alice.id);
    let keys = |user: &User| hint_keys(user).collect::<Vec<_>>();
    assert!(keys(&alice).iter().all(|key| tier.hint(key).is_none()));
    assert!(keys(&bob).iter().all(|key| tier.hint(key) == Some(bob.id)));
    assert_eq!(keys(&alice).len(), 2);
    // The memory of removed entries is freed too, once no other thread is reading any cache of the process: these
    // share one collector.
    tier.invalidate(alice.id, i64::MAX);
    let deadline = Instant::now() + Duration::from_mins(1);
    while Arc::strong_count(&alice) > 1 {
        assert!(Instant::now() < deadline, "the user is still in memory");
        tier.sweep();
        thread::yield_now();
    }
}

#[test]
fn the_tier_stays_within_its_capacity() {
    let tier = tier_of(1 << 20);
    for _ in 0..5_000 {
        let user = at(&samples::user("bob"), 1);
        tier.fill(tier.lease(user.id), Some(&user));
    }
    tier.entries.run_pending_tasks();
    assert!((1..=512).contains(&tier.len()), "{}", tier.len());
}

#[test]
fn the_weight_of_a_user_grows_with_its_texts() {
    let light = at(&samples::user("alice"), 1);
    let mut new = samples::new_user("bob");
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(10_000));
    new.rest.metadata.private = MetadataEdit::Set(samples::metadata(&long));
    let heavy = samples::registered(&new, &samples::context()).user;
    let weight = |user: &Arc<User>| {
        weight(&Entry {
            user: Some(user.clone()),
            generation: 0,
        })
    };
    assert!(weight(&Arc::new(heavy)) >= weight(&light) + 40_000);
}
