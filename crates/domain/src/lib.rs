//! The rules, ports and use cases of the user service.
//!
//! The crate has no I/O, no framework, no clock and no randomness. It reaches the outside only through [`ports`].
//!
//! # In another service
//!
//! A service that handles users uses the same values and rules, so that no rule exists twice:
//!
//! ```
//! use user_domain::values::{EmailKey, Username};
//!
//! let typed = Username::parse("Alice.Smith")?;
//! assert_eq!(typed.as_str(), "Alice.Smith");
//! assert_eq!(typed.key(), Username::parse("ALICE.smith")?.key());
//! assert_eq!(Username::parse("a@b.example").unwrap_err().code(), "forbidden_character");
//!
//! let one = EmailKey::parse("Ann@Bücher.example")?;
//! assert_eq!(one, EmailKey::parse("ann@xn--bcher-kva.example")?);
//! # Ok::<(), user_domain::Violation>(())
//! ```
//!
//! Its own code depends on a port (`Arc<dyn UserReader>`). The implementation is one of this service's stores, or a
//! client that calls the service over the network. With the feature `serde`, value types can be fields of bodies and
//! messages, and deserialization parses them.
#![cfg_attr(any(test, feature = "test-support"), doc = include_str!("../docs/testing.md"))]

mod cached_users;
pub mod caller;
pub mod directory;
pub mod erasure;
pub mod event_frontier;
mod fault;
pub mod import;
pub mod input;
pub mod json;
pub mod lockout;
pub mod permissions;
pub mod ports;
mod read_context;
mod rejection;
pub mod relationship;
mod secret;
pub mod service_token;
#[cfg(any(test, feature = "test-support"))]
pub mod test_support;
pub mod use_cases;
pub mod user;
pub mod values;
pub mod view;
mod violation;
pub mod write;

pub use cached_users::{
    CachedRelationships, CachedRetention, CachedSuspensions, CachedUsers, Freshness, Reading,
    Source,
};
pub use fault::Fault;
pub use ports::StoreError;
pub use read_context::ReadContext;
pub use rejection::Rejection;
pub use secret::Secret;
pub use violation::Violation;
