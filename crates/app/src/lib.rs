//! The user service: settings, telemetry, composition and command line. It is a library, so that tests compose the
//! service in the same way as production.

pub mod cli;
pub mod commands;
pub mod compose;
mod connections;
mod core_dumps;
mod http_client;
mod keys;
mod lifecycle;
pub mod serve;
pub mod settings;
pub mod signals;
pub mod telemetry;
mod workers;
