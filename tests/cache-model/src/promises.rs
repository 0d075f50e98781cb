//! When a cached value may be served, and the promises as properties of the model.

use stateright::Property;

use super::scenarios::{Guard, Scenario};
use super::state::{Command, RedisSession, Replica, State, Step, Version, Write};

pub(super) const WRITER: &str =
    "(a) a replica serves nothing older than the writes it has acknowledged";
pub(super) const POLL: &str =
    "(b) a value proved fresh by a poll is not older than the database was a second ago";
pub(super) const HEARTBEAT: &str = "(b) a value proved fresh by a heartbeat is not older than the invalidations executed before it";
pub(super) const READER: &str =
    "(b) a reader gets nothing older than what was required when it started";
pub(super) const ORDER: &str = "(c) an older version never replaces a newer one";
pub(super) const REST: &str = "(c) at rest nothing that could be served is older than the database";
pub(super) const COALESCING: &str =
    "(d) concurrent readers of an uncached user share one database read";
pub(super) const ABSENCE: &str = "(e) a created user is not served as absent";

pub(super) const MEMORY_HIT: &str = "a hit in the in-process cache";
pub(super) const REDIS_HIT: &str = "a hit in Redis";
pub(super) const HEARTBEAT_HIT: &str = "a hit proved fresh by a heartbeat only";
pub(super) const LATE_FILL: &str = "a fill after its lease ended";
pub(super) const ABSENCE_HIT: &str = "a cached absence";

/// What proves that a cached value is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FreshnessSource {
    Poll,
    Heartbeat,
}

/// What proves the freshness of the in-process cache, if anything.
pub(super) fn memory_freshness(scenario: &Scenario, replica: &Replica) -> Option<FreshnessSource> {
    let poller = &replica.poller;
    let has_polled = poller.polled.is_some() && (poller.fresh || !scenario.has(Guard::PollAge));
    if has_polled {
        Some(FreshnessSource::Poll)
    } else {
        heartbeat_freshness(scenario, replica)
    }
}

/// What proves the freshness of Redis, if anything.
pub(super) fn redis_freshness(scenario: &Scenario, replica: &Replica) -> Option<FreshnessSource> {
    if !matches!(replica.session, RedisSession::Joined { .. }) {
        return None;
    }
    let polled = replica.poller.fresh_for_redis || !scenario.has(Guard::PollAge);
    if polled {
        Some(FreshnessSource::Poll)
    } else {
        heartbeat_freshness(scenario, replica)
    }
}

fn heartbeat_freshness(scenario: &Scenario, replica: &Replica) -> Option<FreshnessSource> {
    let is_complete = replica.poller.is_continuous || !scenario.has(Guard::Reconnect);
    (replica.poller.failed && replica.heartbeat && is_complete)
        .then_some(FreshnessSource::Heartbeat)
}

/// What a read now gets from the in-process cache.
pub(super) fn memory_hit(
    scenario: &Scenario,
    replica: &Replica,
) -> Option<(Version, FreshnessSource)> {
    Some((replica.entry?, memory_freshness(scenario, replica)?))
}

/// The version in Redis for this replica, fresh or not.
pub(super) fn found_in_redis(state: &State, replica: &Replica) -> Option<Version> {
    let RedisSession::Joined { epoch } = replica.session else {
        return None;
    };
    state
        .server
        .keys
        .value
        .filter(|value| value.epoch == epoch)
        .map(|value| value.version)
}

fn redis_hit(
    scenario: &Scenario,
    state: &State,
    replica: &Replica,
) -> Option<(Version, FreshnessSource)> {
    let known = if scenario.has(Guard::VersionCheck) {
        replica.minimum
    } else {
        0
    };
    let version = found_in_redis(state, replica).filter(|&version| version >= known)?;
    Some((version, redis_freshness(scenario, replica)?))
}

/// All values that a read could get now, with their replicas.
fn served<'a>(
    scenario: &'a Scenario,
    state: &'a State,
) -> impl Iterator<Item = (&'a Replica, Version, FreshnessSource)> {
    state.replicas.iter().flat_map(move |replica| {
        [
            memory_hit(scenario, replica),
            redis_hit(scenario, state, replica),
        ]
        .into_iter()
        .flatten()
        .map(move |(version, source)| (replica, version, source))
    })
}

/// The lowest version that may be served with this source of freshness.
pub(super) fn lowest_allowed(state: &State, replica: &Replica, source: FreshnessSource) -> Version {
    let known = match source {
        FreshnessSource::Poll => state.database_at_tick,
        FreshnessSource::Heartbeat => state.server.invalidated_at_tick,
    };
    known.max(replica.poller.polled.unwrap_or(0))
}

fn is_fresh_by(scenario: &Scenario, state: &State, by: FreshnessSource) -> bool {
    served(scenario, state)
        .filter(|&(_, version, source)| version > 0 && source == by)
        .all(|(replica, version, source)| version >= lowest_allowed(state, replica, source))
}

fn absences_are_correct(scenario: &Scenario, state: &State) -> bool {
    served(scenario, state)
        .filter(|&(_, version, _)| version == 0)
        .all(|(replica, _, source)| {
            replica.acknowledged == 0 && lowest_allowed(state, replica, source) == 0
        })
}

/// Whether nothing is in flight, and each replica that polls has seen all events.
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
                let is_quiet = replica.pushes == 0 && replica.write == Write::None;
                let polled =
                    replica.poller.poll.is_none() && replica.poller.polled == Some(state.database);
                let caught_up = match replica.session {
                    RedisSession::Down => true,
                    RedisSession::Joined { .. } => replica.poller.invalidated == state.database,
                    RedisSession::Joining { .. } | RedisSession::CatchingUp { .. } => false,
                };
                is_quiet && (!polls || polled && caught_up)
            })
}

fn is_correct_at_rest(scenario: &Scenario, state: &State) -> bool {
    let known = |replica: &Replica| {
        if scenario.has(Guard::VersionCheck) {
            replica.minimum
        } else {
            0
        }
    };
    !at_rest(scenario, state)
        || state
            .replicas
            .iter()
            .filter(|replica| replica.poller.polled == Some(state.database))
            .all(|replica| {
                let found =
                    found_in_redis(state, replica).filter(|&version| version >= known(replica));
                [replica.entry, found]
                    .into_iter()
                    .flatten()
                    .all(|version| version >= state.database)
            })
}

/// Whether each replica has at most one database query that other readers can join.
fn reads_are_coalesced(state: &State) -> bool {
    (0..2).all(|at| {
        let reads = state.readers.iter().filter(|reader| {
            let loads = matches!(reader.step, Step::Loading { .. } | Step::Loaded { .. });
            reader.replica == at && loads && !reader.is_detached
        });
        reads.count() <= 1
    })
}

fn has_late_fill(state: &State) -> bool {
    state.messages.iter().any(|message| match message.command {
        Command::Fill { token, .. } => state.server.keys.lease != Some(token),
        Command::Invalidate { .. } | Command::Advance { .. } => false,
    })
}

pub(super) fn properties() -> Vec<Property<Scenario>> {
    vec![
        Property::always(WRITER, |scenario, state| {
            served(scenario, state)
                .all(|(replica, version, _)| version == 0 || version >= replica.acknowledged)
        }),
        Property::always(POLL, |scenario, state| {
            is_fresh_by(scenario, state, FreshnessSource::Poll)
        }),
        Property::always(HEARTBEAT, |scenario, state| {
            is_fresh_by(scenario, state, FreshnessSource::Heartbeat)
        }),
        Property::always(READER, |_, state: &State| !state.broken.reader),
        Property::always(ORDER, |_, state: &State| !state.broken.order),
        Property::always(REST, is_correct_at_rest),
        Property::always(COALESCING, |_, state| reads_are_coalesced(state)),
        Property::always(ABSENCE, absences_are_correct),
        Property::sometimes(MEMORY_HIT, |scenario, state: &State| {
            state
                .replicas
                .iter()
                .any(|replica| memory_hit(scenario, replica).is_some())
        }),
        Property::sometimes(REDIS_HIT, |scenario, state: &State| {
            state
                .replicas
                .iter()
                .any(|replica| redis_hit(scenario, state, replica).is_some())
        }),
        Property::sometimes(HEARTBEAT_HIT, |scenario, state| {
            served(scenario, state).any(|(_, _, source)| source == FreshnessSource::Heartbeat)
        }),
        Property::sometimes(LATE_FILL, |_, state| has_late_fill(state)),
        Property::sometimes(ABSENCE_HIT, |scenario, state| {
            served(scenario, state).any(|(_, version, _)| version == 0)
        }),
    ]
}
