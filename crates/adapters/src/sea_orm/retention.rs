//! Removes what is over its time: short transactions, small batches, and no waiting for what others hold.

pub(crate) mod erase_expired;
pub(crate) mod expired;
pub(crate) mod purge;
