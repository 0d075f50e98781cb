//! The steps of the model.

use stateright::{Model, Property};

use super::promises;
use super::scenarios::{Misreading, Scenario};
use super::state::{
    Broken, Epoch, Keys, Message, Poll, Poller, Reader, RedisSession, Replica, Required, Server,
    State, Step, Write,
};

/// A step. The number is the index of a replica or a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    PassSecond,
    BeginWrite(usize),
    Commit(usize),
    AcknowledgeWrite(usize),
    LoseOutcome(usize),
    Read(usize),
    AskRedis(usize),
    ReceiveRedisReply(usize),
    LoadFromDatabase(usize),
    ReceiveDatabaseReply(usize),
    BeginPoll(usize),
    CompletePoll(usize),
    FailPoll(usize),
    Connect(usize),
    CatchUp(usize),
    Heartbeat(usize),
    JoinAgain(usize),
    ReceivePush(usize),
    Execute(Message),
    Lose(Message),
    Refuse(Message),
    BreakSession(usize),
    LoseDatabase(usize),
    RestoreDatabase(usize),
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
        let poller = Poller {
            polled: Some(version),
            invalidated: version,
            poll: None,
            fresh: true,
            fresh_for_redis: true,
            is_continuous: true,
            failed: false,
        };
        let replica = Replica {
            entry: None,
            minimum: 0,
            acknowledged: 0,
            write: Write::None,
            poller,
            session: RedisSession::Joined { epoch },
            pushes: 0,
            heartbeat: false,
            database_is_up: true,
        };
        let reader = |&replica| Reader {
            replica,
            step: Step::Idle,
            minimum: 0,
            is_young: false,
            is_detached: false,
            required: Required::default(),
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
                invalidated: 0,
                invalidated_at_tick: 0,
            },
            copy: None,
            replicas: [replica; 2],
            readers: self.readers.iter().map(reader).collect(),
            messages: Vec::new(),
            epochs: 1,
            remaining_faults: self.faults,
            broken: Broken::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.time_passes {
            actions.push(Action::PassSecond);
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
                Step::Asked { .. } => actions.push(Action::ReceiveRedisReply(at)),
                Step::Loading { .. } => actions.push(Action::LoadFromDatabase(at)),
                Step::Loaded { .. } => actions.push(Action::ReceiveDatabaseReply(at)),
                Step::Idle | Step::Joined(_) | Step::Done => {}
            }
        }
        for &message in &state.messages {
            actions.push(Action::Execute(message));
            if !message.live {
                actions.push(Action::Lose(message));
            } else if state.remaining_faults.refusals > 0 {
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
        match replica.poller.poll {
            Some(Poll { .. }) => actions.push(Action::CompletePoll(at)),
            None if !replica.database_is_up => actions.push(Action::FailPoll(at)),
            None if self.polls[at] && poll_changes_state(state, replica) => {
                actions.push(Action::BeginPoll(at));
            }
            None => {}
        }
        match replica.session {
            RedisSession::Down if replica.poller.polled.is_some() => {
                actions.push(Action::Connect(at));
            }
            RedisSession::Joining { .. } if replica.database_is_up => {
                actions.push(Action::CatchUp(at));
            }
            RedisSession::Joined { epoch } if state.server.keys.epoch != Some(epoch) => {
                actions.push(Action::JoinAgain(at));
            }
            RedisSession::Joined { .. }
                if self.faults.database_losses > 0 && replica.pushes == 0 =>
            {
                actions.push(Action::Heartbeat(at));
            }
            _ => {}
        }
        if replica.pushes != 0 {
            actions.push(Action::ReceivePush(at));
        }
        if self.memory_evicts {
            actions.push(Action::EvictEntry(at));
        }
        if !self.faulty[at] {
            return;
        }
        if state.remaining_faults.disconnects > 0 && replica.session != RedisSession::Down {
            actions.push(Action::BreakSession(at));
        }
        if !replica.database_is_up {
            actions.extend(self.database_returns.then_some(Action::RestoreDatabase(at)));
        } else if state.remaining_faults.database_losses > 0 {
            actions.push(Action::LoseDatabase(at));
        }
        if state.remaining_faults.restarts > 0 {
            actions.push(Action::Restart(at));
        }
    }

    fn redis_actions(&self, state: &State, actions: &mut Vec<Action>) {
        if self.redis_evicts {
            actions.extend([Action::EvictValue, Action::EvictLease]);
        }
        if state.remaining_faults.lost_keys > 0 {
            actions.extend([Action::LoseEpoch, Action::LosePosition]);
        }
        if state.remaining_faults.flushes > 0 {
            actions.push(Action::Flush);
        }
        if state.remaining_faults.fail_overs > 0 {
            actions.push(if state.copy.is_none() {
                Action::Copy
            } else {
                Action::FailOver
            });
        }
    }

    /// Reads that would hit the in-process cache are left out: the promises about states cover them.
    fn may_read(&self, state: &State, at: usize) -> bool {
        let replica = &state.replicas[at];
        let polled =
            replica.poller.polled.is_some() || self.misreads(Misreading::ReadBeforeFirstPoll);
        polled && promises::memory_hit(self, replica).is_none()
    }
}

/// Whether a poll would change the state. Other polls are left out.
fn poll_changes_state(state: &State, replica: &Replica) -> bool {
    let poller = &replica.poller;
    let joined = matches!(replica.session, RedisSession::Joined { .. });
    poller.polled != Some(state.database)
        || !poller.fresh
        || poller.failed
        || (joined && (!poller.fresh_for_redis || poller.invalidated < state.database))
        || (replica.session != RedisSession::Down && !poller.is_continuous)
}
