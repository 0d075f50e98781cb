use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use super::promises::{
    ABSENCE, ABSENCE_HIT, COALESCING, HEARTBEAT, HEARTBEAT_HIT, LATE_FILL, MEMORY_HIT, ORDER, POLL,
    READER, REDIS_HIT, REST, WRITER,
};
use super::scenarios::{Guard, Misreading, Scenario};

const PROMISES: [&str; 8] = [
    WRITER, POLL, HEARTBEAT, READER, ORDER, REST, COALESCING, ABSENCE,
];

/// Explores a scenario completely. Asserts that each promise holds, and that each of these events occurs.
fn assert_promises_hold(scenario: &Scenario, events: &[&'static str]) {
    let checker = scenario
        .clone()
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    for (promise, path) in checker.discoveries() {
        assert!(
            !PROMISES.contains(&promise),
            "broken: {promise}, by the steps {:#?}",
            path.into_actions()
        );
    }
    for event in events {
        assert!(
            checker.discovery(event).is_some(),
            "never occurred: {event}"
        );
    }
}

/// Explores a scenario, and asserts that this promise is broken.
fn assert_breaks(scenario: Scenario, promise: &'static str) {
    let found = HasDiscoveries::AnyOf(BTreeSet::from([promise]));
    let checker = scenario.checker().finish_when(found).spawn_bfs().join();
    assert!(
        checker.discovery(promise).is_some(),
        "not broken in {} states: {promise}",
        checker.unique_state_count()
    );
}

fn without(guard: Guard, scenario: Scenario) -> Scenario {
    Scenario {
        without: Some(guard),
        ..scenario
    }
}

fn misread(misreading: Misreading, scenario: Scenario) -> Scenario {
    Scenario {
        misread: Some(misreading),
        ..scenario
    }
}

#[test]
fn promises_hold_with_a_slow_reader_on_another_replica() {
    assert_promises_hold(
        &super::scenarios::slow_reader(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_with_consecutive_writes() {
    assert_promises_hold(
        &super::scenarios::two_writes(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_with_writes_on_both_replicas() {
    assert_promises_hold(
        &super::scenarios::two_writers(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_with_two_readers_of_one_replica() {
    assert_promises_hold(
        &super::scenarios::two_readers(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_with_reads_on_the_writing_replica() {
    assert_promises_hold(
        &super::scenarios::own_readers(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_when_an_absent_user_is_created() {
    assert_promises_hold(&super::scenarios::creation(), &[ABSENCE_HIT, LATE_FILL]);
}

#[test]
fn promises_hold_with_evictions_in_either_tier() {
    assert_promises_hold(
        &super::scenarios::evictions(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_after_a_write_with_an_unknown_outcome() {
    assert_promises_hold(
        &super::scenarios::unknown_outcome(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_when_sessions_break() {
    assert_promises_hold(
        &super::scenarios::broken_session(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_with_a_refused_invalidation_and_a_restart() {
    assert_promises_hold(
        &super::scenarios::refused_invalidation(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_with_a_broken_session_and_a_restart() {
    assert_promises_hold(
        &super::scenarios::broken_session_and_restart(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_when_redis_is_flushed() {
    assert_promises_hold(
        &super::scenarios::flush(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_when_redis_loses_a_key_during_a_restart() {
    assert_promises_hold(
        &super::scenarios::lost_key(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_when_a_late_position_follows_its_loss() {
    assert_promises_hold(
        &super::scenarios::late_advance(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_with_polls_on_both_replicas() {
    assert_promises_hold(
        &super::scenarios::two_pollers(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_after_a_failover_to_an_older_copy() {
    assert_promises_hold(
        &super::scenarios::fail_over(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_after_a_failover_to_a_copy_made_key_by_key() {
    assert_promises_hold(
        &super::scenarios::inconsistent_copy(),
        &[MEMORY_HIT, REDIS_HIT, LATE_FILL],
    );
}

#[test]
fn promises_hold_without_a_database() {
    assert_promises_hold(
        &super::scenarios::lost_database(),
        &[MEMORY_HIT, REDIS_HIT, HEARTBEAT_HIT],
    );
}

#[test]
fn promises_hold_without_a_database_and_a_session() {
    assert_promises_hold(
        &super::scenarios::lost_database_and_session(),
        &[MEMORY_HIT, REDIS_HIT, HEARTBEAT_HIT],
    );
}

#[test]
fn without_leases_a_late_fill_stores_an_old_version() {
    assert_breaks(without(Guard::Lease, super::scenarios::slow_reader()), POLL);
}

#[test]
fn without_the_version_check_a_replica_serves_an_older_version_than_it_wrote() {
    assert_breaks(
        without(Guard::VersionCheck, super::scenarios::own_readers()),
        WRITER,
    );
}

#[test]
fn without_the_version_check_an_older_version_replaces_a_newer_one() {
    assert_breaks(
        without(Guard::VersionCheck, super::scenarios::two_readers()),
        ORDER,
    );
}

#[test]
fn without_the_run_id_a_copy_made_key_by_key_is_served() {
    assert_breaks(
        without(Guard::RunId, super::scenarios::inconsistent_copy()),
        POLL,
    );
}

/// A replicated copy is a prefix of the history of the server, so its position matches its values. Catching up from
/// that position is sufficient.
#[test]
fn without_the_run_id_a_replicated_copy_is_still_safe() {
    assert_promises_hold(
        &without(Guard::RunId, super::scenarios::fail_over()),
        &[REDIS_HIT],
    );
}

#[test]
fn without_the_poll_age_stale_values_are_served() {
    assert_breaks(
        without(Guard::PollAge, super::scenarios::slow_reader()),
        POLL,
    );
}

#[test]
fn without_the_reconnect_rule_a_missed_message_is_never_noticed() {
    assert_breaks(
        without(
            Guard::Reconnect,
            super::scenarios::lost_database_and_session(),
        ),
        HEARTBEAT,
    );
}

#[test]
fn without_coalescing_each_reader_queries_the_database() {
    assert_breaks(
        without(Guard::ReadCoalescing, super::scenarios::two_readers()),
        COALESCING,
    );
}

#[test]
fn without_absence_invalidation_a_created_user_stays_absent() {
    assert_breaks(
        without(Guard::AbsenceInvalidation, super::scenarios::creation()),
        ABSENCE,
    );
}

#[test]
fn a_lease_without_the_minimum_accepts_an_older_reply_of_redis() {
    assert_breaks(
        misread(
            Misreading::LeaseWithoutMinimum,
            super::scenarios::own_readers(),
        ),
        POLL,
    );
}

#[test]
fn an_old_query_must_not_be_joined() {
    assert_breaks(
        misread(Misreading::JoinOldRead, super::scenarios::two_readers()),
        READER,
    );
}

#[test]
fn a_fill_under_the_current_epoch_outlives_its_lease() {
    assert_breaks(
        misread(
            Misreading::FillUnderCurrentEpoch,
            super::scenarios::lost_key(),
        ),
        REST,
    );
}

#[test]
fn a_position_advanced_before_the_catch_up_hides_events() {
    assert_breaks(
        misread(
            Misreading::AdvanceBeforeCaughtUp,
            super::scenarios::broken_session_and_restart(),
        ),
        POLL,
    );
}

#[test]
fn a_position_advanced_over_an_unconfirmed_invalidation_hides_its_event() {
    assert_breaks(
        misread(
            Misreading::AdvanceOverUnconfirmedInvalidation,
            super::scenarios::refused_invalidation(),
        ),
        POLL,
    );
}

#[test]
fn a_lease_from_before_the_first_poll_misses_an_event() {
    assert_breaks(
        misread(
            Misreading::ReadBeforeFirstPoll,
            super::scenarios::refused_invalidation(),
        ),
        POLL,
    );
}
