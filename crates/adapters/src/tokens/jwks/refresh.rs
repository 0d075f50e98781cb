//! The thread that reads the keys, again and again.

use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use metrics::{counter, gauge};
use user_domain::ports::Clock;

use super::document::{self, Document};
use super::source::Source;
use super::{KEYS, Kept, LAST_SUCCESS, REFRESHES};
use crate::tokens::jwt::{Key, Keys};

/// How long after the first failure the keys are read again; twice as long after each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// How long at most, so that a source that is back is found soon.
const LAST_RETRY: Duration = Duration::from_mins(1);

/// What makes the thread go on before its time.
pub(super) enum Wake {
    /// Somebody asks for a key that is not known.
    Refresh,
    /// Nobody needs keys any more.
    Stop,
}

/// Reads the keys from their sources, and keeps them where all can see them.
pub(super) struct Refresher {
    slots: Vec<Slot>,
    every: Duration,
    kept: Arc<Kept>,
    clock: Arc<dyn Clock>,
}

/// A source with what it last said that was good.
struct Slot {
    source: Source,
    text: Option<Vec<u8>>,
    keys: Vec<Key>,
}

impl Refresher {
    pub(super) fn new(
        sources: Vec<Source>,
        every: Duration,
        kept: Arc<Kept>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let slot = |source| Slot {
            source,
            text: None,
            keys: Vec::new(),
        };
        // From the start, so that an alert can tell zero from nothing.
        for outcome in ["ok", "error"] {
            counter!(REFRESHES, "outcome" => outcome).increment(0);
        }
        gauge!(KEYS).set(0.0);
        gauge!(LAST_SUCCESS).set(0.0);
        Self {
            slots: sources.into_iter().map(slot).collect(),
            every,
            kept,
            clock,
        }
    }

    /// Reads the keys until it is told to stop, or nobody is left who could tell it.
    pub(super) fn run(mut self, wakes: &Receiver<Wake>) {
        let mut failures = 0_u32;
        loop {
            self.kept.progress().running = true;
            // Who has asked until now is answered by the attempt that begins here.
            loop {
                match wakes.try_recv() {
                    Ok(Wake::Refresh) => {}
                    Ok(Wake::Stop) | Err(TryRecvError::Disconnected) => return,
                    Err(TryRecvError::Empty) => break,
                }
            }
            failures = if self.attempt() {
                0
            } else {
                failures.saturating_add(1)
            };
            match wakes.recv_timeout(pause(self.every, failures)) {
                Ok(Wake::Refresh) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Makes one attempt, and tells whether every source was good.
    pub(super) fn attempt(&mut self) -> bool {
        // A defect must not end the thread: keys that nobody follows any more would be believed for ever.
        let read = catch_unwind(AssertUnwindSafe(|| self.read_all()));
        let is_whole = read.unwrap_or_else(|_| {
            tracing::error!("reading the keys of tokens has failed by a defect");
            false
        });
        self.end_of_attempt(is_whole);
        is_whole
    }

    /// Reads every source, and tells whether all were good. What a bad one said before stays.
    fn read_all(&mut self) -> bool {
        let mut are_good = true;
        let mut have_changed = false;
        for slot in &mut self.slots {
            match slot.read() {
                Ok(has_changed) => have_changed |= has_changed,
                Err(cause) => {
                    are_good = false;
                    let source = slot.source.kind();
                    tracing::warn!(source, %cause, "the keys of tokens could not be read; those known stay");
                }
            }
        }
        if have_changed {
            self.publish();
        }
        are_good
    }

    fn publish(&self) {
        let keys: Vec<Key> = self
            .slots
            .iter()
            .flat_map(|slot| slot.keys.clone())
            .collect();
        let count = keys.len();
        let mut kept = self
            .kept
            .keys
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = Arc::new(Keys(keys));
        drop(kept);
        #[expect(
            clippy::cast_precision_loss,
            reason = "there are a hundred or so at most"
        )]
        gauge!(KEYS).set(count as f64);
        tracing::info!(keys = count, "the keys of tokens have changed");
    }

    fn end_of_attempt(&self, is_whole: bool) {
        let outcome = if is_whole { "ok" } else { "error" };
        counter!(REFRESHES, "outcome" => outcome).increment(1);
        if is_whole {
            #[expect(
                clippy::cast_precision_loss,
                reason = "seconds since 1970 are far below 2^52"
            )]
            gauge!(LAST_SUCCESS).set(self.clock.now().as_utc().timestamp() as f64);
        }
        let mut progress = self.kept.progress();
        progress.running = false;
        progress.is_whole |= self.slots.iter().all(|slot| slot.text.is_some());
        // While it is held: who asks now, asks for the next attempt.
        self.kept.ended.send_modify(|ended| *ended += 1);
    }
}

impl Slot {
    /// Reads the source, and tells whether it says something new.
    fn read(&mut self) -> Result<bool, String> {
        let text = self.source.read().map_err(|error| error.to_string())?;
        if self.text.as_ref() == Some(&text) {
            return Ok(false);
        }
        let Document { keys, ignored } =
            document::read(&text).map_err(|error| error.to_string())?;
        for key in ignored {
            let source = self.source.kind();
            tracing::warn!(
                source,
                place = key.place,
                cause = key.reason,
                "a key of tokens is ignored"
            );
        }
        self.keys = keys;
        self.text = Some(text);
        Ok(true)
    }
}

/// How long to wait after so many failures in a row; at random somewhat less, so that replicas do not ask as one.
fn pause(every: Duration, failures: u32) -> Duration {
    let whole = match failures.checked_sub(1) {
        None => every,
        Some(doublings) => FIRST_RETRY
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(LAST_RETRY)
            .min(every),
    };
    let draw = u16::try_from(RandomState::new().hash_one(failures) % 1000).unwrap_or_default();
    whole.mul_f64(1.0 - f64::from(draw) / 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_fails_is_asked_again_soon_and_then_ever_less_often() {
        let every = Duration::from_mins(5);
        for (failures, whole) in [(0, 300), (1, 1), (2, 2), (3, 4), (7, 60), (u32::MAX, 60)] {
            let whole = Duration::from_secs(whole);
            let pause = pause(every, failures);
            assert!(
                pause <= whole && pause >= whole.mul_f64(0.9),
                "{failures}: {pause:?}"
            );
        }
        assert!(pause(Duration::from_secs(10), 30) <= Duration::from_secs(10));
    }

    #[test]
    fn replicas_do_not_ask_as_one() {
        let every = Duration::from_mins(5);
        let pauses: std::collections::BTreeSet<_> = (0..20).map(|_| pause(every, 0)).collect();
        assert!(pauses.len() > 1);
    }
}
