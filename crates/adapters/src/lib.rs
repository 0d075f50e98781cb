//! The adapters of the ports of `user-domain`: PostgreSQL and SQLite with sea-orm, an in-process and a Redis cache,
//! password hashing, JSON Web Tokens, RabbitMQ, and the system clock.

pub mod amqp;
pub mod cache;
mod clock;
pub mod event_frontier;
mod failure;
pub mod guards;
pub mod operations;
pub mod passwords;
pub mod sea_orm;
pub mod tokens;

pub use clock::{SystemClock, UuidV7Ids};
