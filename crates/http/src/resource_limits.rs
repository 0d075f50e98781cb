//! Limits of the memory and work that clients cause, per caller and over all callers.
//!
//! A limit per request does not protect other clients from one that sends many requests. Everything whose size or
//! duration a client chooses is therefore counted here while it exists.

mod active_requests;
mod byte_budget;
mod caller_key;
mod held_bodies;
mod rate_limits;

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::metric_names::EVENT_WAITS;
pub(crate) use active_requests::{ActiveRequest, ActiveRequests};
pub(crate) use byte_budget::{ByteBudget, HeldBytes};
pub(crate) use caller_key::CallerKey;
pub(crate) use held_bodies::{BodyEnd, BodyNotHeld, HeldBodies, HeldBody};
pub use rate_limits::RateLimit;
pub(crate) use rate_limits::{RateLimitState, RateLimits};

/// The maximum number of unsent response bytes in the buffers of all connections.
const MAX_UNSENT_BYTES: usize = 64 * 1024 * 1024;

/// The maximum number of bytes of large documents that are being serialised or sent.
const MAX_LARGE_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;

/// The maximum number of bytes of bodies that are being received, or are larger than 64 KiB and not yet parsed.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// The maximum memory of values that were parsed from bodies with many values.
const MAX_VALUE_BYTES: usize = 64 * 1024 * 1024;

/// The maximum number of requests that wait for events.
const MAX_EVENT_WAITS: usize = 512;

/// The maximum number of concurrent reads of requests that have waited for events.
const MAX_READS_AFTER_WAIT: usize = 2;

/// The counts and limits of one process, shared by its workers.
#[derive(Debug, Clone)]
pub(crate) struct ResourceLimits {
    /// The active requests.
    pub(crate) active: ActiveRequests,
    /// The bodies that are being received, and large bodies until they are parsed.
    pub(crate) bodies: HeldBodies,
    /// The permits of the threads that parse large bodies.
    pub(crate) parsers: Arc<Semaphore>,
    /// The memory of parsed values of bodies with many values, until the request and its write have ended.
    pub(crate) values: ByteBudget,
    /// The permits of requests that wait for events. Without one, a request is answered at once.
    pub(crate) event_waits: Arc<Semaphore>,
    /// The permits of reads after a wait for events. All waits end together, and their reads take turns.
    pub(crate) reads_after_wait: Arc<Semaphore>,
    /// The unsent bytes in the buffers of connections, and of documents of up to 64 KiB.
    pub(crate) unsent: ByteBudget,
    /// The bytes of larger documents (lists, batches, exports), from their first byte until they are sent.
    ///
    /// They are not part of `unsent`, so that unread large documents cannot block the responses of other requests.
    pub(crate) large_documents: ByteBudget,
    /// The rates of the requests of callers.
    pub(crate) rates: RateLimits,
}

impl ResourceLimits {
    /// Creates the limits, without limits of rates. `held_body_limit` is the maximum number of held bodies.
    pub(crate) fn new(held_body_limit: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            active: ActiveRequests::default(),
            bodies: HeldBodies::new(held_body_limit, MAX_BODY_BYTES),
            // The other half of the cores is left to the event loops.
            parsers: Arc::new(Semaphore::new(cores.div_ceil(2))),
            values: ByteBudget::new(MAX_VALUE_BYTES),
            event_waits: Arc::new(Semaphore::new(MAX_EVENT_WAITS)),
            reads_after_wait: Arc::new(Semaphore::new(MAX_READS_AFTER_WAIT)),
            unsent: ByteBudget::new(MAX_UNSENT_BYTES),
            large_documents: ByteBudget::new(MAX_LARGE_DOCUMENT_BYTES),
            rates: RateLimits::default(),
        }
    }

    /// Records the gauges for a scrape.
    pub(crate) fn record(&self) {
        self.bodies.record();
        let waits = MAX_EVENT_WAITS.saturating_sub(self.event_waits.available_permits());
        metrics::gauge!(EVENT_WAITS).set(f64::from(u32::try_from(waits).unwrap_or(u32::MAX)));
    }
}
