//! The steps the model may take, and what bounds them.

use stateright::{Model, Property};

use super::promises;
use super::state::{
    Broken, Epoch, Faults, Keys, Link, Message, Owed, Poll, Reader, Replica, Server, State, Step,
    Tail, Version, Write,
};

/// What keeps the promises; a test takes one away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    Lease,
    VersionCheck,
    RunId,
    PollAge,
    Reconnect,
    SharedFlight,
    AbsenceYields,
}

/// A reading of the protocol that its words allow and that breaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misreading {
    /// A lease begins with no floor instead of the replica's.
    LeaseWithoutFloor,
    /// A reader joins a flight however long ago it began.
    JoinOldFlight,
    /// A fill carries the epoch of the day instead of its lease's, over whatever link is up.
    FillUnderAnyEpoch,
    /// A poll's position goes to Redis before the replica has caught up with the epoch it joins.
    AdvanceBeforeCaughtUp,
    /// A poll's position goes to Redis though Redis has not confirmed the marks of an earlier one.
    AdvanceOverUnconfirmedMark,
    /// Readers fill the first tier before the first poll has completed.
    ReadBeforeFirstPoll,
}

/// One bounded world.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each turns one kind of step on"
)]
pub(super) struct Scenario {
    /// The version at the beginning, and the highest one.
    pub(super) versions: (Version, Version),
    /// Which replicas write.
    pub(super) writers: [bool; 2],
    /// Which replicas poll. One that does not stands for one whose tail is late.
    pub(super) polls: [bool; 2],
    /// The replica of each reader.
    pub(super) readers: Vec<usize>,
    pub(super) faults: Faults,
    /// Which replicas lose links, the database, or are started again.
    pub(super) fragile: [bool; 2],
    /// What advances the position in Redis may be executed late.
    pub(super) slow_advance: bool,
    /// Redis evicts the value and the lease.
    pub(super) redis_evicts: bool,
    /// The first tier evicts.
    pub(super) first_tier_evicts: bool,
    /// A write may end without its outcome being known.
    pub(super) unknown_outcomes: bool,
    /// The copy is made key by key, so its position may be newer than its value.
    pub(super) torn_copy: bool,
    /// Seconds pass, so what was fresh grows old.
    pub(super) time_passes: bool,
    /// A lost database is found again.
    pub(super) database_returns: bool,
    /// What is taken away, or misread.
    pub(super) without: Option<Guard>,
    pub(super) misread: Option<Misreading>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            versions: (1, 2),
            writers: [true, false],
            polls: [false, true],
            readers: vec![1],
            faults: Faults::default(),
            fragile: [true, true],
            slow_advance: false,
            redis_evicts: false,
            first_tier_evicts: false,
            unknown_outcomes: false,
            torn_copy: false,
            time_passes: true,
            database_returns: true,
            without: None,
            misread: None,
        }
    }
}

impl Scenario {
    pub(super) fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    pub(super) fn misreads(&self, misreading: Misreading) -> bool {
        self.misread == Some(misreading)
    }
}

/// A step. The number is the replica's, or the reader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    SecondPasses,
    BeginWrite(usize),
    Commit(usize),
    AcknowledgeWrite(usize),
    LoseOutcome(usize),
    Read(usize),
    AskRedis(usize),
    HearRedis(usize),
    LoadFromDatabase(usize),
    HearDatabase(usize),
    BeginPoll(usize),
    CompletePoll(usize),
    FailPoll(usize),
    Connect(usize),
    CatchUp(usize),
    Heartbeat(usize),
    JoinAgain(usize),
    HearPush(usize),
    Execute(Message),
    Lose(Message),
    Refuse(Message),
    BreakLink(usize),
    LoseDatabase(usize),
    FindDatabase(usize),
    Restart(usize),
    EvictEntry(usize),
    EvictValue,
    EvictLease,
    LoseEpoch,
    LosePosition,
    Flush,
    Copy,
    FailOver,
}

impl Model for Scenario {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let version = self.versions.0;
        let epoch = Epoch { run: 1, number: 1 };
        let tail = Tail {
            polled: Some(version),
            marked: version,
            poll: None,
            fresh: true,
            fresh_in_redis: true,
            vouched: true,
            failed: false,
        };
        let replica = Replica {
            entry: None,
            floor: 0,
            acknowledged: 0,
            write: Write::None,
            tail,
            link: Link::Joined { epoch },
            pushes: 0,
            heartbeat: false,
            database_is_up: true,
        };
        let reader = |&replica| Reader {
            replica,
            step: Step::Idle,
            floor: 0,
            young: false,
            detached: false,
            owed: Owed::default(),
        };
        let keys = Keys {
            epoch: Some(epoch),
            position: Some(version),
            value: None,
            lease: None,
        };
        vec![State {
            database: version,
            database_at_tick: version,
            server: Server {
                run: 1,
                keys,
                marked: 0,
                marked_at_tick: 0,
            },
            copy: None,
            replicas: [replica; 2],
            readers: self.readers.iter().map(reader).collect(),
            messages: Vec::new(),
            epochs: 1,
            left: self.faults,
            broken: Broken::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.time_passes {
            actions.push(Action::SecondPasses);
        }
        for at in 0..2 {
            self.replica_actions(state, at, actions);
        }
        for (at, reader) in state.readers.iter().enumerate() {
            match reader.step {
                Step::Idle if self.may_read(state, reader.replica) => {
                    actions.push(Action::Read(at));
                }
                Step::Asking => actions.push(Action::AskRedis(at)),
                Step::Asked { .. } => actions.push(Action::HearRedis(at)),
                Step::Loading { .. } => actions.push(Action::LoadFromDatabase(at)),
                Step::Loaded { .. } => actions.push(Action::HearDatabase(at)),
                Step::Idle | Step::Joined(_) | Step::Done => {}
            }
        }
        for &message in &state.messages {
            actions.push(Action::Execute(message));
            if !message.live {
                actions.push(Action::Lose(message));
            } else if state.left.refusals > 0 {
                actions.push(Action::Refuse(message));
            }
        }
        self.redis_actions(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.take(&mut state, action);
        state.messages.sort_unstable();
        state.messages.dedup();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::properties()
    }
}

impl Scenario {
    fn replica_actions(&self, state: &State, at: usize, actions: &mut Vec<Action>) {
        let replica = &state.replicas[at];
        match replica.write {
            Write::None
                if self.writers[at]
                    && replica.database_is_up
                    && state.database < self.versions.1 =>
            {
                actions.push(Action::BeginWrite(at));
            }
            Write::Begun { .. } if replica.database_is_up && state.database < self.versions.1 => {
                actions.push(Action::Commit(at));
            }
            Write::Committed { .. } => {
                actions.push(Action::AcknowledgeWrite(at));
                if self.unknown_outcomes {
                    actions.push(Action::LoseOutcome(at));
                }
            }
            Write::None | Write::Begun { .. } => {}
        }
        match replica.tail.poll {
            Some(Poll { .. }) => actions.push(Action::CompletePoll(at)),
            None if !replica.database_is_up => actions.push(Action::FailPoll(at)),
            None if self.polls[at] && poll_brings_something(state, replica) => {
                actions.push(Action::BeginPoll(at));
            }
            None => {}
        }
        match replica.link {
            Link::Down if replica.tail.polled.is_some() => actions.push(Action::Connect(at)),
            Link::Joining { .. } if replica.database_is_up => actions.push(Action::CatchUp(at)),
            Link::Joined { epoch } if state.server.keys.epoch != Some(epoch) => {
                actions.push(Action::JoinAgain(at));
            }
            Link::Joined { .. } if self.faults.database_losses > 0 && replica.pushes == 0 => {
                actions.push(Action::Heartbeat(at));
            }
            _ => {}
        }
        if replica.pushes != 0 {
            actions.push(Action::HearPush(at));
        }
        if self.first_tier_evicts {
            actions.push(Action::EvictEntry(at));
        }
        if !self.fragile[at] {
            return;
        }
        if state.left.breaks > 0 && replica.link != Link::Down {
            actions.push(Action::BreakLink(at));
        }
        if !replica.database_is_up {
            actions.extend(self.database_returns.then_some(Action::FindDatabase(at)));
        } else if state.left.database_losses > 0 {
            actions.push(Action::LoseDatabase(at));
        }
        if state.left.restarts > 0 {
            actions.push(Action::Restart(at));
        }
    }

    fn redis_actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.redis_evicts {
            actions.extend([Action::EvictValue, Action::EvictLease]);
        }
        if state.left.lost_keys > 0 {
            actions.extend([Action::LoseEpoch, Action::LosePosition]);
        }
        if state.left.flushes > 0 {
            actions.push(Action::Flush);
        }
        if state.left.fail_overs > 0 {
            actions.push(if state.copy.is_none() {
                Action::Copy
            } else {
                Action::FailOver
            });
        }
    }

    /// A reader that would hit the first tier is covered by the promises about a state.
    fn may_read(&self, state: &State, at: usize) -> bool {
        let replica = &state.replicas[at];
        let polled =
            replica.tail.polled.is_some() || self.misreads(Misreading::ReadBeforeFirstPoll);
        polled && promises::first_tier(self, replica).is_none()
    }
}

/// A poll that changes nothing is left out.
fn poll_brings_something(state: &State, replica: &Replica) -> bool {
    let tail = &replica.tail;
    let joined = matches!(replica.link, Link::Joined { .. });
    tail.polled != Some(state.database)
        || !tail.fresh
        || tail.failed
        || (joined && (!tail.fresh_in_redis || tail.marked < state.database))
        || (replica.link != Link::Down && !tail.vouched)
}
