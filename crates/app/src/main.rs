//! The user service's one binary.

use std::process::ExitCode;

use clap::Parser;
use user_service::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix_web::main]
async fn main() -> ExitCode {
    Cli::parse().run().await.into()
}
