//! `token list`

use std::io::{IsTerminal as _, stdout};

use user_domain::caller::Caller;
use user_domain::service_token::ServiceToken;
use user_domain::use_cases::UseCases;
use user_domain::values::Timestamp;
use user_http::ServiceTokenRecord;

use super::{to_json_line, with_token_use_cases};
use crate::cli::CommandOutcome;
use crate::commands::table::{self, Row};
use crate::commands::{fail, print_message, print_result};

pub(crate) async fn run(json: bool) -> CommandOutcome {
    with_token_use_cases(async |use_cases| list(&use_cases, json).await).await
}

async fn list(use_cases: &UseCases, json: bool) -> CommandOutcome {
    let tokens = match use_cases.list_service_tokens.run(&Caller::Operator).await {
        Ok(tokens) => tokens,
        Err(error) => return fail(&error),
    };
    if stdout().is_terminal() && !json {
        for line in table::lay_out(HEADINGS, tokens.iter().map(row)) {
            print_result(line);
        }
    } else {
        for token in &tokens {
            match to_json_line(&ServiceTokenRecord::from(token)) {
                Ok(line) => print_result(line),
                Err(error) => return fail(&error),
            }
        }
    }
    if tokens.len() >= ServiceToken::MAX_LISTED {
        print_message(format_args!(
            "listed the newest {} tokens; there may be more",
            tokens.len()
        ));
    }
    CommandOutcome::Success
}

const HEADINGS: [&str; 6] = ["ID", "NAME", "SCOPES", "EXPIRES", "REVOKED", "LAST USED"];

fn row(token: &ServiceToken) -> Row<6> {
    let moment = |moment: Option<Timestamp>, none: &str| {
        moment.map_or_else(|| none.to_owned(), |moment| moment.to_string())
    };
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    [
        token.id.to_string(),
        token.name.as_str().to_owned(),
        scopes.join(","),
        moment(token.expires_at, "never"),
        moment(token.revoked_at, "-"),
        moment(token.last_used_at, "never"),
    ]
}
