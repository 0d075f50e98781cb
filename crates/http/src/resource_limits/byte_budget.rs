//! A limit of the bytes that are held at one time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of bytes that are held, and their limit.
#[derive(Debug, Clone)]
pub(crate) struct ByteBudget {
    held: Arc<AtomicUsize>,
    limit: usize,
}

/// Bytes that are counted in a [`ByteBudget`] until this is dropped.
#[derive(Debug)]
pub(crate) struct HeldBytes {
    held: Arc<AtomicUsize>,
    count: usize,
}

impl ByteBudget {
    /// Creates a budget of this many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            held: Arc::default(),
            limit,
        }
    }

    /// Whether the held bytes have reached the limit.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= self.limit
    }

    /// Whether the held bytes have reached this percentage of the limit.
    pub(crate) fn is_filled_to(&self, percent: usize) -> bool {
        self.held.load(Ordering::Relaxed) >= self.limit / 100 * percent
    }

    /// The number of held bytes.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Counts bytes if the limit allows them.
    pub(crate) fn try_hold(&self, count: usize) -> Option<HeldBytes> {
        let mut held = HeldBytes {
            held: self.held.clone(),
            count: 0,
        };
        held.try_grow(count, self.limit).then_some(held)
    }

    /// Counts bytes even beyond the limit: the response of a completed write cannot be refused.
    pub(crate) fn hold(&self, count: usize) -> HeldBytes {
        self.held.fetch_add(count, Ordering::Relaxed);
        HeldBytes {
            held: self.held.clone(),
            count,
        }
    }

    /// Counts additional bytes in `held` if the limit allows them.
    pub(crate) fn try_extend(&self, held: &mut HeldBytes, count: usize) -> bool {
        held.try_grow(count, self.limit)
    }
}

impl HeldBytes {
    /// Returns the number of these bytes.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    fn try_grow(&mut self, count: usize, limit: usize) -> bool {
        let grown = self
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                held.checked_add(count).filter(|sum| *sum <= limit)
            });
        if grown.is_ok() {
            self.count += count;
        }
        grown.is_ok()
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.held.fetch_sub(self.count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_never_exceeded_and_dropped_bytes_are_freed() {
        let budget = ByteBudget::new(10);
        let mut first = budget.try_hold(4).unwrap();
        assert!(budget.try_extend(&mut first, 3));
        assert!(!budget.try_extend(&mut first, 4));
        assert!(budget.try_hold(4).is_none());
        let second = budget.try_hold(3).unwrap();
        assert!(budget.is_exhausted());
        drop(first);
        assert!(!budget.is_exhausted());
        drop(second);
        assert!(budget.try_hold(10).is_some());
    }

    #[test]
    fn bytes_that_cannot_be_refused_are_counted_beyond_the_limit() {
        let budget = ByteBudget::new(10);
        let response = budget.hold(12);
        assert!(budget.is_exhausted() && budget.try_hold(1).is_none());
        drop(response);
        assert!(budget.try_hold(1).is_some());
    }
}
