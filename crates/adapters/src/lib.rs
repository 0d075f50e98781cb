//! The ports of `user-domain` on real technology: PostgreSQL and SQLite by sea-orm, JSON Web Tokens, and the machine's
//! clock.

mod clock;
pub mod sea_orm;
pub mod tokens;

pub use clock::{SystemClock, UuidV7Ids};
