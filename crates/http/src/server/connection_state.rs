//! The state of one connection, shared by its socket and its requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use metrics::counter;

use crate::metric_names::CONNECTIONS_CLOSED;

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It waits for a request.
    Idle,
    /// A part of the header fields of a request has arrived.
    Receiving,
    /// A request is being processed.
    Working,
    /// The body of a response is being sent.
    Sending,
}

/// Why the service closed or rejected a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// There were too many connections, and it had waited for its client the longest.
    Limit,
    /// It was idle for longer than the keep-alive time, or idle after its last response. While more than half of the
    /// connections are in use, the short keep-alive time applies.
    Idle,
    /// Its client did not read while many bytes were unsent.
    Unread,
    /// Its client did not send the header fields of a request in time.
    Headers,
    /// There were too many connections, all of them with active requests.
    Full,
    /// Its address had too many connections.
    Address,
}

impl CloseReason {
    /// All reasons, so that each counter is exposed from the start.
    const ALL: [Self; 6] = [
        Self::Limit,
        Self::Idle,
        Self::Unread,
        Self::Headers,
        Self::Full,
        Self::Address,
    ];

    /// Counts connections that were closed for this reason.
    pub(super) fn count(self, connections: u64) {
        let reason = match self {
            Self::Limit => "limit",
            Self::Idle => "idle",
            Self::Unread => "unread",
            Self::Headers => "headers",
            Self::Full => "full",
            Self::Address => "address",
        };
        counter!(CONNECTIONS_CLOSED, "reason" => reason).increment(connections);
    }
}

/// Registers the counters of all reasons.
pub(crate) fn register_close_counters() {
    for reason in CloseReason::ALL {
        reason.count(0);
    }
}

/// The state of one connection, shared by its socket and its requests.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    phase: Cell<Phase>,
    /// The worker's count of exchanges when this connection last started to wait for its client.
    waiting_since: Cell<u64>,
    /// The worker's count of exchanges when the connection was accepted.
    accepted: u64,
    exchanges: Rc<Cell<u64>>,
    /// The number of bytes that the socket has not accepted.
    unsent: Cell<usize>,
    /// Whether the current response is the last of this connection.
    is_last: Cell<bool>,
    close_reason: Cell<Option<CloseReason>>,
    /// Wakes the connection's task.
    waker: RefCell<Option<Waker>>,
}

impl ConnectionState {
    /// Creates the state of a new connection. `exchanges` is the count of its worker.
    pub(super) fn new(exchanges: Rc<Cell<u64>>) -> Self {
        let accepted = exchanges.get() + 1;
        exchanges.set(accepted);
        Self {
            phase: Cell::new(Phase::Idle),
            waiting_since: Cell::new(accepted),
            accepted,
            exchanges,
            unsent: Cell::new(0),
            is_last: Cell::new(false),
            close_reason: Cell::new(None),
            waker: RefCell::default(),
        }
    }

    /// Starts a phase in which the connection waits for its client.
    fn wait(&self, phase: Phase) {
        let count = self.exchanges.get() + 1;
        self.exchanges.set(count);
        self.waiting_since.set(count);
        self.phase.set(phase);
    }

    /// Records that the header fields of a request have started to arrive.
    pub(super) fn begin_receiving(&self) {
        if self.phase.get() == Phase::Idle {
            self.wait(Phase::Receiving);
        }
    }

    /// Records that the header fields of a request have arrived.
    pub(super) fn begin_working(&self) {
        self.phase.set(Phase::Working);
    }

    /// Whether the next request may start: the previous response has been sent, and was not the last.
    pub(super) fn takes_requests(&self) -> bool {
        self.phase.get() == Phase::Idle && self.unsent.get() == 0 && !self.is_last.get()
    }

    /// Records the number of bytes that the socket has not accepted.
    pub(super) fn set_unsent(&self, count: usize) {
        self.unsent.set(count);
    }

    /// Returns the number of bytes that the socket has not accepted.
    pub(super) fn unsent(&self) -> usize {
        self.unsent.get()
    }

    /// Returns why the connection is being closed, if it is.
    pub(super) fn close_reason(&self) -> Option<CloseReason> {
        self.close_reason.get()
    }

    /// Stores the waker of the connection's task.
    pub(super) fn keep_waker(&self, cx: &Context<'_>) {
        let mut stored = self.waker.borrow_mut();
        if !stored
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *stored = Some(cx.waker().clone());
        }
    }

    /// Closes the connection at the next poll of its task, and wakes the task.
    pub(super) fn close(&self, reason: CloseReason) {
        self.close_reason.set(Some(reason));
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Whether the connection has neither a request nor unsent bytes.
    pub(super) fn is_idle(&self) -> bool {
        self.phase.get() == Phase::Idle && self.unsent.get() == 0
    }

    /// Whether no byte of a request has arrived since the connection was accepted.
    pub(super) fn is_unused(&self) -> bool {
        self.waiting_since.get() == self.accepted
    }

    /// Whether the current response is the last of the connection.
    pub(super) fn is_last(&self) -> bool {
        self.is_last.get()
    }

    /// Whether the connection only waits for its client to read a response.
    pub(super) fn is_unread(&self) -> bool {
        match self.phase.get() {
            Phase::Sending => true,
            Phase::Idle => self.unsent.get() > 0,
            Phase::Receiving | Phase::Working => false,
        }
    }

    /// Whether a part of the header fields of a request has arrived.
    pub(super) fn is_receiving(&self) -> bool {
        self.phase.get() == Phase::Receiving
    }

    /// Returns the worker's count of exchanges when the connection last started to wait for its client.
    pub(super) fn waiting_since(&self) -> u64 {
        self.waiting_since.get()
    }

    /// Whether the connection is not being closed.
    pub(super) fn is_open(&self) -> bool {
        self.close_reason.get().is_none()
    }
}

/// A request and its response. The exchange ends when this is dropped.
pub(super) struct Exchange(Option<Rc<ConnectionState>>);

impl Exchange {
    /// Returns the current exchange of a connection.
    pub(super) fn of(state: Option<&Rc<ConnectionState>>) -> Self {
        Self(state.cloned())
    }

    #[cfg(test)]
    pub(super) fn without_connection() -> Self {
        Self(None)
    }

    /// Records that the response is the last of the connection.
    pub(super) fn end_connection(&self) {
        if let Some(state) = &self.0 {
            state.is_last.set(true);
        }
    }

    /// Records that the body of the response is being sent.
    pub(super) fn begin_sending(&self) {
        if let Some(state) = &self.0 {
            state.wait(Phase::Sending);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(state) = &self.0 {
            state.wait(Phase::Idle);
        }
    }
}
