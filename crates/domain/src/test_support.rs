//! Shared test support for this crate and its users.
//!
//! [`mocks`] simulate failures and detect unwanted calls. [`fakes`] hold state in memory. [`samples`] build test data.
//! The [`contracts`] are test suites that every implementation of a port has to pass.
//!
//! Behind the feature `test-support`, which is for dev-dependencies only.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test panics with the reason when it cannot continue"
)]

pub mod contracts;
pub mod fakes;
mod ids;
pub mod mocks;
pub mod samples;

#[cfg(test)]
mod tests;
