//! Ports for servers that tests start.

use std::sync::atomic::{AtomicU32, Ordering};

/// A port below the range of ephemeral ports, so that it is still free when a killed server is restarted.
pub(crate) fn next_port() -> u16 {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let started = COUNTER.fetch_add(1, Ordering::Relaxed);
    let number = (std::process::id() % 12_000 * 101 + started) % 12_000;
    20_000 + u16::try_from(number).unwrap()
}
