//! Threads read, write, erase and flush one user concurrently. No read returns an older revision than a known one.

use std::sync::atomic::AtomicI64;
use std::thread;

use super::*;

const ROUNDS: u64 = 60;
const READS: usize = 60;
const READERS: u64 = 3;
const REVISIONS: i64 = 40;
/// The revision that an erasure invalidates.
const ERASED: i64 = i64::MAX;

/// One user in a store, and a tier that caches the user.
struct Row {
    tier: Arc<MemoryTier>,
    revisions: Vec<Arc<User>>,
    /// The revision in the store.
    stored_revision: AtomicI64,
    /// The revision up to which the tier was invalidated.
    invalidated_to: AtomicI64,
}

/// A seeded random number generator. Only the order of the threads is left to chance.
struct Dice(u64);

impl Dice {
    fn draw(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pause(&mut self) {
        for _ in 0..self.draw(3) {
            thread::yield_now();
        }
    }
}

impl Row {
    fn new(bytes: u64) -> Self {
        Self {
            tier: tier_of(bytes),
            revisions: history(REVISIONS),
            stored_revision: AtomicI64::new(1),
            invalidated_to: AtomicI64::new(0),
        }
    }

    fn id(&self) -> UserId {
        self.revisions[0].id
    }

    fn stored(&self) -> Option<Arc<User>> {
        let place = usize::try_from(self.stored_revision.load(Ordering::SeqCst) - 1).unwrap();
        self.revisions.get(place).cloned()
    }

    /// Returns the revision of a result. An absence counts as an erasure.
    fn revision_or_erased(user: Option<&Arc<User>>) -> i64 {
        user.map_or(ERASED, |user| user.revision.get())
    }

    fn write(&self, revision: i64) {
        self.stored_revision.fetch_max(revision, Ordering::SeqCst);
        self.tier.invalidate(self.id(), revision);
        self.invalidated_to.fetch_max(revision, Ordering::SeqCst);
    }

    fn write_revisions(&self, mut dice: Dice) {
        for revision in 2..=REVISIONS {
            dice.pause();
            match dice.draw(3) {
                // A write of this replica.
                0 => {
                    let lease = self.tier.lease(self.id());
                    dice.pause();
                    self.write(revision);
                    self.tier.fill(lease, self.stored().as_ref());
                }
                // A write of another replica.
                1 => self.write(revision),
                _ => {}
            }
            if dice.draw(8) == 0 {
                self.tier.flush();
            }
        }
        self.write(if dice.draw(2) == 0 { ERASED } else { REVISIONS });
    }

    fn read_repeatedly(&self, mut dice: Dice) {
        for _ in 0..READS {
            let known = self.invalidated_to.load(Ordering::SeqCst);
            let result = match self.tier.look_up(self.id()) {
                MemoryLookup::Known(entry) => Some(entry.user),
                MemoryLookup::Leading(lease) => {
                    dice.pause();
                    let found = self.stored();
                    dice.pause();
                    if dice.draw(6) > 0 {
                        self.tier.fill(lease, found.as_ref());
                    }
                    None
                }
                MemoryLookup::Joined(flight) => {
                    futures_util::FutureExt::now_or_never(flight).and_then(Result::ok)
                }
            };
            if let Some(result) = result {
                let result = Self::revision_or_erased(result.as_ref());
                assert!(result >= known, "{result} after {known} was known");
            }
            dice.pause();
        }
    }
}

fn race(bytes: u64) {
    for round in 0..ROUNDS {
        let row = Row::new(bytes);
        thread::scope(|scope| {
            for number in 0..READERS {
                let row = &row;
                scope.spawn(move || row.read_repeatedly(Dice(round * 10 + number)));
            }
            scope.spawn(|| row.write_revisions(Dice(round * 10 + 9)));
        });
        if let MemoryLookup::Known(entry) = row.tier.look_up(row.id()) {
            let left = Row::revision_or_erased(entry.user.as_ref());
            assert!(
                left >= row.invalidated_to.load(Ordering::SeqCst),
                "{left} is cached"
            );
            assert_eq!(entry.user, row.stored());
        }
        assert!(!has_leases(&row.tier));
    }
}

#[test]
fn racing_fills_and_invalidations_leave_nothing_older() {
    race(CAPACITY);
}

#[test]
fn racing_fills_with_room_for_one_entry_leave_nothing_older() {
    race(4_096);
}

#[test]
fn a_joined_reader_without_memory_gets_nothing_older() {
    race(0);
}

#[test]
fn racing_writers_leave_the_newest_revision_or_no_entry() {
    for _ in 0..ROUNDS {
        let row = Row::new(CAPACITY);
        thread::scope(|scope| {
            for first in 0..4 {
                let row = &row;
                scope.spawn(move || {
                    for revision in (2 + first..=REVISIONS).step_by(4) {
                        let lease = row.tier.lease(row.id());
                        thread::yield_now();
                        let place = usize::try_from(revision - 1).unwrap();
                        row.tier.invalidate(row.id(), revision);
                        row.tier.fill(lease, Some(&row.revisions[place]));
                    }
                });
            }
        });
        assert!(known(&row.tier, row.id()).is_none_or(|left| left == REVISIONS));
        assert!(!has_leases(&row.tier));
    }
}

/// moka hides flushed entries until its maintenance, and shows one for a moment while it is being replaced.
#[test]
fn an_entry_invalidated_while_hidden_does_not_reappear() {
    let (tier, [first, second, _]) = (tier(), three());
    let id = first.id;
    for _ in 0..4_000 {
        tier.invalidate(id, 3);
        tier.fill(tier.lease(id), Some(&first));
        tier.entries.invalidate_all();
        tier.invalidate(id, 2);
        let lease = tier.lease(id);
        thread::scope(|scope| {
            scope.spawn(|| tier.fill(lease, Some(&second)));
            for _ in 0..50 {
                assert_ne!(known(&tier, id), Some(1), "2 was known");
            }
        });
    }
}
