//! The effects of steps on Redis and its sessions.

use super::model::Action;
use super::scenarios::{Guard, Scenario};
use super::state::{
    Command, Epoch, HIGHEST, Keys, Message, Purpose, RedisSession, Server, State, Step, Version,
};

impl Scenario {
    pub(super) fn take_at_redis(&self, state: &mut State, action: Action) {
        let keys = &mut state.server.keys;
        match action {
            Action::Connect(at) => {
                let poller = &mut state.replicas[at].poller;
                poller.is_continuous = false;
                poller
                    .poll
                    .iter_mut()
                    .for_each(|poll| poll.is_continuous = false);
                state.replicas[at].heartbeat = false;
                self.join(state, at);
            }
            Action::JoinAgain(at) => self.join(state, at),
            Action::CatchUp(at) => state.catch_up(at),
            Action::Heartbeat(at) => state.replicas[at].heartbeat = true,
            Action::Execute(message) => {
                state.messages.retain(|other| *other != message);
                self.execute(state, message);
            }
            Action::Lose(message) => state.messages.retain(|other| *other != message),
            Action::Refuse(message) => {
                state.remaining_faults.refusals -= 1;
                state.messages.retain(|other| *other != message);
                if let Command::Invalidate {
                    purpose: Purpose::CatchUp,
                    ..
                } = message.command
                {
                    self.join(state, message.from);
                }
            }
            Action::BreakSession(at) => {
                state.remaining_faults.disconnects -= 1;
                state.drop_session(at);
            }
            Action::EvictValue => keys.value = None,
            Action::EvictLease => keys.lease = None,
            Action::LoseEpoch => {
                state.remaining_faults.lost_keys -= 1;
                keys.epoch = None;
            }
            Action::LosePosition => {
                state.remaining_faults.lost_keys -= 1;
                keys.position = None;
            }
            Action::Flush => {
                state.remaining_faults.flushes -= 1;
                *keys = Keys::default();
            }
            Action::Copy => state.copy = Some(*keys),
            Action::FailOver => self.fail_over(state),
            _ => {}
        }
    }

    /// The join script: takes the existing epoch, or creates one with the position of the last completed poll.
    fn join(&self, state: &mut State, at: usize) {
        let Server { run, keys, .. } = &mut state.server;
        let of_this_run = |epoch: &Epoch| epoch.run == *run || !self.has(Guard::RunId);
        let known = keys.epoch.filter(of_this_run).zip(keys.position);
        let (epoch, position) = known.unwrap_or_else(|| {
            state.epochs += 1;
            (
                Epoch {
                    run: *run,
                    number: state.epochs,
                },
                state.replicas[at].poller.polled.unwrap(),
            )
        });
        keys.epoch = Some(epoch);
        keys.position = Some(position);
        state.replicas[at].session = RedisSession::Joining { epoch, position };
    }

    fn execute(&self, state: &mut State, message: Message) {
        let keys = &mut state.server.keys;
        match message.command {
            Command::Fill { token, value } => {
                if keys.lease == Some(token) || !self.has(Guard::Lease) {
                    state.broken.order |= keys.value.is_some_and(|old| old.version > value.version);
                    keys.value = Some(value);
                    keys.lease = None;
                }
            }
            Command::Advance { position } => keys.position = Some(position),
            Command::Invalidate { version, purpose } => {
                keys.value = keys.value.filter(|value| value.version >= version);
                keys.lease = None;
                if version < HIGHEST {
                    state.server.invalidated = version.max(state.server.invalidated);
                }
                for replica in state
                    .replicas
                    .iter_mut()
                    .filter(|replica| replica.session != RedisSession::Down)
                {
                    replica.pushes |= 1 << version;
                }
                if message.live {
                    self.receive_acknowledgement(state, message.from, version, purpose);
                }
            }
        }
    }

    fn receive_acknowledgement(
        &self,
        state: &mut State,
        at: usize,
        version: Version,
        purpose: Purpose,
    ) {
        let replica = &mut state.replicas[at];
        if replica.minimum <= version {
            replica.minimum = 0;
        }
        match (purpose, replica.session) {
            (Purpose::CatchUp, RedisSession::CatchingUp { epoch }) => {
                replica.session = RedisSession::Joined { epoch };
            }
            (Purpose::Poll { fresh }, RedisSession::Joined { .. }) => {
                replica.poller.fresh_for_redis |= fresh;
            }
            _ => return,
        }
        replica.poller.invalidated = version.max(replica.poller.invalidated);
        self.advance(state, at, version);
    }

    pub(super) fn advance(&self, state: &mut State, at: usize, position: Version) {
        if self.slow_advance {
            state.send(at, Command::Advance { position });
        } else {
            state.server.keys.position = Some(position);
        }
    }

    /// Makes the copy the new master. Commands in flight to the old master are lost.
    fn fail_over(&self, state: &mut State) {
        state.remaining_faults.fail_overs -= 1;
        let Some(mut copy) = state.copy.take() else {
            return;
        };
        if self.inconsistent_copy {
            copy.epoch = state.server.keys.epoch;
            copy.position = state.server.keys.position;
        }
        for at in 0..2 {
            state.drop_session(at);
        }
        state.messages.clear();
        state.server = Server {
            run: state.server.run + 1,
            keys: copy,
            invalidated: 0,
            invalidated_at_tick: 0,
        };
    }
}

impl State {
    pub(super) fn send(&mut self, from: usize, command: Command) {
        if self.replicas[from].session != RedisSession::Down {
            self.messages.push(Message {
                from,
                live: true,
                command,
            });
        }
    }

    /// Invalidates all events after the position of the epoch.
    fn catch_up(&mut self, at: usize) {
        let RedisSession::Joining { epoch, position } = self.replicas[at].session else {
            return;
        };
        let seen = self.database;
        if seen > position {
            self.replicas[at].session = RedisSession::CatchingUp { epoch };
            self.send(
                at,
                Command::Invalidate {
                    version: seen,
                    purpose: Purpose::CatchUp,
                },
            );
        } else {
            self.replicas[at].session = RedisSession::Joined { epoch };
            self.replicas[at].poller.invalidated = seen;
        }
    }

    /// Ends a session. The replica notices at its next heartbeat. Until the second ends, the last heartbeat is valid.
    pub(super) fn drop_session(&mut self, at: usize) {
        self.replicas[at].session = RedisSession::Down;
        self.replicas[at].pushes = 0;
        for message in self
            .messages
            .iter_mut()
            .filter(|message| message.from == at)
        {
            message.live = false;
        }
        for reader in self
            .readers
            .iter_mut()
            .filter(|reader| reader.replica == at)
        {
            if let Step::Loading { lease: Some(lease) }
            | Step::Loaded {
                lease: Some(lease), ..
            } = &mut reader.step
            {
                lease.live = false;
            }
        }
    }
}
