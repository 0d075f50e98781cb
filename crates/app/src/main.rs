//! The binary of the user service.

use std::process::ExitCode;

use clap::Parser;
use user_service::cli::Cli;
use user_service::{commands, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outcome = run();
    // After the runtime has ended: its tasks log until then.
    telemetry::flush_log();
    outcome
}

// Writes run on this runtime, apart from the threads that handle requests. It has two threads, so that a write that
// keeps one of them busy does not delay the others.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn run() -> ExitCode {
    // The future of a command is large.
    Box::pin(commands::run(Cli::parse())).await.into()
}
