//! Hints, and what there is room for.

use user_domain::user::{Edit, MetadataEdit};

use super::*;

#[test]
fn names_and_older_ids_lead_to_who_bore_them_last() {
    let tier = tier();
    let mut new = samples::new_user("alice");
    new.rest.external_id = Edit::Set(samples::external_id("4711"));
    let first = samples::registered(&new, &samples::context()).user;
    let second = samples::registered(&new, &samples::context()).user;
    let name = UserKey::Username(UsernameKey::from(&first.username));
    let older_id = UserKey::ExternalId(samples::external_id("4711"));
    assert_eq!(tier.hint(&name), None);
    for user in [first, second] {
        let user = Arc::new(user);
        tier.fill(tier.lease(user.id), Some(&user));
        assert_eq!(tier.hint(&name), Some(user.id));
        assert_eq!(tier.hint(&older_id), Some(user.id));
    }
    assert_eq!(
        tier.hint(&UserKey::ExternalId(samples::external_id("4712"))),
        None
    );
}

#[test]
fn more_than_there_is_room_for_is_not_kept() {
    let tier = tier_of(1 << 20);
    for _ in 0..5_000 {
        let user = at(&samples::user("bob"), 1);
        tier.fill(tier.lease(user.id), Some(&user));
    }
    tier.entries.run_pending_tasks();
    assert!((1..=512).contains(&tier.len()), "{}", tier.len());
}

#[test]
fn a_user_weighs_what_its_texts_take() {
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
