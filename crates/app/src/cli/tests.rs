use clap::Command as ClapCommand;

use super::*;

/// Every command with its path, groups of commands included.
fn commands(command: &ClapCommand, path: &str, found: &mut Vec<(String, ClapCommand)>) {
    found.push((path.to_owned(), command.clone()));
    for inner in command.get_subcommands() {
        if inner.get_name() != "help" {
            commands(inner, &format!("{path} {}", inner.get_name()), found);
        }
    }
}

fn all() -> Vec<(String, ClapCommand)> {
    let mut found = Vec::new();
    commands(&Cli::command(), "user-service", &mut found);
    found
}

/// The calls of this program in a line of a shell: variables, comments, redirections and other programs left out.
fn calls(line: &str) -> Vec<Vec<String>> {
    let line = line.split(" #").next().unwrap_or_default();
    line.split(['|', '&'])
        .filter_map(|part| {
            let part = part.split('>').next()?;
            let words: Vec<String> = part
                .split_whitespace()
                .skip_while(|word| word.contains('='))
                .map(str::to_owned)
                .collect();
            (words.first()? == "user-service").then_some(words)
        })
        .collect()
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_examples_and_each_of_them_is_understood() {
    for (path, command) in all() {
        let help = command
            .get_after_help()
            .unwrap_or_else(|| panic!("{path} has no examples"))
            .to_string();
        let mut own = 0;
        for call in help.lines().flat_map(|line| calls(line.trim())) {
            own += usize::from(call.join(" ").starts_with(&path));
            let parsed = Cli::try_parse_from(&call);
            let help_asked = parsed
                .as_ref()
                .is_err_and(|error| error.kind() == clap::error::ErrorKind::DisplayHelp);
            assert!(parsed.is_ok() || help_asked, "{call:?}: {parsed:?}");
        }
        assert!(own > 0, "{path} has no example of its own");
    }
}

#[test]
fn every_command_and_argument_says_what_it_is() {
    for (path, command) in all() {
        assert!(command.get_about().is_some(), "{path}");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path} {argument}");
        }
    }
}

#[test]
fn going_on_needs_results_to_go_on_from() {
    let misused = Cli::try_parse_from(["user-service", "user", "import", "f", "--resume"]);
    assert_eq!(
        misused.unwrap_err().kind(),
        clap::error::ErrorKind::MissingRequiredArgument
    );
}
