//! Runs the binary of the service, as an operator does.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::credentials::{API_TOKEN, JWT_SECRET};

/// A command of the binary in a folder, with an empty environment and empty stdin.
pub fn binary(folder: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null());
    command
}

/// A command with the settings of the tests and this database.
pub fn configured(folder: &std::path::Path, database_uri: &str, arguments: &[&str]) -> Command {
    let mut command = binary(folder, arguments);
    configure(&mut command);
    command.env("DATABASE_URI", database_uri);
    command
}

/// Adds the default settings of the tests to a command.
pub(crate) fn configure(command: &mut Command) {
    command
        .env("JWT_SECRET_KEY", JWT_SECRET)
        .env("ALLOWED_API_TOKENS", API_TOKEN)
        .env("HOST", "127.0.0.1");
}

/// A port that was free when it was chosen.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The path of the binary. Cargo puts it next to the folder of test programs, and builds it with the workspace.
pub fn program() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let path = program
        .parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join("user-service");
    assert!(
        path.is_file(),
        "{} is not built: run cargo build --workspace first",
        path.display()
    );
    path
}
