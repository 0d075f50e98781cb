//! The black-box tests, one binary; files mirror the URL tree, names are sentences.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail it"
)]

mod architecture;
mod command_line;
mod faults;
mod guards;
mod postgres_contract;
mod races;
