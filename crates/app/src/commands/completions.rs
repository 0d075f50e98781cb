//! `completions`

use std::io::Write as _;

use clap::Command;
use clap_complete::Shell;

use crate::cli::Outcome;

pub(crate) fn run(shell: Shell, mut command: Command) -> Outcome {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    // A reader that went away is no failure of the command.
    let _ = std::io::stdout().write_all(&script);
    Outcome::Done
}
