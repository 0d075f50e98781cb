//! The black-box tests, one binary; files mirror the URL tree, names are sentences.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail it"
)]

mod architecture;
mod cache;
mod cache_model;
mod command_line;
mod common;
mod conditions;
mod credentials;
mod deploy;
mod faults;
mod flask_migration;
mod frame;
mod guards;
mod health;
mod idempotency;
mod jwks;
mod kept_connections;
mod naughty;
mod password_hashes;
mod passwords;
mod postgres_contract;
mod proxy;
mod races;
mod redis_servers;
mod relationships;
mod retention;
mod rolling;
mod service_tokens;
mod staying_up;
mod telemetry;
mod user_commands;
mod users;
