//! The black-box tests in one binary. Files mirror the URL tree, test names are sentences.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing helper fails its test"
)]

mod architecture;
mod authentication;
mod browser;
mod cache;
mod client;
mod command_line;
mod common;
mod conditional_requests;
mod connection_reuse;
mod cors;
mod deploy;
mod erasure;
mod erasures;
mod events;
mod faults;
mod flask_migration;
mod guards;
mod guide;
mod health;
mod held_bodies;
mod http_conventions;
mod http_parser;
mod idempotency;
mod install_packages;
mod internal_changes;
mod jwks;
mod logged_causes;
mod migrations;
mod naughty_strings;
mod overload_and_shutdown;
mod password_hashes;
mod passwords;
mod poolers;
mod postgres_contract;
mod postgres_servers;
mod proxy;
mod races;
mod redis_servers;
mod rejected_requests;
mod relationships;
mod retention;
mod rolling_restart;
mod service_tokens;
mod standbys;
mod telemetry;
mod unread_responses;
mod user_commands;
mod users;
