//! `token create`

use user_domain::caller::Caller;
use user_domain::service_token::TokenInput;
use user_domain::use_cases::{IssueServiceTokenError, IssuedServiceToken, UseCases};
use user_http::ServiceTokenRecord;

use super::{to_json_line, with_token_use_cases};
use crate::cli::{CommandOutcome, CreateTokenArguments, Lifetime};
use crate::commands::{fail, print_message, print_result};

pub(crate) async fn run(arguments: &CreateTokenArguments) -> CommandOutcome {
    with_token_use_cases(async |use_cases| create(&use_cases, arguments).await).await
}

async fn create(use_cases: &UseCases, arguments: &CreateTokenArguments) -> CommandOutcome {
    let input = TokenInput {
        name: Some(arguments.name.clone()),
        scopes: Some(arguments.scopes.clone()),
        expires_in: match arguments.expires {
            Lifetime::Limited(time) => Some(time.as_secs()),
            Lifetime::Unlimited => None,
        },
        ..TokenInput::default()
    };
    let issue = &use_cases.issue_service_token;
    match issue.run(&Caller::Operator, &input).await {
        Ok(issued) => show(&issued, arguments.json),
        Err(IssueServiceTokenError::Invalid(faults)) => {
            for fault in faults {
                print_message(format_args!(
                    "user-service: {}: {}",
                    option(fault.path()),
                    fault.detail()
                ));
            }
            CommandOutcome::InvalidUsage
        }
        Err(error @ (IssueServiceTokenError::Denied(_) | IssueServiceTokenError::Store(_))) => {
            fail(&error)
        }
    }
}

fn show(issued: &IssuedServiceToken, as_json: bool) -> CommandOutcome {
    if as_json {
        match to_json_line(&ServiceTokenRecord::from(issued)) {
            Ok(line) => print_result(line),
            Err(error) => return fail(&error),
        }
    } else {
        print_result(issued.expose());
    }
    let token = &issued.token;
    let end = token.expires_at.map_or_else(
        || "never expires".to_owned(),
        |end| format!("expires at {end}"),
    );
    print_message(format_args!(
        "token {} of {} {end}; store it now, it cannot be displayed again",
        token.id, token.name
    ));
    CommandOutcome::Success
}

/// The command line option of an input field.
fn option(path: &[String]) -> &'static str {
    match path.first().map(String::as_str) {
        Some("scopes") => "--scope",
        Some("expires_in" | "expires_at") => "--expires",
        _ => "--name",
    }
}
