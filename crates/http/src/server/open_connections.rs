//! The open connections of one worker, and the choice of those that are closed when there are too many.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::time::sleep;

use super::address_counts::{AddressCounts, CountedAddress};
use super::connection_state::{CloseReason, ConnectionState};
use crate::resource_limits::ResourceLimits;

/// The interval between two checks of the connections.
const TICK: Duration = Duration::from_millis(500);

/// The maximum idle time, in ticks, while more than half of the connections are in use, or after the last response.
const SHORT_KEEP_ALIVE_TICKS: usize = 10;

/// The divisor of the connection limit for the number of connections that are closed at once. Closing several avoids a
/// scan of all connections for each new one.
const EVICTION_DIVISOR: usize = 128;

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionLimits {
    /// The maximum number of connections of a worker.
    pub(super) connections: usize,
    /// The maximum number of connections of an address, over all workers.
    pub(super) per_address: Option<usize>,
    /// The deadline for the header fields of a request.
    pub(super) header_timeout: Duration,
    /// The maximum idle time of a connection.
    pub(super) keep_alive: Duration,
}

/// The open connections of one worker.
pub(super) struct OpenConnections {
    limits: ConnectionLimits,
    resource_limits: Rc<ResourceLimits>,
    addresses: AddressCounts,
    open: RefCell<HashMap<u64, Rc<ConnectionState>>>,
    next_id: Cell<u64>,
    /// The number of exchanges so far. It orders connections by their waiting time without reading a clock.
    exchanges: Rc<Cell<u64>>,
    /// The number of exchanges at the last ticks, newest first.
    ticks: RefCell<VecDeque<u64>>,
}

/// An open connection. It is removed from its worker when this is dropped.
pub(super) struct OpenConnection {
    pub(super) state: Rc<ConnectionState>,
    id: u64,
    worker: Rc<OpenConnections>,
    _address: Option<CountedAddress>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.worker.open.borrow_mut().remove(&self.id);
    }
}

impl OpenConnections {
    pub(super) fn new(
        limits: ConnectionLimits,
        resource_limits: Rc<ResourceLimits>,
        addresses: AddressCounts,
    ) -> Rc<Self> {
        Rc::new(Self {
            limits,
            resource_limits,
            addresses,
            open: RefCell::default(),
            next_id: Cell::new(0),
            exchanges: Rc::default(),
            ticks: RefCell::default(),
        })
    }

    /// Returns the limits that are shared by all connections.
    pub(super) fn resource_limits(&self) -> &Rc<ResourceLimits> {
        &self.resource_limits
    }

    /// Accepts a connection, and closes others if there are too many. Returns `None` if the connection is rejected.
    pub(super) fn accept(self: &Rc<Self>, address: Option<IpAddr>) -> Option<OpenConnection> {
        let from = match (self.limits.per_address, address) {
            (Some(limit), Some(address)) => match self.addresses.add(address, limit) {
                None => {
                    CloseReason::Address.count(1);
                    return None;
                }
                from => from,
            },
            _ => None,
        };
        if !self.evict_if_full() {
            CloseReason::Full.count(1);
            return None;
        }
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        let state = Rc::new(ConnectionState::new(self.exchanges.clone()));
        self.open.borrow_mut().insert(id, state.clone());
        Some(OpenConnection {
            state,
            id,
            worker: self.clone(),
            _address: from,
        })
    }

    /// Closes connections if the limit is reached. Returns whether another connection may be accepted.
    ///
    /// Idle connections are closed first: see [`Self::eviction_order`]. If none is idle, the one that has waited for
    /// its client the longest is closed. A connection with an active request is never closed.
    fn evict_if_full(&self) -> bool {
        let open = self.open.borrow();
        if open.len() < self.limits.connections {
            return true;
        }
        let is_open = |state: &&Rc<ConnectionState>| state.is_open();
        // Connections that are already being closed do not count.
        if open.values().filter(is_open).count() < self.limits.connections {
            return true;
        }
        let open = || open.values().filter(is_open);
        let mut candidates: Vec<_> = open().filter(|state| state.is_idle()).collect();
        if candidates.is_empty() {
            let waits_for_client =
                |state: &&Rc<ConnectionState>| state.is_unread() || state.is_receiving();
            candidates = open().filter(waits_for_client).collect();
        }
        if candidates.is_empty() {
            return false;
        }
        let count = (self.limits.connections / EVICTION_DIVISOR).clamp(1, candidates.len());
        let a_tick_ago = self.ticks_ago(1);
        candidates
            .select_nth_unstable_by_key(count - 1, |state| Self::eviction_order(state, a_tick_ago));
        close(candidates.into_iter().take(count), CloseReason::Limit);
        true
    }

    /// Returns the order in which idle connections are closed at the limit.
    ///
    /// The first group has been idle for at least a tick. The second never sent a request. The third has sent one
    /// within the last tick. Within a group, the longest idle connection is first. A burst of new connections therefore
    /// does not close those of clients that are between two requests.
    fn eviction_order(state: &ConnectionState, a_tick_ago: Option<u64>) -> (u8, u64) {
        let since = state.waiting_since();
        let group = if a_tick_ago.is_some_and(|then| since <= then) {
            0
        } else if state.is_unused() {
            1
        } else {
            2
        };
        (group, since)
    }

    /// Closes expired connections at each tick, while the worker exists.
    pub(super) async fn run_ticks(worker: Weak<Self>) {
        loop {
            sleep(TICK).await;
            let Some(worker) = worker.upgrade() else {
                return;
            };
            worker.close_expired();
        }
    }

    /// Closes the connections that have waited for their clients for too long.
    fn close_expired(&self) {
        let header_ticks = ticks_of(self.limits.header_timeout);
        // actix-http closes most of these earlier. It drops its timer when a client sends a byte, and has none while it
        // waits for the rest of a body after an early response. A new connection is idle as well, until the deadline of
        // its first header fields.
        let keep_alive_ticks = ticks_of(self.limits.keep_alive).max(header_ticks) + 2;
        self.ticks.borrow_mut().push_front(self.exchanges.get());
        self.ticks
            .borrow_mut()
            .truncate(keep_alive_ticks.max(SHORT_KEEP_ALIVE_TICKS) + 1);
        let open = self.open.borrow();
        let is_open = |state: &&Rc<ConnectionState>| state.is_open();
        if let Some(since) = self.ticks_ago(header_ticks + 1) {
            let is_late = |state: &&Rc<ConnectionState>| {
                state.is_receiving() && state.waiting_since() <= since
            };
            close(
                open.values().filter(is_open).filter(is_late),
                CloseReason::Headers,
            );
        }
        if let Some(since) = self
            .read_timeout_ticks()
            .and_then(|ticks| self.ticks_ago(ticks))
        {
            let is_late =
                |state: &&Rc<ConnectionState>| state.is_unread() && state.waiting_since() <= since;
            close(
                open.values().filter(is_open).filter(is_late),
                CloseReason::Unread,
            );
        }
        let is_half_full = open.len() > self.limits.connections / 2;
        let short = self.ticks_ago(SHORT_KEEP_ALIVE_TICKS.min(keep_alive_ticks));
        let regular = if is_half_full {
            short
        } else {
            self.ticks_ago(keep_alive_ticks)
        };
        let is_late = |state: &&Rc<ConnectionState>| {
            let since = if state.is_last() { short } else { regular };
            state.is_idle() && since.is_some_and(|since| state.waiting_since() <= since)
        };
        close(
            open.values().filter(is_open).filter(is_late),
            CloseReason::Idle,
        );
    }

    /// Returns the maximum number of ticks for reading a response while many bytes are unsent; `None` if few are. A few
    /// large documents may take longer.
    fn read_timeout_ticks(&self) -> Option<usize> {
        let ResourceLimits {
            unsent,
            large_documents,
            ..
        } = &*self.resource_limits;
        if unsent.is_filled_to(50) {
            return Some(1);
        }
        (unsent.is_filled_to(25) || large_documents.is_filled_to(75)).then_some(4)
    }

    /// Returns the number of exchanges at an earlier tick; `None` if the worker is younger.
    fn ticks_ago(&self, ticks: usize) -> Option<u64> {
        self.ticks.borrow().get(ticks).copied()
    }
}

/// Returns the number of whole ticks in a duration.
fn ticks_of(time: Duration) -> usize {
    usize::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(usize::MAX - 3)
}

fn close<'a>(connections: impl Iterator<Item = &'a Rc<ConnectionState>>, reason: CloseReason) {
    let mut count = 0;
    for state in connections {
        state.close(reason);
        count += 1;
    }
    if count > 0 {
        reason.count(count);
    }
}

#[cfg(test)]
mod tests;
