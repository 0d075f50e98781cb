//! Deletes expired users and records, in short transactions and small batches, skipping locked rows.

pub(crate) mod erase_expired;
pub(crate) mod expired;
pub(crate) mod purge;
