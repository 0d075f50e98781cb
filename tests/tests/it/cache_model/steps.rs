//! What each step does in a replica: reads, writes, polls, and what it hears.

use super::model::{Action, Guard, Misreading, Scenario};
use super::promises::{self, Voucher};
use super::state::{
    Command, HIGHEST, Link, Owed, Poll, Purpose, Reader, State, Step, Tail, Ticket, Value, Version,
    Write,
};

impl Scenario {
    pub(super) fn take(&self, state: &mut State, action: Action) {
        match action {
            Action::SecondPasses => state.second_passes(),
            Action::BeginWrite(at) => {
                state.replicas[at].write = Write::Begun {
                    floor: state.replicas[at].floor,
                };
            }
            Action::Commit(at) => {
                if let Write::Begun { floor } = state.replicas[at].write {
                    state.database += 1;
                    state.replicas[at].write = Write::Committed {
                        floor,
                        version: state.database,
                    };
                }
            }
            Action::AcknowledgeWrite(at) => self.acknowledge_write(state, at),
            Action::LoseOutcome(at) => {
                state.replicas[at].write = Write::None;
                state.replicas[at].floor = HIGHEST;
                self.note(state, at, HIGHEST);
                state.send(
                    at,
                    Command::Mark {
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
            Action::HearRedis(at) => self.hear_redis(state, at),
            Action::LoadFromDatabase(at) => state.load(at),
            Action::HearDatabase(at) => self.hear_database(state, at),
            Action::BeginPoll(at) => self.begin_poll(state, at),
            Action::CompletePoll(at) => self.complete_poll(state, at),
            Action::FailPoll(at) => state.replicas[at].tail.failed = true,
            Action::HearPush(at) => {
                let pushes = state.replicas[at].pushes;
                state.replicas[at].pushes = pushes & (pushes - 1);
                let version = Version::try_from(pushes.trailing_zeros()).unwrap();
                self.note(state, at, version);
            }
            Action::LoseDatabase(at) => {
                state.left.database_losses -= 1;
                let replica = &mut state.replicas[at];
                replica.database_is_up = false;
                replica.tail.poll = None;
                if let Write::Begun { .. } = replica.write {
                    replica.write = Write::None;
                }
            }
            Action::FindDatabase(at) => state.replicas[at].database_is_up = true,
            Action::Restart(at) => state.restart(at),
            Action::EvictEntry(at) => state.replicas[at].entry = None,
            _ => self.take_at_redis(state, action),
        }
    }

    /// Takes in that a version at least this high exists.
    fn note(&self, state: &mut State, at: usize, version: Version) {
        let replica = &mut state.replicas[at];
        let yields = |entry| entry < version && (entry > 0 || self.has(Guard::AbsenceYields));
        replica.entry = replica.entry.filter(|&entry| !yields(entry));
        if let Write::Begun { floor } | Write::Committed { floor, .. } = &mut replica.write {
            *floor = version.max(*floor);
        }
        for reader in state
            .readers
            .iter_mut()
            .filter(|reader| reader.replica == at && reader.leads())
        {
            reader.floor = version.max(reader.floor);
            reader.detached = true;
        }
    }

    fn fill_first_tier(&self, state: &mut State, at: usize, version: Version, floor: Version) {
        let newer = state.replicas[at]
            .entry
            .is_some_and(|entry| entry > version);
        let has_lease = version >= floor || !self.has(Guard::Lease);
        if has_lease && !(newer && self.has(Guard::VersionCheck)) {
            state.broken.order |= newer;
            state.replicas[at].entry = Some(version);
        }
    }

    /// Before the acknowledgement the mark is on its way to Redis, not more.
    fn acknowledge_write(&self, state: &mut State, at: usize) {
        let Write::Committed { version, .. } = state.replicas[at].write else {
            return;
        };
        self.note(state, at, version);
        let Write::Committed { floor, .. } = state.replicas[at].write else {
            return;
        };
        self.fill_first_tier(state, at, version, floor);
        let replica = &mut state.replicas[at];
        replica.write = Write::None;
        replica.floor = version.max(replica.floor);
        replica.acknowledged = version.max(replica.acknowledged);
        state.send(
            at,
            Command::Mark {
                version,
                purpose: Purpose::Write,
            },
        );
    }

    fn begin_read(&self, state: &mut State, at: usize) {
        let place = state.readers[at].replica;
        let replica = &state.replicas[place];
        let owed = |voucher| promises::least(state, replica, voucher).max(replica.acknowledged);
        let owed = Owed {
            by_poll: owed(Voucher::Poll),
            by_heartbeat: owed(Voucher::Heartbeat),
        };
        let flight = state.readers.iter().position(|reader| {
            let young = reader.young || self.misreads(Misreading::JoinOldFlight);
            reader.replica == place && reader.leads() && !reader.detached && young
        });
        if let (Some(leader), true) = (flight, self.has(Guard::SharedFlight)) {
            state.readers[at].owed = owed;
            state.readers[at].step = Step::Joined(leader);
            return;
        }
        let floor = if self.misreads(Misreading::LeaseWithoutFloor) {
            0
        } else {
            replica.floor
        };
        let joined = matches!(replica.link, Link::Joined { .. });
        let step = if joined {
            Step::Asking
        } else {
            Step::Loading { ticket: None }
        };
        if self.has(Guard::SharedFlight) {
            state
                .readers
                .iter_mut()
                .filter(|reader| reader.replica == place && reader.leads())
                .for_each(|reader| {
                    reader.detached = true;
                });
        }
        state.readers[at] = Reader {
            replica: place,
            step,
            floor,
            young: true,
            detached: false,
            owed,
        };
    }

    fn hear_redis(&self, state: &mut State, at: usize) {
        let Step::Asked { found } = state.readers[at].step else {
            return;
        };
        let reader = state.readers[at];
        let replica = &state.replicas[reader.replica];
        let known = if self.has(Guard::VersionCheck) {
            replica.floor.max(reader.floor)
        } else {
            0
        };
        let voucher = promises::second_tier_voucher(self, replica);
        if let (Some(version), Some(voucher)) = (found.filter(|&version| version >= known), voucher)
        {
            self.deliver(state, at, version, voucher);
            return;
        }
        let epoch = match replica.link {
            Link::Joined { epoch } if state.server.keys.lease.is_none() => Some(epoch),
            _ => None,
        };
        if epoch.is_some() {
            state.server.keys.lease = Some(at);
        }
        let ticket = epoch.map(|epoch| Ticket { epoch, live: true });
        state.readers[at].step = Step::Loading { ticket };
    }

    fn hear_database(&self, state: &mut State, at: usize) {
        let Step::Loaded { version, ticket } = state.readers[at].step else {
            return;
        };
        let place = state.readers[at].replica;
        self.deliver(state, at, version, Voucher::Poll);
        let epoch = match (ticket, state.replicas[place].link) {
            (Some(_), Link::Joined { epoch }) if self.misreads(Misreading::FillUnderAnyEpoch) => {
                epoch
            }
            (Some(Ticket { epoch, live: true }), _) => epoch,
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

    /// Answers the reader and all who joined its flight, and fills the first tier.
    fn deliver(&self, state: &mut State, at: usize, version: Version, voucher: Voucher) {
        let Reader { replica, floor, .. } = state.readers[at];
        for (other, reader) in state.readers.iter_mut().enumerate() {
            if other == at || reader.step == Step::Joined(at) {
                let owed = match voucher {
                    Voucher::Poll => reader.owed.by_poll,
                    Voucher::Heartbeat => reader.owed.by_heartbeat,
                };
                state.broken.reader |= version < owed;
                reader.end();
            }
        }
        self.fill_first_tier(state, replica, version, floor);
    }

    /// A poll that sees nothing new completes at once: were it slow, fewer cached values would be served meanwhile.
    fn begin_poll(&self, state: &mut State, at: usize) {
        let seen = state.database;
        let replica = &mut state.replicas[at];
        replica.tail.poll = Some(Poll {
            seen,
            fresh: true,
            vouched: replica.link != Link::Down,
        });
        if replica.tail.polled == Some(seen) {
            self.complete_poll(state, at);
        }
    }

    fn complete_poll(&self, state: &mut State, at: usize) {
        let tail = &mut state.replicas[at].tail;
        let Some(poll) = tail.poll.take() else { return };
        let news = tail.polled.is_some_and(|polled| poll.seen > polled);
        tail.polled = tail.polled.max(Some(poll.seen));
        tail.fresh |= poll.fresh;
        tail.vouched = poll.vouched;
        tail.failed = false;
        if news {
            state.replicas[at].floor = poll.seen.max(state.replicas[at].floor);
            self.note(state, at, poll.seen);
        }
        match state.replicas[at].link {
            Link::Joined { .. } => self.mark_news(state, at, poll, news),
            Link::Joining { .. } | Link::CatchingUp { .. }
                if self.misreads(Misreading::AdvanceBeforeCaughtUp) && !news =>
            {
                self.advance(state, at, poll.seen);
            }
            Link::Joining { .. } | Link::CatchingUp { .. } | Link::Down => {}
        }
    }

    /// Marks all that a poll has seen and Redis has not confirmed, be it of this poll or of one before.
    fn mark_news(&self, state: &mut State, at: usize, poll: Poll, news: bool) {
        let tail = &mut state.replicas[at].tail;
        if news || poll.seen > tail.marked && !self.misreads(Misreading::AdvanceOverUnconfirmedMark)
        {
            let purpose = Purpose::Poll { fresh: poll.fresh };
            state.send(
                at,
                Command::Mark {
                    version: poll.seen,
                    purpose,
                },
            );
            return;
        }
        tail.fresh_in_redis |= poll.fresh;
        if poll.seen > tail.marked {
            tail.marked = poll.seen;
            self.advance(state, at, poll.seen);
        }
    }
}

impl State {
    fn second_passes(&mut self) {
        self.database_at_tick = self.database;
        self.server.marked_at_tick = self.server.marked;
        for replica in &mut self.replicas {
            replica.heartbeat = false;
            replica.tail.fresh = false;
            replica.tail.fresh_in_redis = false;
            replica.tail.poll = replica.tail.poll.map(|poll| Poll {
                fresh: false,
                ..poll
            });
        }
        for message in &mut self.messages {
            if let Command::Mark {
                purpose: Purpose::Poll { fresh },
                ..
            } = &mut message.command
            {
                *fresh = false;
            }
        }
        for reader in &mut self.readers {
            reader.young = false;
        }
    }

    /// A reader that cannot read the database gets a 503, and so do those who joined it.
    fn load(&mut self, at: usize) {
        let Step::Loading { ticket } = self.readers[at].step else {
            return;
        };
        if self.replicas[self.readers[at].replica].database_is_up {
            self.readers[at].step = Step::Loaded {
                version: self.database,
                ticket,
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
        self.left.restarts -= 1;
        self.drop_link(at);
        let replica = &mut self.replicas[at];
        replica.entry = None;
        replica.floor = 0;
        replica.write = Write::None;
        replica.heartbeat = false;
        replica.tail = Tail {
            polled: None,
            marked: 0,
            poll: None,
            fresh: false,
            fresh_in_redis: false,
            vouched: false,
            failed: false,
        };
        self.readers
            .iter_mut()
            .filter(|reader| reader.replica == at && reader.step != Step::Idle)
            .for_each(Reader::end);
    }
}

impl Reader {
    /// Holds a lease; others may join it unless its flight is detached.
    fn leads(&self) -> bool {
        !matches!(self.step, Step::Idle | Step::Joined(_) | Step::Done)
    }

    fn end(&mut self) {
        *self = Self {
            replica: self.replica,
            step: Step::Done,
            floor: 0,
            young: false,
            detached: false,
            owed: Owed::default(),
        };
    }
}
