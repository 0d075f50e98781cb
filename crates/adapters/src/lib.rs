//! The ports of `user-domain` on real technology: PostgreSQL and SQLite by sea-orm, a cache in memory and in Redis, hashes
//! of passwords, JSON Web Tokens, and the machine's clock.

pub mod cache;
mod clock;
pub mod guards;
pub mod operations;
pub mod passwords;
pub mod sea_orm;
pub mod tokens;

pub use clock::{SystemClock, UuidV7Ids};
