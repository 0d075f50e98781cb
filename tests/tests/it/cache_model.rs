//! The cache's protocol as a model: within the bounds of each scenario, no order of steps breaks a promise.
//!
//! One user, two replicas, a few slow readers and one fault or two at a time; whatever may be late is late in some order.
//! Where the protocol's words allow two readings the model takes the safe one; [`Misreading`] names the others.

mod model;
mod promises;
mod redis;
mod scenarios;
mod state;
mod steps;

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use model::{Guard, Misreading, Scenario};
use promises::{
    ABSENCE, ABSENCE_HIT, FIRST_TIER_HIT, FLIGHT, HEARTBEAT, HEARTBEAT_HIT, LATE_FILL, ORDER,
    READER, REST, SECOND, SECOND_TIER_HIT, WRITER,
};

const PROMISES: [&str; 8] = [
    WRITER, SECOND, HEARTBEAT, READER, ORDER, REST, FLIGHT, ABSENCE,
];

/// Explores a scenario to its end: each promise is kept, and each of the sights is seen.
fn keeps_its_promises(scenario: &Scenario, sights: &[&'static str]) {
    let checker = scenario
        .clone()
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    for (promise, path) in checker.discoveries() {
        assert!(
            !PROMISES.contains(&promise),
            "broken: {promise}, by {:#?}",
            path.into_actions()
        );
    }
    for sight in sights {
        assert!(checker.discovery(sight).is_some(), "not seen: {sight}");
    }
}

/// Explores a scenario until that promise is broken, as it must be.
fn breaks(scenario: Scenario, promise: &'static str) {
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
fn a_slow_reader_on_another_replica_is_never_a_danger() {
    keeps_its_promises(
        &scenarios::slow_reader(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn a_chain_of_writes_is_followed() {
    keeps_its_promises(
        &scenarios::two_writes(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn both_replicas_may_write() {
    keeps_its_promises(
        &scenarios::two_writers(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn two_readers_of_one_replica_share_a_flight() {
    keeps_its_promises(
        &scenarios::two_readers(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn the_writers_replica_reads_its_own_writes() {
    keeps_its_promises(
        &scenarios::own_readers(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn absence_is_remembered_until_the_user_is_created() {
    keeps_its_promises(&scenarios::creation(), &[ABSENCE_HIT, LATE_FILL]);
}

#[test]
fn either_tier_may_evict_anything() {
    keeps_its_promises(
        &scenarios::evictions(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn a_write_whose_outcome_is_unknown_leaves_nothing_old() {
    keeps_its_promises(
        &scenarios::unknown_outcome(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn links_may_break() {
    keeps_its_promises(
        &scenarios::broken_link(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn marks_may_be_refused_and_a_replica_restarted() {
    keeps_its_promises(
        &scenarios::refused_mark(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn a_replica_may_lose_its_link_and_be_restarted() {
    keeps_its_promises(
        &scenarios::broken_link_and_restart(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn redis_may_be_emptied() {
    keeps_its_promises(
        &scenarios::flush(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn redis_may_lose_the_epoch_or_the_position_while_a_replica_is_restarted() {
    keeps_its_promises(
        &scenarios::lost_key(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn the_position_may_come_late_to_a_redis_that_has_lost_it() {
    keeps_its_promises(
        &scenarios::late_advance(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn both_replicas_may_poll() {
    keeps_its_promises(
        &scenarios::two_tails(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn redis_may_fail_over_to_an_older_copy() {
    keeps_its_promises(
        &scenarios::fail_over(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn redis_may_fail_over_to_a_copy_made_key_by_key() {
    keeps_its_promises(
        &scenarios::torn_copy(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, LATE_FILL],
    );
}

#[test]
fn a_replica_without_its_database_serves_by_its_heartbeat() {
    keeps_its_promises(
        &scenarios::lost_database(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, HEARTBEAT_HIT],
    );
}

#[test]
fn a_replica_without_its_database_may_lose_its_link_too() {
    keeps_its_promises(
        &scenarios::lost_database_and_link(),
        &[FIRST_TIER_HIT, SECOND_TIER_HIT, HEARTBEAT_HIT],
    );
}

#[test]
fn without_leases_a_late_fill_brings_back_what_is_old() {
    breaks(without(Guard::Lease, scenarios::slow_reader()), SECOND);
}

#[test]
fn without_the_check_of_versions_a_replica_forgets_its_own_write() {
    breaks(
        without(Guard::VersionCheck, scenarios::own_readers()),
        WRITER,
    );
}

#[test]
fn without_the_check_of_versions_an_older_version_replaces_a_newer_one() {
    breaks(
        without(Guard::VersionCheck, scenarios::two_readers()),
        ORDER,
    );
}

#[test]
fn without_the_run_id_a_copy_made_key_by_key_is_believed() {
    breaks(without(Guard::RunId, scenarios::torn_copy()), SECOND);
}

/// A copy that is a prefix of the server's history has a position to match its values: catching up from there is enough.
#[test]
fn without_the_run_id_a_copy_made_by_replication_does_no_harm() {
    keeps_its_promises(
        &without(Guard::RunId, scenarios::fail_over()),
        &[SECOND_TIER_HIT],
    );
}

#[test]
fn without_the_age_of_polls_old_values_are_served() {
    breaks(without(Guard::PollAge, scenarios::slow_reader()), SECOND);
}

#[test]
fn without_the_rule_on_reconnecting_a_missed_message_is_missed_for_good() {
    breaks(
        without(Guard::Reconnect, scenarios::lost_database_and_link()),
        HEARTBEAT,
    );
}

#[test]
fn without_shared_flights_each_reader_reads_the_database() {
    breaks(
        without(Guard::SharedFlight, scenarios::two_readers()),
        FLIGHT,
    );
}

#[test]
fn without_absence_yielding_a_created_user_stays_absent() {
    breaks(
        without(Guard::AbsenceYields, scenarios::creation()),
        ABSENCE,
    );
}

#[test]
fn a_lease_that_forgets_the_floor_accepts_what_redis_said_before_the_mark() {
    breaks(
        misread(Misreading::LeaseWithoutFloor, scenarios::own_readers()),
        SECOND,
    );
}

#[test]
fn a_flight_that_began_long_ago_is_too_old_to_join() {
    breaks(
        misread(Misreading::JoinOldFlight, scenarios::two_readers()),
        READER,
    );
}

#[test]
fn a_fill_under_the_epoch_of_the_day_outlives_its_lease() {
    breaks(
        misread(Misreading::FillUnderAnyEpoch, scenarios::lost_key()),
        REST,
    );
}

#[test]
fn a_position_told_before_the_catch_up_hides_events() {
    breaks(
        misread(
            Misreading::AdvanceBeforeCaughtUp,
            scenarios::broken_link_and_restart(),
        ),
        SECOND,
    );
}

#[test]
fn a_position_told_over_an_unconfirmed_mark_hides_its_event() {
    breaks(
        misread(
            Misreading::AdvanceOverUnconfirmedMark,
            scenarios::refused_mark(),
        ),
        SECOND,
    );
}

#[test]
fn a_lease_from_before_the_first_poll_misses_an_event() {
    breaks(
        misread(Misreading::ReadBeforeFirstPoll, scenarios::refused_mark()),
        SECOND,
    );
}
