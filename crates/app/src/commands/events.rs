//! The commands on events. They ask a running service over HTTP.

mod feed;
mod tail;

use crate::cli::{CommandOutcome, Events};

pub(super) async fn run(command: Events) -> CommandOutcome {
    match command {
        Events::Tail(arguments) => tail::run(&arguments).await,
    }
}
