//! `completions`

use clap::Command;
use clap_complete::Shell;

use super::{failed, result};
use crate::cli::Outcome;

pub(crate) fn run(shell: Shell, mut command: Command) -> Outcome {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, &name, &mut script);
    match String::from_utf8(script) {
        Ok(script) => {
            result(mended(&script, &name).trim_end());
            Outcome::Done
        }
        Err(error) => failed(&error),
    }
}

/// Gives the commands of bash's script one name each.
///
/// `clap_complete` 4.6 writes the hyphen of a program's name in two ways, of which one is asked for and the other is
/// answered, so that nothing behind the first word would be completed.
fn mended(script: &str, name: &str) -> String {
    script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}
