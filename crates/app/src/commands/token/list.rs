//! `token list`

use std::io::{IsTerminal as _, stdout};

use user_domain::caller::Caller;
use user_domain::service_token::ServiceToken;
use user_domain::use_cases::UseCases;
use user_domain::values::Timestamp;
use user_http::ServiceTokenRecord;

use super::{line, on_tokens};
use crate::cli::Outcome;
use crate::commands::table::{self, Row};
use crate::commands::{failed, result, say};

pub(crate) async fn run(json: bool) -> Outcome {
    on_tokens(async |use_cases| list(&use_cases, json).await).await
}

async fn list(use_cases: &UseCases, json: bool) -> Outcome {
    let tokens = match use_cases.list_service_tokens.run(&Caller::Operator).await {
        Ok(tokens) => tokens,
        Err(error) => return failed(&error),
    };
    if stdout().is_terminal() && !json {
        for line in table::lay_out(HEADINGS, tokens.iter().map(row)) {
            result(line);
        }
    } else {
        for token in &tokens {
            match line(&ServiceTokenRecord::from(token)) {
                Ok(line) => result(line),
                Err(error) => return failed(&error),
            }
        }
    }
    if tokens.len() >= ServiceToken::LISTED {
        say(format_args!(
            "the newest {}; there may be more",
            tokens.len()
        ));
    }
    Outcome::Done
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
