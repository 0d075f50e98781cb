//! The rules, ports and use cases of the user service.
//!
//! No I/O, no framework, no clock, no randomness: what the domain needs of the world it asks for through [`ports`].

pub mod caller;
pub mod directory;
mod fault;
pub mod input;
pub mod json;
pub mod permissions;
pub mod ports;
#[cfg(any(test, feature = "test-support"))]
pub mod test_support;
pub mod use_cases;
pub mod user;
pub mod values;
pub mod view;
mod violation;
pub mod write;

pub use fault::Fault;
pub use ports::StoreError;
pub use violation::Violation;
