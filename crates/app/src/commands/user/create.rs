//! `user create`

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use user_domain::Secret;
use user_domain::caller::Caller;
use user_domain::input::{PasswordInput, ProfileInput, Raw, RolesInput, UserInput};
use user_domain::use_cases::{CreateUserError, UseCases, WriteConditions};

use super::print_user;
use crate::cli::{CommandOutcome, CreateUserArguments};
use crate::commands::{fail, print_message, with_use_cases_and};
use crate::settings::Section;

pub(crate) async fn run(arguments: CreateUserArguments) -> CommandOutcome {
    let password = match password(arguments.password_stdin) {
        Ok(password) => password,
        Err(error) => return fail(&format_args!("cannot read the password: {error}")),
    };
    let input = input(arguments, password);
    with_use_cases_and(&[Section::Passwords], async |_, use_cases| {
        create(&use_cases, &input).await
    })
    .await
}

async fn create(use_cases: &UseCases, input: &UserInput) -> CommandOutcome {
    let create = &use_cases.create_user;
    match create
        .run(&Caller::Operator, input, WriteConditions::default())
        .await
    {
        Ok(written) => print_user(&written.view),
        Err(CreateUserError::Invalid(faults)) => {
            for fault in faults {
                print_message(format_args!("user-service: {fault}"));
            }
            CommandOutcome::InvalidUsage
        }
        Err(
            error @ (CreateUserError::Denied(_)
            | CreateUserError::Taken(_)
            | CreateUserError::KeyReused
            | CreateUserError::NotFound
            | CreateUserError::Hashing(_)
            | CreateUserError::Store(_)),
        ) => fail(&error),
    }
}

/// The maximum number of bytes read for a password, far more than a password can have.
const MAX_PASSWORD_INPUT: u64 = 64 * 1024;

/// Reads a password from the first line of stdin. On the command line, other users of the machine could see it.
fn password(is_wanted: bool) -> io::Result<Raw<Secret>> {
    if !is_wanted {
        return Ok(Raw::Absent);
    }
    let stdin = io::stdin().lock();
    if stdin.is_terminal() {
        print_message("type the password (it is visible) and press Enter");
    }
    let mut line = String::new();
    stdin.take(MAX_PASSWORD_INPUT).read_line(&mut line)?;
    Ok(Raw::Value(Secret::from(
        line.trim_end_matches(['\r', '\n']),
    )))
}

fn input(arguments: CreateUserArguments, password: Raw<Secret>) -> UserInput {
    let optional = |text: Option<String>| text.map_or(Raw::Absent, Raw::Value);
    let roles = arguments.roles.into_iter().map(Raw::Value);
    UserInput {
        username: Raw::Value(arguments.username),
        email: Raw::Value(arguments.email),
        email_verified: if arguments.email_verified {
            Raw::Value(true)
        } else {
            Raw::Absent
        },
        external_id: optional(arguments.external_id),
        roles: RolesInput(Raw::Value(roles.collect())),
        profile: ProfileInput {
            name: optional(arguments.name),
            ..ProfileInput::default()
        },
        password: PasswordInput {
            password,
            ..PasswordInput::default()
        },
        ..UserInput::default()
    }
}
