//! `token create`

use user_domain::caller::Caller;
use user_domain::service_token::TokenInput;
use user_domain::use_cases::{IssueServiceTokenError, IssuedServiceToken, UseCases};
use user_http::ServiceTokenRecord;

use super::{line, on_tokens};
use crate::cli::{CreateTokenArguments, Lifetime, Outcome};
use crate::commands::{failed, result, say};

pub(crate) async fn run(arguments: &CreateTokenArguments) -> Outcome {
    on_tokens(async |use_cases| create(&use_cases, arguments).await).await
}

async fn create(use_cases: &UseCases, arguments: &CreateTokenArguments) -> Outcome {
    let input = TokenInput {
        name: Some(arguments.name.clone()),
        scopes: Some(arguments.scopes.clone()),
        expires_in: match arguments.expires {
            Lifetime::For(time) => Some(time.as_secs()),
            Lifetime::Ever => None,
        },
        ..TokenInput::default()
    };
    let issue = &use_cases.issue_service_token;
    match issue.run(&Caller::Operator, &input).await {
        Ok(issued) => show(&issued, arguments.json),
        Err(IssueServiceTokenError::Invalid(faults)) => {
            for fault in faults {
                say(format_args!(
                    "user-service: {}: {}",
                    option(fault.path()),
                    fault.detail()
                ));
            }
            Outcome::Misused
        }
        Err(error @ (IssueServiceTokenError::Denied(_) | IssueServiceTokenError::Store(_))) => {
            failed(&error)
        }
    }
}

fn show(issued: &IssuedServiceToken, as_json: bool) -> Outcome {
    if as_json {
        match line(&ServiceTokenRecord::from(issued)) {
            Ok(line) => result(line),
            Err(error) => return failed(&error),
        }
    } else {
        result(issued.expose());
    }
    let token = &issued.token;
    let end = token
        .expires_at
        .map_or_else(|| "never ends".to_owned(), |end| format!("ends at {end}"));
    say(format_args!(
        "token {} of {} {end}; keep it now, nobody can show it again",
        token.id, token.name
    ));
    Outcome::Done
}

/// The option that a part of the input came by.
fn option(path: &[String]) -> &'static str {
    match path.first().map(String::as_str) {
        Some("scopes") => "--scope",
        Some("expires_in" | "expires_at") => "--expires",
        _ => "--name",
    }
}
