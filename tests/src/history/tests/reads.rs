//! Stale and non-monotonic reads, of present and absent users.

use std::time::Duration;

use super::{assert_only, done, history, keeps, two_versions, unknown, user};
use crate::history::{Change, ERASED, FailuresAllowed, Outcome, Seen};

#[test]
fn reads_that_overlap_a_write_may_see_either_version() {
    two_versions()
        .read(1, 0, [90, 130], user(1, "a"))
        .read(2, 0, [90, 130], user(2, "a b"))
        .read(3, 1, [101, 102], user(2, "a b"))
        .read(4, 0, [103, 104], user(1, "a"))
        .read(5, 0, [119, 300], user(1, "a"))
        .read(6, 0, [120, 121], user(1, "a"))
        .assert_valid();
}

#[test]
fn overlapping_reads_of_one_client_may_see_versions_in_any_order() {
    two_versions()
        .read(1, 0, [100, 115], user(2, "a b"))
        .read(1, 0, [110, 118], user(1, "a"))
        .read(1, 1, [119, 120], user(1, "a"))
        .assert_valid();
}

#[test]
fn a_read_on_the_replica_of_the_writer_must_never_be_stale() {
    let verdict = two_versions()
        .read(1, 0, [121, 122], user(1, "a"))
        .verdict();
    assert_only(&verdict, &verdict.stale_on_own_replica);
    let stale = &verdict.stale_on_own_replica[0];
    assert_eq!(stale.age, Duration::from_millis(1));
    assert_eq!((stale.client, stale.replica, stale.seen), (1, 0, Some(1)));
    assert_eq!(verdict.own_replica.reads, 1);
}

#[test]
fn a_fault_does_not_allow_stale_reads_on_the_replica_of_the_writer() {
    let verdict = two_versions()
        .fault([0, 500], "no Redis")
        .read(1, 0, [121, 122], user(1, "a"))
        .verdict();
    assert_only(&verdict, &verdict.stale_on_own_replica);
}

#[test]
fn a_read_on_another_replica_may_be_stale_up_to_the_limit() {
    let history = two_versions().read(1, 1, [170, 175], user(1, "a"));
    history.assert_valid();
    let verdict = history.read(2, 1, [171, 175], user(1, "a")).verdict();
    assert_only(&verdict, &verdict.stale_elsewhere);
    assert_eq!(verdict.stale_elsewhere[0].age, Duration::from_millis(51));
    assert_eq!(verdict.other_replicas.reads, 2);
    assert_eq!(verdict.other_replicas.ages.len(), 2);
}

#[test]
fn age_counts_from_the_earliest_newer_acknowledgement() {
    let history = two_versions()
        .write(2, [130, 140], keeps("c"), done(3))
        .write(0, [90, 200], keeps("d"), done(4))
        .read(1, 1, [210, 211], user(1, "a"))
        .read(2, 1, [180, 181], user(2, "a b"));
    let verdict = history.verdict();
    assert_only(&verdict, &verdict.stale_elsewhere);
    assert_eq!(verdict.stale_elsewhere[0].age, Duration::from_millis(90));
    assert_eq!(verdict.other_replicas.median(), Duration::from_millis(40));
    assert_eq!(verdict.other_replicas.max(), Duration::from_millis(90));
}

#[test]
fn a_newer_version_may_be_acknowledged_before_an_older_one() {
    let verdict = history()
        .write(0, [10, 20], keeps("a"), done(1))
        .write(0, [100, 150], keeps("b"), done(2))
        .write(0, [101, 120], keeps("c"), done(3))
        .read(1, 1, [171, 175], user(1, "a"))
        .verdict();
    assert_only(&verdict, &verdict.stale_elsewhere);
    assert_eq!(verdict.stale_elsewhere[0].age, Duration::from_millis(51));
}

#[test]
fn the_own_replica_of_a_version_is_only_the_one_that_wrote_it() {
    let verdict = history()
        .write(0, [10, 20], keeps("a"), done(1))
        .write(1, [100, 120], keeps("b"), done(2))
        .read(1, 0, [130, 131], user(1, "a"))
        .verdict();
    verdict.assert_clean();
    assert_eq!(verdict.own_replica.stale(), 0);
    assert_eq!(verdict.other_replicas.max(), Duration::from_millis(10));
}

#[test]
fn reads_up_to_a_second_after_a_fault_have_the_larger_limit() {
    let history =
        two_versions()
            .fault([100, 110], "no Redis")
            .read(1, 1, [1110, 1111], user(1, "a"));
    history.assert_valid();
    let verdict = history.read(1, 1, [1111, 1112], user(1, "a")).verdict();
    assert_only(&verdict, &verdict.stale_elsewhere);
    assert_eq!(verdict.other_replicas_in_faults["no Redis"].stale(), 1);
    assert_eq!(verdict.other_replicas.stale(), 1);

    let verdict = two_versions()
        .fault([100, 2000], "no Redis")
        .read(1, 1, [1120, 1121], user(1, "a"))
        .read(1, 1, [1121, 1122], user(1, "a"))
        .verdict();
    assert_only(&verdict, &verdict.stale_elsewhere);
    let period = verdict.stale_elsewhere[0].period.as_deref();
    assert_eq!(period, Some("no Redis"));
}

#[test]
fn a_read_before_a_fault_has_the_smaller_limit() {
    let verdict = two_versions()
        .fault([180, 200], "no Redis")
        .read(1, 1, [179, 190], user(1, "a"))
        .verdict();
    assert_only(&verdict, &verdict.stale_elsewhere);
}

#[test]
fn reads_of_a_client_at_one_replica_must_be_monotonic() {
    let history = two_versions()
        .read(1, 1, [105, 110], user(2, "a b"))
        .read(1, 1, [110, 111], user(1, "a"))
        .read(1, 2, [112, 113], user(1, "a"))
        .read(2, 1, [112, 113], user(1, "a"));
    history.assert_valid();
    let verdict = history.read(1, 1, [112, 113], user(1, "a")).verdict();
    assert_only(&verdict, &verdict.backward_reads);
    let back = &verdict.backward_reads[0];
    assert_eq!((back.before, back.seen), (2, Some(1)));
}

#[test]
fn a_backward_read_is_found_also_against_a_read_before_the_last() {
    let verdict = two_versions()
        .read(1, 1, [101, 102], user(2, "a b"))
        .read(1, 1, [90, 110], user(1, "a"))
        .read(1, 1, [111, 112], user(1, "a"))
        .verdict();
    assert_only(&verdict, &verdict.backward_reads);
}

#[test]
fn a_created_user_must_not_be_absent() {
    let history = history()
        .read(1, 1, [5, 6], Seen::Absent)
        .write(0, [10, 20], keeps("a"), done(1))
        .read(1, 1, [15, 25], Seen::Absent)
        .read(1, 1, [70, 71], Seen::Absent);
    history.assert_valid();
    let verdict = history.read(1, 0, [21, 22], Seen::Absent).verdict();
    assert_only(&verdict, &verdict.stale_on_own_replica);
    assert_eq!(verdict.stale_on_own_replica[0].seen, None);
}

#[test]
fn a_deleted_user_must_be_absent() {
    let history = two_versions()
        .write(0, [200, 210], Change::Hides, done(3))
        .read(1, 0, [201, 202], Seen::Absent)
        .read(2, 0, [203, 204], user(2, "a b"))
        .read(1, 0, [211, 212], Seen::Absent)
        .last(Seen::Absent);
    history.assert_valid();
    let history = history.read(1, 0, [220, 221], user(2, "a b"));
    let verdict = history.verdict();
    assert_eq!(verdict.violations(), 2, "{verdict}");
    assert_eq!(verdict.stale_on_own_replica.len(), 1);
    assert_eq!(verdict.backward_reads.len(), 1);

    let still_there = two_versions()
        .write(0, [200, 210], Change::Hides, done(3))
        .last(user(3, "a b"))
        .verdict();
    assert_only(&still_there, &still_there.lost_writes);
}

#[test]
fn a_restored_user_is_present_with_its_previous_marks() {
    let history = two_versions()
        .write(0, [200, 210], Change::Hides, done(3))
        .write(0, [300, 310], keeps("d"), done(4))
        .read(1, 0, [211, 212], Seen::Absent)
        .read(1, 0, [311, 312], user(4, "a b d"))
        .read(2, 1, [360, 361], Seen::Absent)
        .last(user(4, "a b d"));
    history.assert_valid();
    let verdict = history.read(3, 0, [320, 321], Seen::Absent).verdict();
    assert_only(&verdict, &verdict.stale_on_own_replica);
}

#[test]
fn an_erased_user_stays_absent_and_an_unknown_erasure_may_be_done() {
    let erased = |outcome| two_versions().write(0, [200, 210], Change::Hides, outcome);
    let done_with = erased(done(ERASED)).last(Seen::Absent);
    done_with.assert_valid();
    let seen_after = done_with.read(1, 0, [220, 221], user(2, "a b")).verdict();
    assert_only(&seen_after, &seen_after.stale_on_own_replica);
    erased(unknown()).last(Seen::Absent).assert_valid();
    erased(unknown()).last(user(2, "a b")).assert_valid();
    let back = erased(unknown())
        .read(1, 0, [220, 221], Seen::Absent)
        .read(1, 0, [230, 231], user(2, "a b"))
        .allowing(FailuresAllowed::Always);
    assert_only(&back, &back.backward_reads);
    let refused = erased(Outcome::Refused)
        .read(1, 0, [220, 221], Seen::Absent)
        .verdict();
    assert_only(&refused, &refused.stale_on_own_replica);
}

#[test]
fn a_user_must_not_be_absent_before_its_deletion_begins() {
    let verdict = two_versions()
        .write(0, [200, 210], Change::Hides, done(3))
        .read(1, 0, [198, 199], Seen::Absent)
        .verdict();
    assert_only(&verdict, &verdict.stale_on_own_replica);
}

#[test]
fn an_absent_user_may_be_the_oldest_possible_absence() {
    let since_before_the_creation = two_versions()
        .write(0, [200, 210], Change::Hides, done(3))
        .read(1, 1, [5, 205], Seen::Absent)
        .read(1, 1, [206, 207], user(2, "a b"));
    since_before_the_creation.assert_valid();
    let of_an_unknown_deletion = two_versions()
        .write(0, [200, 210], Change::Hides, unknown())
        .write(0, [300, 310], keeps("d"), done(4))
        .read(1, 0, [250, 251], Seen::Absent)
        .read(1, 0, [320, 321], user(4, "a b d"));
    of_an_unknown_deletion.assert_valid();
}
