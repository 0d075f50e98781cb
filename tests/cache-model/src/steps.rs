//! The effects of steps on a replica: reads, writes, polls, and messages.

use super::model::Action;
use super::promises::{self, FreshnessSource};
use super::scenarios::{Guard, Misreading, Scenario};
use super::state::{
    Command, HIGHEST, Poll, Poller, Purpose, Reader, RedisLease, RedisSession, Required, State,
    Step, Value, Version, Write,
};

impl Scenario {
    pub(super) fn take(&self, state: &mut State, action: Action) {
        match action {
            Action::PassSecond => state.pass_second(),
            Action::BeginWrite(at) => {
                state.replicas[at].write = Write::Begun {
                    minimum: state.replicas[at].minimum,
                };
            }
            Action::Commit(at) => {
                if let Write::Begun { minimum } = state.replicas[at].write {
                    state.database += 1;
                    state.replicas[at].write = Write::Committed {
                        minimum,
                        version: state.database,
                    };
                }
            }
            Action::AcknowledgeWrite(at) => self.acknowledge_write(state, at),
            Action::LoseOutcome(at) => {
                state.replicas[at].write = Write::None;
                state.replicas[at].minimum = HIGHEST;
                self.observe(state, at, HIGHEST);
                state.send(
                    at,
                    Command::Invalidate {
                        version: HIGHEST,
                        purpose: Purpose::Write,
                    },
                );
            }
            Action::Read(at) => self.begin_read(state, at),
            Action::AskRedis(at) => {
                let found =
                    promises::found_in_redis(state, &state.replicas[state.readers[at].replica]);
                state.readers[at].step = Step::Asked { found };
            }
            Action::ReceiveRedisReply(at) => self.receive_redis_reply(state, at),
            Action::LoadFromDatabase(at) => state.load(at),
            Action::ReceiveDatabaseReply(at) => self.receive_database_reply(state, at),
            Action::BeginPoll(at) => self.begin_poll(state, at),
            Action::CompletePoll(at) => self.complete_poll(state, at),
            Action::FailPoll(at) => state.replicas[at].poller.failed = true,
            Action::ReceivePush(at) => {
                let pushes = state.replicas[at].pushes;
                state.replicas[at].pushes = pushes & (pushes - 1);
                let version = Version::try_from(pushes.trailing_zeros()).unwrap();
                self.observe(state, at, version);
            }
            Action::LoseDatabase(at) => {
                state.remaining_faults.database_losses -= 1;
                let replica = &mut state.replicas[at];
                replica.database_is_up = false;
                replica.poller.poll = None;
                if let Write::Begun { .. } = replica.write {
                    replica.write = Write::None;
                }
            }
            Action::RestoreDatabase(at) => state.replicas[at].database_is_up = true,
            Action::Restart(at) => state.restart(at),
            Action::EvictEntry(at) => state.replicas[at].entry = None,
            _ => self.take_at_redis(state, action),
        }
    }

    /// Records that this version, or a later one, exists.
    fn observe(&self, state: &mut State, at: usize, version: Version) {
        let replica = &mut state.replicas[at];
        let yields = |entry| entry < version && (entry > 0 || self.has(Guard::AbsenceInvalidation));
        replica.entry = replica.entry.filter(|&entry| !yields(entry));
        if let Write::Begun { minimum } | Write::Committed { minimum, .. } = &mut replica.write {
            *minimum = version.max(*minimum);
        }
        for reader in state
            .readers
            .iter_mut()
            .filter(|reader| reader.replica == at && reader.is_leader())
        {
            reader.minimum = version.max(reader.minimum);
            reader.is_detached = true;
        }
    }

    fn fill_memory(&self, state: &mut State, at: usize, version: Version, minimum: Version) {
        let newer = state.replicas[at]
            .entry
            .is_some_and(|entry| entry > version);
        let has_lease = version >= minimum || !self.has(Guard::Lease);
        if has_lease && !(newer && self.has(Guard::VersionCheck)) {
            state.broken.order |= newer;
            state.replicas[at].entry = Some(version);
        }
    }

    /// The invalidation is only sent before the acknowledgement, not yet confirmed.
    fn acknowledge_write(&self, state: &mut State, at: usize) {
        let Write::Committed { version, .. } = state.replicas[at].write else {
            return;
        };
        self.observe(state, at, version);
        let Write::Committed { minimum, .. } = state.replicas[at].write else {
            return;
        };
        self.fill_memory(state, at, version, minimum);
        let replica = &mut state.replicas[at];
        replica.write = Write::None;
        replica.minimum = version.max(replica.minimum);
        replica.acknowledged = version.max(replica.acknowledged);
        state.send(
            at,
            Command::Invalidate {
                version,
                purpose: Purpose::Write,
            },
        );
    }

    fn begin_read(&self, state: &mut State, at: usize) {
        let place = state.readers[at].replica;
        let replica = &state.replicas[place];
        let required =
            |source| promises::lowest_allowed(state, replica, source).max(replica.acknowledged);
        let required = Required {
            by_poll: required(FreshnessSource::Poll),
            by_heartbeat: required(FreshnessSource::Heartbeat),
        };
        let leader = state.readers.iter().position(|reader| {
            let is_young = reader.is_young || self.misreads(Misreading::JoinOldRead);
            reader.replica == place && reader.is_leader() && !reader.is_detached && is_young
        });
        if let (Some(leader), true) = (leader, self.has(Guard::ReadCoalescing)) {
            state.readers[at].required = required;
            state.readers[at].step = Step::Joined(leader);
            return;
        }
        let minimum = if self.misreads(Misreading::LeaseWithoutMinimum) {
            0
        } else {
            replica.minimum
        };
        let joined = matches!(replica.session, RedisSession::Joined { .. });
        let step = if joined {
            Step::Asking
        } else {
            Step::Loading { lease: None }
        };
        if self.has(Guard::ReadCoalescing) {
            state
                .readers
                .iter_mut()
                .filter(|reader| reader.replica == place && reader.is_leader())
                .for_each(|reader| {
                    reader.is_detached = true;
                });
        }
        state.readers[at] = Reader {
            replica: place,
            step,
            minimum,
            is_young: true,
            is_detached: false,
            required,
        };
    }

    fn receive_redis_reply(&self, state: &mut State, at: usize) {
        let Step::Asked { found } = state.readers[at].step else {
            return;
        };
        let reader = state.readers[at];
        let replica = &state.replicas[reader.replica];
        let known = if self.has(Guard::VersionCheck) {
            replica.minimum.max(reader.minimum)
        } else {
            0
        };
        let source = promises::redis_freshness(self, replica);
        if let (Some(version), Some(source)) = (found.filter(|&version| version >= known), source) {
            self.deliver(state, at, version, source);
            return;
        }
        let epoch = match replica.session {
            RedisSession::Joined { epoch } if state.server.keys.lease.is_none() => Some(epoch),
            _ => None,
        };
        if epoch.is_some() {
            state.server.keys.lease = Some(at);
        }
        let lease = epoch.map(|epoch| RedisLease { epoch, live: true });
        state.readers[at].step = Step::Loading { lease };
    }

    fn receive_database_reply(&self, state: &mut State, at: usize) {
        let Step::Loaded { version, lease } = state.readers[at].step else {
            return;
        };
        let place = state.readers[at].replica;
        self.deliver(state, at, version, FreshnessSource::Poll);
        let epoch = match (lease, state.replicas[place].session) {
            (Some(_), RedisSession::Joined { epoch })
                if self.misreads(Misreading::FillUnderCurrentEpoch) =>
            {
                epoch
            }
            (Some(RedisLease { epoch, live: true }), _) => epoch,
            _ => return,
        };
        state.send(
            place,
            Command::Fill {
                token: at,
                value: Value { epoch, version },
            },
        );
    }

    /// Answers the reader and all readers that joined its query, and fills the in-process cache.
    fn deliver(&self, state: &mut State, at: usize, version: Version, source: FreshnessSource) {
        let Reader {
            replica, minimum, ..
        } = state.readers[at];
        for (other, reader) in state.readers.iter_mut().enumerate() {
            if other == at || reader.step == Step::Joined(at) {
                let required = match source {
                    FreshnessSource::Poll => reader.required.by_poll,
                    FreshnessSource::Heartbeat => reader.required.by_heartbeat,
                };
                state.broken.reader |= version < required;
                reader.end();
            }
        }
        self.fill_memory(state, replica, version, minimum);
    }

    /// A poll without new events completes at once. A slower one would only make fewer cached values fresh.
    fn begin_poll(&self, state: &mut State, at: usize) {
        let seen = state.database;
        let replica = &mut state.replicas[at];
        replica.poller.poll = Some(Poll {
            seen,
            fresh: true,
            is_continuous: replica.session != RedisSession::Down,
        });
        if replica.poller.polled == Some(seen) {
            self.complete_poll(state, at);
        }
    }

    fn complete_poll(&self, state: &mut State, at: usize) {
        let poller = &mut state.replicas[at].poller;
        let Some(poll) = poller.poll.take() else {
            return;
        };
        let has_new_events = poller.polled.is_some_and(|polled| poll.seen > polled);
        poller.polled = poller.polled.max(Some(poll.seen));
        poller.fresh |= poll.fresh;
        poller.is_continuous = poll.is_continuous;
        poller.failed = false;
        if has_new_events {
            state.replicas[at].minimum = poll.seen.max(state.replicas[at].minimum);
            self.observe(state, at, poll.seen);
        }
        match state.replicas[at].session {
            RedisSession::Joined { .. } => {
                self.invalidate_new_events(state, at, poll, has_new_events);
            }
            RedisSession::Joining { .. } | RedisSession::CatchingUp { .. }
                if self.misreads(Misreading::AdvanceBeforeCaughtUp) && !has_new_events =>
            {
                self.advance(state, at, poll.seen);
            }
            RedisSession::Joining { .. } | RedisSession::CatchingUp { .. } | RedisSession::Down => {
            }
        }
    }

    /// Invalidates all events of this and earlier polls that Redis has not confirmed.
    fn invalidate_new_events(
        &self,
        state: &mut State,
        at: usize,
        poll: Poll,
        has_new_events: bool,
    ) {
        let poller = &mut state.replicas[at].poller;
        if has_new_events
            || poll.seen > poller.invalidated
                && !self.misreads(Misreading::AdvanceOverUnconfirmedInvalidation)
        {
            let purpose = Purpose::Poll { fresh: poll.fresh };
            state.send(
                at,
                Command::Invalidate {
                    version: poll.seen,
                    purpose,
                },
            );
            return;
        }
        poller.fresh_for_redis |= poll.fresh;
        if poll.seen > poller.invalidated {
            poller.invalidated = poll.seen;
            self.advance(state, at, poll.seen);
        }
    }
}

impl State {
    fn pass_second(&mut self) {
        self.database_at_tick = self.database;
        self.server.invalidated_at_tick = self.server.invalidated;
        for replica in &mut self.replicas {
            replica.heartbeat = false;
            replica.poller.fresh = false;
            replica.poller.fresh_for_redis = false;
            replica.poller.poll = replica.poller.poll.map(|poll| Poll {
                fresh: false,
                ..poll
            });
        }
        for message in &mut self.messages {
            if let Command::Invalidate {
                purpose: Purpose::Poll { fresh },
                ..
            } = &mut message.command
            {
                *fresh = false;
            }
        }
        for reader in &mut self.readers {
            reader.is_young = false;
        }
    }

    /// If the database is unreachable, the reader and all readers that joined it get a 503.
    fn load(&mut self, at: usize) {
        let Step::Loading { lease } = self.readers[at].step else {
            return;
        };
        if self.replicas[self.readers[at].replica].database_is_up {
            self.readers[at].step = Step::Loaded {
                version: self.database,
                lease,
            };
            return;
        }
        for (other, reader) in self.readers.iter_mut().enumerate() {
            if other == at || reader.step == Step::Joined(at) {
                reader.end();
            }
        }
    }

    fn restart(&mut self, at: usize) {
        self.remaining_faults.restarts -= 1;
        self.drop_session(at);
        let replica = &mut self.replicas[at];
        replica.entry = None;
        replica.minimum = 0;
        replica.write = Write::None;
        replica.heartbeat = false;
        replica.poller = Poller {
            polled: None,
            invalidated: 0,
            poll: None,
            fresh: false,
            fresh_for_redis: false,
            is_continuous: false,
            failed: false,
        };
        self.readers
            .iter_mut()
            .filter(|reader| reader.replica == at && reader.step != Step::Idle)
            .for_each(Reader::end);
    }
}

impl Reader {
    /// Whether it holds a lease. Others may join it unless it is detached.
    fn is_leader(&self) -> bool {
        !matches!(self.step, Step::Idle | Step::Joined(_) | Step::Done)
    }

    fn end(&mut self) {
        *self = Self {
            replica: self.replica,
            step: Step::Done,
            minimum: 0,
            is_young: false,
            is_detached: false,
            required: Required::default(),
        };
    }
}
