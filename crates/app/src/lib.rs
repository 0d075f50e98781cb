//! The user service: settings, telemetry, composition and command line, as a library so that tests compose it the way
//! production does.

pub mod cli;
mod commands;
pub mod compose;
mod connections;
mod keys;
mod migrating;
mod retention;
pub mod serve;
pub mod settings;
pub mod signals;
pub mod telemetry;
