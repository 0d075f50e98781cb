//! What tests of this crate and of those around it share: [`mocks`] for failures and for what must not be called,
//! [`fakes`] for everything else, and the [`contracts`] that every implementation of a port keeps.
//!
//! Behind the feature `test-support`, which is for dev-dependencies only.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "in a test, what cannot go on says why and stops"
)]

pub mod contracts;
pub mod fakes;
pub mod mocks;
pub mod samples;

#[cfg(test)]
mod tests;
