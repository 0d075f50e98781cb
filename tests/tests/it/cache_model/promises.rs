//! When a cached value is served, and what the promises say of it.

use stateright::Property;

use super::model::{Guard, Scenario};
use super::state::{Command, Link, Replica, State, Step, Version, Write};

pub(super) const WRITER: &str =
    "(a) a replica serves nothing older than the writes it has acknowledged";
pub(super) const SECOND: &str =
    "(b) what a poll vouches for is not older than the database was a second ago";
pub(super) const HEARTBEAT: &str =
    "(b) what a heartbeat vouches for is not older than the marks executed before it";
pub(super) const READER: &str =
    "(b) a reader gets nothing older than what it was owed when it came";
pub(super) const ORDER: &str = "(c) an older version never takes the place of a newer one";
pub(super) const REST: &str = "(c) at rest nothing that could be served is older than the database";
pub(super) const FLIGHT: &str = "(d) readers of one cold user share one read of the database";
pub(super) const ABSENCE: &str = "(e) a created user is not served as absent";

pub(super) const FIRST_TIER_HIT: &str = "the first tier is hit";
pub(super) const SECOND_TIER_HIT: &str = "the second tier is hit";
pub(super) const HEARTBEAT_HIT: &str = "a heartbeat alone vouches for a hit";
pub(super) const LATE_FILL: &str = "a fill comes too late";
pub(super) const ABSENCE_HIT: &str = "an absence is remembered";

/// Who says that a cached value may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voucher {
    Poll,
    Heartbeat,
}

/// Who vouches for the first tier.
pub(super) fn first_tier_voucher(scenario: &Scenario, replica: &Replica) -> Option<Voucher> {
    let tail = &replica.tail;
    let polled = tail.polled.is_some() && (tail.fresh || !scenario.has(Guard::PollAge));
    if polled {
        Some(Voucher::Poll)
    } else {
        heartbeat_voucher(scenario, replica)
    }
}

/// Who vouches for the second tier.
pub(super) fn second_tier_voucher(scenario: &Scenario, replica: &Replica) -> Option<Voucher> {
    if !matches!(replica.link, Link::Joined { .. }) {
        return None;
    }
    let polled = replica.tail.fresh_in_redis || !scenario.has(Guard::PollAge);
    if polled {
        Some(Voucher::Poll)
    } else {
        heartbeat_voucher(scenario, replica)
    }
}

fn heartbeat_voucher(scenario: &Scenario, replica: &Replica) -> Option<Voucher> {
    let unbroken = replica.tail.vouched || !scenario.has(Guard::Reconnect);
    (replica.tail.failed && replica.heartbeat && unbroken).then_some(Voucher::Heartbeat)
}

/// What a reader that comes now gets from the first tier.
pub(super) fn first_tier(scenario: &Scenario, replica: &Replica) -> Option<(Version, Voucher)> {
    Some((replica.entry?, first_tier_voucher(scenario, replica)?))
}

/// What the second tier holds for this replica, whoever vouches for it.
pub(super) fn found_in_redis(state: &State, replica: &Replica) -> Option<Version> {
    let Link::Joined { epoch } = replica.link else {
        return None;
    };
    state
        .server
        .keys
        .value
        .filter(|value| value.epoch == epoch)
        .map(|value| value.version)
}

fn second_tier(
    scenario: &Scenario,
    state: &State,
    replica: &Replica,
) -> Option<(Version, Voucher)> {
    let known = if scenario.has(Guard::VersionCheck) {
        replica.floor
    } else {
        0
    };
    let version = found_in_redis(state, replica).filter(|&version| version >= known)?;
    Some((version, second_tier_voucher(scenario, replica)?))
}

/// Everything that a reader without haste would get now, and from which replica.
fn served<'a>(
    scenario: &'a Scenario,
    state: &'a State,
) -> impl Iterator<Item = (&'a Replica, Version, Voucher)> {
    state.replicas.iter().flat_map(move |replica| {
        [
            first_tier(scenario, replica),
            second_tier(scenario, state, replica),
        ]
        .into_iter()
        .flatten()
        .map(move |(version, voucher)| (replica, version, voucher))
    })
}

/// The least version that voucher may vouch for.
pub(super) fn least(state: &State, replica: &Replica, voucher: Voucher) -> Version {
    let told = match voucher {
        Voucher::Poll => state.database_at_tick,
        Voucher::Heartbeat => state.server.marked_at_tick,
    };
    told.max(replica.tail.polled.unwrap_or(0))
}

fn vouched_right(scenario: &Scenario, state: &State, by: Voucher) -> bool {
    served(scenario, state)
        .filter(|&(_, version, voucher)| version > 0 && voucher == by)
        .all(|(replica, version, voucher)| version >= least(state, replica, voucher))
}

fn absence_is_right(scenario: &Scenario, state: &State) -> bool {
    served(scenario, state)
        .filter(|&(_, version, _)| version == 0)
        .all(|(replica, _, voucher)| {
            replica.acknowledged == 0 && least(state, replica, voucher) == 0
        })
}

/// Nothing is under way, and each replica that polls has polled to the end.
fn at_rest(scenario: &Scenario, state: &State) -> bool {
    state.messages.is_empty()
        && state
            .readers
            .iter()
            .all(|reader| matches!(reader.step, Step::Idle | Step::Done))
        && state
            .replicas
            .iter()
            .zip(scenario.polls)
            .all(|(replica, polls)| {
                let quiet = replica.pushes == 0 && replica.write == Write::None;
                let polled =
                    replica.tail.poll.is_none() && replica.tail.polled == Some(state.database);
                let caught_up = match replica.link {
                    Link::Down => true,
                    Link::Joined { .. } => replica.tail.marked == state.database,
                    Link::Joining { .. } | Link::CatchingUp { .. } => false,
                };
                quiet && (!polls || polled && caught_up)
            })
}

fn right_at_rest(scenario: &Scenario, state: &State) -> bool {
    let known = |replica: &Replica| {
        if scenario.has(Guard::VersionCheck) {
            replica.floor
        } else {
            0
        }
    };
    !at_rest(scenario, state)
        || state
            .replicas
            .iter()
            .filter(|replica| replica.tail.polled == Some(state.database))
            .all(|replica| {
                let found =
                    found_in_redis(state, replica).filter(|&version| version >= known(replica));
                [replica.entry, found]
                    .into_iter()
                    .flatten()
                    .all(|version| version >= state.database)
            })
}

/// Each replica reads the database for at most one flight that could have been joined.
fn flights_are_shared(state: &State) -> bool {
    (0..2).all(|at| {
        let reads = state.readers.iter().filter(|reader| {
            let loads = matches!(reader.step, Step::Loading { .. } | Step::Loaded { .. });
            reader.replica == at && loads && !reader.detached
        });
        reads.count() <= 1
    })
}

fn a_fill_is_too_late(state: &State) -> bool {
    state.messages.iter().any(|message| match message.command {
        Command::Fill { token, .. } => state.server.keys.lease != Some(token),
        Command::Mark { .. } | Command::Advance { .. } => false,
    })
}

pub(super) fn properties() -> Vec<Property<Scenario>> {
    vec![
        Property::always(WRITER, |scenario, state| {
            served(scenario, state)
                .all(|(replica, version, _)| version == 0 || version >= replica.acknowledged)
        }),
        Property::always(SECOND, |scenario, state| {
            vouched_right(scenario, state, Voucher::Poll)
        }),
        Property::always(HEARTBEAT, |scenario, state| {
            vouched_right(scenario, state, Voucher::Heartbeat)
        }),
        Property::always(READER, |_, state: &State| !state.broken.reader),
        Property::always(ORDER, |_, state: &State| !state.broken.order),
        Property::always(REST, right_at_rest),
        Property::always(FLIGHT, |_, state| flights_are_shared(state)),
        Property::always(ABSENCE, absence_is_right),
        Property::sometimes(FIRST_TIER_HIT, |scenario, state: &State| {
            state
                .replicas
                .iter()
                .any(|replica| first_tier(scenario, replica).is_some())
        }),
        Property::sometimes(SECOND_TIER_HIT, |scenario, state: &State| {
            state
                .replicas
                .iter()
                .any(|replica| second_tier(scenario, state, replica).is_some())
        }),
        Property::sometimes(HEARTBEAT_HIT, |scenario, state| {
            served(scenario, state).any(|(_, _, voucher)| voucher == Voucher::Heartbeat)
        }),
        Property::sometimes(LATE_FILL, |_, state| a_fill_is_too_late(state)),
        Property::sometimes(ABSENCE_HIT, |scenario, state| {
            served(scenario, state).any(|(_, version, _)| version == 0)
        }),
    ]
}
