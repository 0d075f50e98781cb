//! The user service's one binary.

use std::process::ExitCode;

use clap::Parser;
use user_service::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Writes run here, apart from the workers that take requests, and two at a time: one that keeps a thread busy does not
// hold up the others.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    Cli::parse().run().await.into()
}
