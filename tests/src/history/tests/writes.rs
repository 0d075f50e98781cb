//! Lost, refused, doubled and failed writes, and torn versions.

use super::{
    assert_only, done, failed, history, keeps, sets, two_versions, unavailable, unknown, user,
};
use crate::history::{FailuresAllowed, Outcome, Seen};

#[test]
fn an_acknowledged_write_missing_in_the_final_state_is_lost() {
    let without_its_mark = two_versions().last(user(2, "b")).verdict();
    assert_only(&without_its_mark, &without_its_mark.lost_writes);
    assert_eq!(without_its_mark.lost_writes[0].mark, "a");
    let without_its_version = two_versions().last(user(1, "a")).verdict();
    assert_only(&without_its_version, &without_its_version.lost_writes);
    assert_eq!(without_its_version.lost_writes[0].version, 2);
    let without_its_user = two_versions().last(Seen::Absent).verdict();
    assert_eq!(without_its_user.lost_writes.len(), 2);
}

#[test]
fn an_acknowledged_write_missing_in_a_later_version_is_lost() {
    let verdict = two_versions()
        .write(1, [130, 140], keeps("c"), done(3))
        .read(1, 0, [300, 310], user(3, "a c"))
        .last(user(3, "a c"))
        .verdict();
    assert_only(&verdict, &verdict.lost_writes);
    assert_eq!(verdict.lost_writes[0].mark, "b");
}

#[test]
fn a_set_mark_must_be_in_its_own_version_and_may_be_replaced_later() {
    let history =
        history()
            .write(0, [10, 20], sets("a"), done(1))
            .write(0, [30, 40], sets("b"), done(2));
    let history = history.last(user(2, "b"));
    history.assert_valid();
    let verdict = history.read(1, 0, [25, 26], user(1, "z")).verdict();
    assert_only(&verdict, &verdict.lost_writes);
}

#[test]
fn an_unknown_write_must_not_vanish_after_it_was_seen() {
    let history = two_versions().write(1, [130, 140], keeps("c"), unknown());
    history.assert_valid();
    let history =
        history
            .read(1, 0, [150, 160], user(3, "a b c"))
            .write(0, [170, 180], keeps("d"), done(4));
    history.assert_valid();
    let verdict = history
        .last(user(4, "a b d"))
        .allowing(FailuresAllowed::Always);
    assert_only(&verdict, &verdict.lost_writes);
    assert_eq!(verdict.lost_writes[0].mark, "c");
}

#[test]
fn a_retried_write_that_is_lost_is_counted_once() {
    let verdict = two_versions()
        .write(1, [130, 140], keeps("c"), unknown())
        .write(0, [150, 160], keeps("c"), done(3))
        .read(1, 0, [161, 162], user(3, "a b c"))
        .write(0, [170, 180], keeps("d"), done(4))
        .last(user(4, "a b d"))
        .allowing(FailuresAllowed::Always);
    assert_only(&verdict, &verdict.lost_writes);
}

#[test]
fn a_refused_write_must_not_be_seen() {
    for outcome in [Outcome::Refused, unavailable()] {
        let history = two_versions().write(0, [130, 140], keeps("c"), outcome);
        history.assert_valid();
        let history = history.read(1, 0, [150, 151], user(3, "a b c"));
        let verdict = history.allowing(FailuresAllowed::Always);
        assert_only(&verdict, &verdict.visible_refusals);
        let refusal = &verdict.visible_refusals[0];
        assert_eq!((refusal.mark.as_str(), refusal.version), ("c", 3));
        history
            .write(0, [160, 170], keeps("c"), done(3))
            .assert_valid();
    }
}

#[test]
fn each_write_creates_exactly_one_version() {
    let history = two_versions().write(1, [130, 140], keeps("b"), done(2));
    history.assert_valid();
    let two_in_one = two_versions()
        .write(1, [130, 140], keeps("c"), done(2))
        .verdict();
    assert_only(&two_in_one, &two_in_one.doubled_writes);
    let one_in_two = history.write(1, [150, 160], keeps("b"), done(3)).verdict();
    assert_only(&one_in_two, &one_in_two.doubled_writes);
}

#[test]
fn a_version_has_one_state_without_marks_of_later_versions() {
    let ahead = two_versions()
        .read(1, 0, [110, 111], user(1, "a b"))
        .verdict();
    assert_only(&ahead, &ahead.torn_reads);
    let history = two_versions().write(1, [130, 140], sets("c"), unknown());
    let differing = history
        .read(1, 0, [150, 151], user(3, "a b c"))
        .read(2, 0, [150, 151], user(3, "a b"))
        .allowing(FailuresAllowed::Always);
    assert_only(&differing, &differing.torn_reads);
}

#[test]
fn a_failed_request_is_a_violation_unless_it_is_allowed() {
    let failures = [
        two_versions().read(1, 0, [200, 210], failed()),
        two_versions().write(0, [200, 210], keeps("c"), unavailable()),
        two_versions().write(0, [200, 210], keeps("c"), unknown()),
    ];
    for history in failures {
        let verdict = history.verdict();
        assert_only(&verdict, &verdict.failed_requests);
        history.assert_valid();
        let verdict = history.allowing(FailuresAllowed::InFaultPeriods);
        assert_only(&verdict, &verdict.failed_requests);
        let history = history.fault([205, 206], "no database");
        let verdict = history.allowing(FailuresAllowed::InFaultPeriods);
        verdict.assert_clean();
        assert_eq!(verdict.counts.allowed_failures, 1);
        assert!(!history.verdict().is_clean());
    }
    let refused = two_versions().write(0, [200, 210], keeps("c"), Outcome::Refused);
    refused.verdict().assert_clean();
}

#[test]
fn a_replayed_write_is_included_in_its_version_and_creates_none() {
    let history = two_versions()
        .write(1, [130, 140], keeps("c"), unknown())
        .write(0, [142, 144], keeps("d"), done(4))
        .write(1, [150, 160], keeps("c"), Outcome::Replayed { version: 4 });
    let history = history.read(1, 1, [161, 162], user(4, "a b c d"));
    let verdict = history.allowing(FailuresAllowed::Always);
    verdict.assert_clean();
    let lost = two_versions()
        .write(1, [150, 160], keeps("c"), Outcome::Replayed { version: 3 })
        .read(1, 1, [161, 162], user(4, "a b d"))
        .verdict();
    assert_only(&lost, &lost.lost_writes);
    let stale = two_versions()
        .write(1, [150, 160], sets("c"), Outcome::Replayed { version: 3 })
        .read(1, 1, [161, 162], user(2, "a b"))
        .verdict();
    assert_only(&stale, &stale.stale_on_own_replica);
}
