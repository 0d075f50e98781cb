//! Threads that read, write, erase and flush one user at once: nothing older than what was raised is ever given.

use std::sync::atomic::AtomicI64;
use std::thread;

use super::*;

const ROUNDS: u64 = 60;
const STEPS: usize = 60;
const READERS: u64 = 3;
const VERSIONS: i64 = 40;
/// What a store holds after an erasure, as it is raised.
const ERASED: i64 = i64::MAX;

/// One user in a store, and what the tier has been told of it.
struct Row {
    tier: Arc<FirstTier>,
    versions: Vec<Arc<User>>,
    /// The version that the store holds.
    held: AtomicI64,
    /// The version up to which the tier has been told.
    raised: AtomicI64,
}

/// Draws numbers, the same for the same seed: what is left to chance is the order of the threads.
struct Dice(u64);

impl Dice {
    fn draw(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn dawdle(&mut self) {
        for _ in 0..self.draw(3) {
            thread::yield_now();
        }
    }
}

impl Row {
    fn new(bytes: u64) -> Self {
        Self {
            tier: tier_of(bytes),
            versions: history(VERSIONS),
            held: AtomicI64::new(1),
            raised: AtomicI64::new(0),
        }
    }

    fn id(&self) -> UserId {
        self.versions[0].id
    }

    fn stored(&self) -> Option<Arc<User>> {
        let place = usize::try_from(self.held.load(Ordering::SeqCst) - 1).unwrap();
        self.versions.get(place).cloned()
    }

    /// What is not younger than a version: an absence is as young as an erasure.
    fn age_of(user: Option<&Arc<User>>) -> i64 {
        user.map_or(ERASED, |user| user.version.get())
    }

    fn write(&self, version: i64) {
        self.held.fetch_max(version, Ordering::SeqCst);
        self.tier.raise(self.id(), version);
        self.raised.fetch_max(version, Ordering::SeqCst);
    }

    fn writes(&self, mut dice: Dice) {
        for version in 2..=VERSIONS {
            dice.dawdle();
            match dice.draw(3) {
                // As a write of this replica does.
                0 => {
                    let lease = self.tier.lease(self.id());
                    dice.dawdle();
                    self.write(version);
                    self.tier.fill(lease, self.stored().as_ref());
                }
                1 => self.write(version),
                _ => {}
            }
            if dice.draw(8) == 0 {
                self.tier.flush();
            }
        }
        self.write(if dice.draw(2) == 0 { ERASED } else { VERSIONS });
    }

    fn reads(&self, mut dice: Dice) {
        for _ in 0..STEPS {
            let raised = self.raised.load(Ordering::SeqCst);
            let told = match self.tier.begin(self.id()) {
                Begun::Known(entry) => Some(entry.user),
                Begun::Leading(held) => {
                    dice.dawdle();
                    let found = self.stored();
                    dice.dawdle();
                    if dice.draw(6) > 0 {
                        self.tier.fill(held, found.as_ref());
                    }
                    None
                }
                Begun::Joined(flight) => {
                    futures_util::FutureExt::now_or_never(flight).and_then(Result::ok)
                }
            };
            if let Some(told) = told {
                let told = Self::age_of(told.as_ref());
                assert!(told >= raised, "{told} after {raised} was raised");
            }
            dice.dawdle();
        }
    }
}

fn race(bytes: u64) {
    for round in 0..ROUNDS {
        let row = Row::new(bytes);
        thread::scope(|scope| {
            for number in 0..READERS {
                let row = &row;
                scope.spawn(move || row.reads(Dice(round * 10 + number)));
            }
            scope.spawn(|| row.writes(Dice(round * 10 + 9)));
        });
        if let Begun::Known(entry) = row.tier.begin(row.id()) {
            let left = Row::age_of(entry.user.as_ref());
            assert!(left >= row.raised.load(Ordering::SeqCst), "{left} is left");
            assert_eq!(entry.user, row.stored());
        }
        assert!(!has_leases(&row.tier));
    }
}

#[test]
fn racing_fills_and_raises_leave_nothing_older_than_what_was_raised() {
    race(ROOM);
}

#[test]
fn nor_do_they_where_there_is_room_for_one_entry_at_most() {
    race(4_096);
}

#[test]
fn who_joins_in_a_race_without_memory_gets_nothing_older() {
    race(0);
}

#[test]
fn racing_writers_leave_the_newest_or_nothing() {
    for _ in 0..ROUNDS {
        let row = Row::new(ROOM);
        thread::scope(|scope| {
            for first in 0..4 {
                let row = &row;
                scope.spawn(move || {
                    for version in (2 + first..=VERSIONS).step_by(4) {
                        let lease = row.tier.lease(row.id());
                        thread::yield_now();
                        let place = usize::try_from(version - 1).unwrap();
                        row.tier.raise(row.id(), version);
                        row.tier.fill(lease, Some(&row.versions[place]));
                    }
                });
            }
        });
        assert!(known(&row.tier, row.id()).is_none_or(|left| left == VERSIONS));
        assert!(!has_leases(&row.tier));
    }
}

/// moka hides what it has flushed until it tidies up, and shows it again for a moment while it is being replaced.
#[test]
fn what_was_raised_while_it_was_hidden_does_not_flash_up() {
    let (tier, [first, second, _]) = (tier(), three());
    let id = first.id;
    for _ in 0..4_000 {
        tier.raise(id, 3);
        tier.fill(tier.lease(id), Some(&first));
        tier.entries.invalidate_all();
        tier.raise(id, 2);
        let held = tier.lease(id);
        thread::scope(|scope| {
            scope.spawn(|| tier.fill(held, Some(&second)));
            for _ in 0..50 {
                assert_ne!(known(&tier, id), Some(1), "2 was raised");
            }
        });
    }
}
