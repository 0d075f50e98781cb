//! The user service: settings, telemetry, composition and command line, as a library so that tests compose it the way
//! production does.

mod breaks;
pub mod cli;
mod commands;
pub mod compose;
mod connections;
mod keys;
mod migrating;
mod retention;
pub mod serve;
pub mod settings;
mod settling;
pub mod signals;
pub mod telemetry;
