//! What each step does at Redis and to the links.

use super::model::{Action, Guard, Scenario};
use super::state::{
    Command, Epoch, HIGHEST, Keys, Link, Message, Purpose, Server, State, Step, Version,
};

impl Scenario {
    pub(super) fn take_at_redis(&self, state: &mut State, action: Action) {
        let keys = &mut state.server.keys;
        match action {
            Action::Connect(at) => {
                let tail = &mut state.replicas[at].tail;
                tail.vouched = false;
                tail.poll.iter_mut().for_each(|poll| poll.vouched = false);
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
                state.left.refusals -= 1;
                state.messages.retain(|other| *other != message);
                if let Command::Mark {
                    purpose: Purpose::CatchUp,
                    ..
                } = message.command
                {
                    self.join(state, message.from);
                }
            }
            Action::BreakLink(at) => {
                state.left.breaks -= 1;
                state.drop_link(at);
            }
            Action::EvictValue => keys.value = None,
            Action::EvictLease => keys.lease = None,
            Action::LoseEpoch => {
                state.left.lost_keys -= 1;
                keys.epoch = None;
            }
            Action::LosePosition => {
                state.left.lost_keys -= 1;
                keys.position = None;
            }
            Action::Flush => {
                state.left.flushes -= 1;
                *keys = Keys::default();
            }
            Action::Copy => state.copy = Some(*keys),
            Action::FailOver => self.fail_over(state),
            _ => {}
        }
    }

    /// The join script: takes the epoch, or makes one whose position is that of the last completed poll.
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
                state.replicas[at].tail.polled.unwrap(),
            )
        });
        keys.epoch = Some(epoch);
        keys.position = Some(position);
        state.replicas[at].link = Link::Joining { epoch, position };
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
            Command::Mark { version, purpose } => {
                keys.value = keys.value.filter(|value| value.version >= version);
                keys.lease = None;
                if version < HIGHEST {
                    state.server.marked = version.max(state.server.marked);
                }
                for replica in state
                    .replicas
                    .iter_mut()
                    .filter(|replica| replica.link != Link::Down)
                {
                    replica.pushes |= 1 << version;
                }
                if message.live {
                    self.hear_acknowledgement(state, message.from, version, purpose);
                }
            }
        }
    }

    fn hear_acknowledgement(
        &self,
        state: &mut State,
        at: usize,
        version: Version,
        purpose: Purpose,
    ) {
        let replica = &mut state.replicas[at];
        if replica.floor <= version {
            replica.floor = 0;
        }
        match (purpose, replica.link) {
            (Purpose::CatchUp, Link::CatchingUp { epoch }) => replica.link = Link::Joined { epoch },
            (Purpose::Poll { fresh }, Link::Joined { .. }) => replica.tail.fresh_in_redis |= fresh,
            _ => return,
        }
        replica.tail.marked = version.max(replica.tail.marked);
        self.advance(state, at, version);
    }

    pub(super) fn advance(&self, state: &mut State, at: usize, position: Version) {
        if self.slow_advance {
            state.send(at, Command::Advance { position });
        } else {
            state.server.keys.position = Some(position);
        }
    }

    /// Another server becomes the master, with what had been copied to it; what was on its way to the old one is lost.
    fn fail_over(&self, state: &mut State) {
        state.left.fail_overs -= 1;
        let Some(mut copy) = state.copy.take() else {
            return;
        };
        if self.torn_copy {
            copy.epoch = state.server.keys.epoch;
            copy.position = state.server.keys.position;
        }
        for at in 0..2 {
            state.drop_link(at);
        }
        state.messages.clear();
        state.server = Server {
            run: state.server.run + 1,
            keys: copy,
            marked: 0,
            marked_at_tick: 0,
        };
    }
}

impl State {
    pub(super) fn send(&mut self, from: usize, command: Command) {
        if self.replicas[from].link != Link::Down {
            self.messages.push(Message {
                from,
                live: true,
                command,
            });
        }
    }

    /// Marks all events since the position that the epoch had.
    fn catch_up(&mut self, at: usize) {
        let Link::Joining { epoch, position } = self.replicas[at].link else {
            return;
        };
        let seen = self.database;
        if seen > position {
            self.replicas[at].link = Link::CatchingUp { epoch };
            self.send(
                at,
                Command::Mark {
                    version: seen,
                    purpose: Purpose::CatchUp,
                },
            );
        } else {
            self.replicas[at].link = Link::Joined { epoch };
            self.replicas[at].tail.marked = seen;
        }
    }

    /// Breaks a link. The replica notices by its next heartbeat: until the second is over the last one counts.
    pub(super) fn drop_link(&mut self, at: usize) {
        self.replicas[at].link = Link::Down;
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
            if let Step::Loading {
                ticket: Some(ticket),
            }
            | Step::Loaded {
                ticket: Some(ticket),
                ..
            } = &mut reader.step
            {
                ticket.live = false;
            }
        }
    }
}
