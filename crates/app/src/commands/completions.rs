//! `completions`

use clap::Command;
use clap_complete::Shell;

use super::{fail, print_result};
use crate::cli::CommandOutcome;

pub(crate) fn run(shell: Shell, mut command: Command) -> CommandOutcome {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, &name, &mut script);
    match String::from_utf8(script) {
        Ok(script) => {
            print_result(with_corrected_names(&script, &name).trim_end());
            CommandOutcome::Success
        }
        Err(error) => fail(&error),
    }
}

/// Corrects the command names in the script for bash.
///
/// `clap_complete` 4.6 encodes the hyphen of the program name in two different ways, so that bash finds no completions
/// after the first word.
fn with_corrected_names(script: &str, name: &str) -> String {
    script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}
