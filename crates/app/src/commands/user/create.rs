//! `user create`

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::str::FromStr;

use user_domain::caller::Caller;
use user_domain::input::{FieldInput, PasswordInput, ProfileInput, RolesInput, UserInput};
use user_domain::use_cases::{CreateUserError, UseCases, WriteConditions};
use user_domain::{Secret, Violation};

use super::print_user;
use crate::cli::{CommandOutcome, CreateUserArguments};
use crate::commands::{fail, print_message, with_use_cases_and};
use crate::settings::Section;

pub(crate) async fn run(arguments: CreateUserArguments) -> CommandOutcome {
    let password = match password(arguments.password_stdin) {
        Ok(password) => password,
        Err(error) => return fail(&format_args!("cannot read the password: {error}")),
    };
    let input = input(&arguments, password);
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
fn password(is_wanted: bool) -> io::Result<FieldInput<Secret>> {
    if !is_wanted {
        return Ok(FieldInput::Absent);
    }
    let stdin = io::stdin().lock();
    if stdin.is_terminal() {
        print_message("type the password (it is visible) and press Enter");
    }
    let mut line = String::new();
    stdin.take(MAX_PASSWORD_INPUT).read_line(&mut line)?;
    Ok(FieldInput::Value(Secret::from(
        line.trim_end_matches(['\r', '\n']),
    )))
}

fn input(arguments: &CreateUserArguments, password: FieldInput<Secret>) -> UserInput {
    let roles = arguments.roles.iter().map(|role| Ok(role.as_str()));
    UserInput {
        username: FieldInput::parse(&arguments.username),
        email: FieldInput::parse(&arguments.email),
        email_verified: if arguments.email_verified {
            FieldInput::Value(true)
        } else {
            FieldInput::Absent
        },
        external_id: optional(arguments.external_id.as_deref()),
        roles: RolesInput::parse(roles),
        profile: ProfileInput {
            name: optional(arguments.name.as_deref()),
            ..ProfileInput::default()
        },
        password: PasswordInput {
            password,
            ..PasswordInput::default()
        },
        ..UserInput::default()
    }
}

fn optional<T: FromStr<Err = Violation>>(text: Option<&str>) -> FieldInput<T> {
    text.map_or(FieldInput::Absent, FieldInput::parse)
}
