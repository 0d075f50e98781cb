//! The bodies that are being received, and large bodies until they are parsed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{ByteBudget, CallerKey, HeldBytes};
use crate::metric_names::{ENDED_BODIES, HELD_BODIES, HELD_BODY_BYTES};

/// The limit of one user.
const USER_LIMIT: Limit = Limit {
    bodies: 64,
    bytes: 8 * MIB,
};

/// The limit of one service, which sends requests for many people.
const SERVICE_LIMIT: Limit = Limit {
    bodies: 512,
    bytes: 32 * MIB,
};

const MIB: usize = 1024 * 1024;

/// The number of bytes added to each body when speeds are compared, so that a new body is not the slowest.
const INITIAL_BYTES: usize = 1024;

/// The held bodies, by caller.
///
/// At the limit of a caller, the slowest of its incomplete bodies is ended. At the limit over all callers, it is the
/// slowest incomplete body of the caller with the most. A complete body is never ended.
#[derive(Debug, Clone)]
pub(crate) struct HeldBodies(Arc<Mutex<Table>>);

/// A body that is counted in [`HeldBodies`] until this is dropped.
#[derive(Debug)]
pub(crate) struct HeldBody {
    bodies: HeldBodies,
    caller: CallerKey,
    id: u64,
}

/// Completes when its body is ended. It never completes after the whole body has arrived.
pub(crate) type BodyEnd = oneshot::Receiver<()>;

/// Why a body is no longer or not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyNotHeld {
    /// The body was the slowest when a limit was reached.
    Slowest,
    /// A limit is reached, and there is no incomplete body to end.
    LimitReached,
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    bodies: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Table {
    callers: HashMap<CallerKey, Vec<Body>>,
    count: usize,
    limit: usize,
    bytes: ByteBudget,
    next_id: u64,
}

#[derive(Debug)]
struct Body {
    id: u64,
    started: Instant,
    bytes: HeldBytes,
    /// Set while the body is incomplete. Dropping it ends the body.
    end_sender: Option<oneshot::Sender<()>>,
}

impl HeldBodies {
    /// Creates a table of at most `limit` bodies with at most `bytes` in total.
    pub(crate) fn new(limit: usize, bytes: usize) -> Self {
        Self(Arc::new(Mutex::new(Table {
            callers: HashMap::new(),
            count: 0,
            limit,
            bytes: ByteBudget::new(bytes),
            next_id: 0,
        })))
    }

    /// Counts a body of this caller, of which `bytes` have arrived.
    ///
    /// # Errors
    /// [`BodyNotHeld`].
    pub(crate) fn hold(
        &self,
        caller: CallerKey,
        bytes: usize,
    ) -> Result<(HeldBody, BodyEnd), BodyNotHeld> {
        let (end_sender, end) = oneshot::channel();
        let mut table = self.table();
        table.evict_for_new_body(&caller)?;
        let id = table.insert(caller.clone(), end_sender);
        let held = HeldBody {
            bodies: self.clone(),
            caller,
            id,
        };
        let grown = table.grow(&held, bytes);
        drop(table);
        grown.map(|()| (held, end))
    }

    /// Records the gauges of this process.
    pub(crate) fn record(&self) {
        let table = self.table();
        metrics::gauge!(HELD_BODIES).set(as_gauge(table.count));
        metrics::gauge!(HELD_BODY_BYTES).set(as_gauge(table.bytes.held()));
    }

    /// The number of bodies that are held.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.table().count
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldBody {
    /// Increases the counted size of the body to `bytes`.
    ///
    /// # Errors
    /// [`BodyNotHeld`].
    pub(crate) fn grow(&self, bytes: usize) -> Result<(), BodyNotHeld> {
        self.bodies.table().grow(self, bytes)
    }

    /// Marks the body as complete.
    ///
    /// # Errors
    /// [`BodyNotHeld::Slowest`] if the body was already ended.
    pub(crate) fn complete(&self) -> Result<(), BodyNotHeld> {
        let mut table = self.bodies.table();
        let body = table.find(self).ok_or(BodyNotHeld::Slowest)?;
        body.end_sender = None;
        Ok(())
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.bodies.table().remove(&self.caller, self.id);
    }
}

impl Table {
    fn insert(&mut self, caller: CallerKey, end_sender: oneshot::Sender<()>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.count += 1;
        self.callers.entry(caller).or_default().push(Body {
            id,
            started: Instant::now(),
            bytes: self.bytes.hold(0),
            end_sender: Some(end_sender),
        });
        id
    }

    fn remove(&mut self, caller: &CallerKey, id: u64) {
        let Some(bodies) = self.callers.get_mut(caller) else {
            return;
        };
        if let Some(at) = bodies.iter().position(|body| body.id == id) {
            bodies.swap_remove(at);
            self.count -= 1;
        }
        if bodies.is_empty() {
            self.callers.remove(caller);
        }
    }

    fn find(&mut self, held: &HeldBody) -> Option<&mut Body> {
        let bodies = self.callers.get_mut(&held.caller)?;
        bodies.iter_mut().find(|body| body.id == held.id)
    }

    fn of(&self, caller: &CallerKey) -> &[Body] {
        self.callers.get(caller).map_or(&[], Vec::as_slice)
    }

    /// Ends bodies until the limits allow another body of this caller.
    fn evict_for_new_body(&mut self, caller: &CallerKey) -> Result<(), BodyNotHeld> {
        let is_incomplete = |body: &Body| body.end_sender.is_some();
        while self.of(caller).len() >= limit_of(caller).bodies {
            self.end_slowest(caller, is_incomplete)?;
        }
        while self.count >= self.limit {
            let most = self.caller_with_most(|bodies| {
                bodies.iter().filter(|body| is_incomplete(body)).count()
            });
            self.end_slowest(&most?, is_incomplete)?;
        }
        Ok(())
    }

    /// Ends bodies until the limits allow this body to have `bytes`.
    fn grow(&mut self, held: &HeldBody, bytes: usize) -> Result<(), BodyNotHeld> {
        let frees_bytes = |body: &Body| body.end_sender.is_some() && body.bytes.count() > 0;
        loop {
            let own = bytes_of(self.of(&held.caller));
            let budget = self.bytes.clone();
            let body = self.find(held).ok_or(BodyNotHeld::Slowest)?;
            let more = bytes.saturating_sub(body.bytes.count());
            if own + more > limit_of(&held.caller).bytes {
                self.end_slowest(&held.caller, frees_bytes)?;
            } else if budget.try_extend(&mut body.bytes, more) {
                return Ok(());
            } else {
                let most = self.caller_with_most(|bodies| {
                    let candidates = bodies.iter().filter(|body| frees_bytes(body));
                    candidates.map(|body| body.bytes.count()).sum()
                });
                self.end_slowest(&most?, frees_bytes)?;
            }
        }
    }

    /// Returns the caller with the greatest `measure`, if one has a measure above zero.
    fn caller_with_most(
        &self,
        measure: impl Fn(&[Body]) -> usize,
    ) -> Result<CallerKey, BodyNotHeld> {
        self.callers
            .iter()
            .map(|(caller, bodies)| (caller, measure(bodies)))
            .filter(|(_, most)| *most > 0)
            .max_by_key(|(_, most)| *most)
            .map(|(caller, _)| caller.clone())
            .ok_or(BodyNotHeld::LimitReached)
    }

    /// Ends the slowest body of a caller that satisfies `may_end`: the one with the fewest bytes for its age.
    fn end_slowest(
        &mut self,
        caller: &CallerKey,
        may_end: impl Fn(&Body) -> bool,
    ) -> Result<(), BodyNotHeld> {
        let now = Instant::now();
        let slowest = self
            .of(caller)
            .iter()
            .filter(|body| may_end(body))
            .max_by_key(|body| {
                let age = now.saturating_duration_since(body.started).as_nanos();
                (
                    age / (body.bytes.count() + INITIAL_BYTES) as u128,
                    u64::MAX - body.id,
                )
            });
        let id = slowest.ok_or(BodyNotHeld::LimitReached)?.id;
        self.remove(caller, id);
        metrics::counter!(ENDED_BODIES).increment(1);
        Ok(())
    }
}

fn limit_of(caller: &CallerKey) -> Limit {
    match caller {
        CallerKey::User(_) => USER_LIMIT,
        CallerKey::Service(_) | CallerKey::Operator => SERVICE_LIMIT,
    }
}

fn bytes_of(bodies: &[Body]) -> usize {
    bodies.iter().map(|body| body.bytes.count()).sum()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "far fewer than 2^52 bodies or bytes are held"
)]
fn as_gauge(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
