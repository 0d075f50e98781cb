use clap::{Command as ClapCommand, CommandFactory as _};

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

/// The calls of this program in a shell command, without variables, comments, redirections and other programs.
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
fn the_command_line_definition_is_valid() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_examples_that_parse() {
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
fn every_command_and_argument_has_help() {
    for (path, command) in all() {
        assert!(command.get_about().is_some(), "{path}");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path} {argument}");
        }
    }
}

#[test]
fn resume_requires_results() {
    let error = Cli::try_parse_from(["user-service", "user", "import", "f", "--resume"]);
    assert_eq!(
        error.unwrap_err().kind(),
        clap::error::ErrorKind::MissingRequiredArgument
    );
}

#[test]
fn a_dry_run_cannot_be_resumed() {
    let line = "user-service user import f --dry-run --results r --resume";
    let error = Cli::try_parse_from(line.split(' '));
    assert_eq!(
        error.unwrap_err().kind(),
        clap::error::ErrorKind::ArgumentConflict
    );
}

/// The names of the commands in the table of the README, without arguments.
fn commands_of_the_readme() -> Vec<String> {
    let readme = include_str!("../../../../README.md");
    let (_, table) = readme.split_once("## Commands").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let names = table.lines().filter_map(|line| {
        let name = line.strip_prefix("| `")?.split('`').next()?;
        let words = name.split(' ').take_while(|word| {
            let mut letters = word.chars();
            letters.all(|letter| letter.is_ascii_lowercase() || letter == '-')
        });
        Some(words.collect::<Vec<&str>>().join(" "))
    });
    names.collect()
}

#[test]
fn the_table_of_the_readme_names_every_command() {
    let is_command = |(_, command): &(String, ClapCommand)| !command.has_subcommands();
    let mut names: Vec<String> = all()
        .into_iter()
        .filter(is_command)
        .filter_map(|(path, _)| Some(path.strip_prefix("user-service ")?.to_owned()))
        .collect();
    let mut documented = commands_of_the_readme();
    names.sort_unstable();
    documented.sort_unstable();
    assert_eq!(documented, names);
}
