//! `token list`

use std::io::{IsTerminal as _, stdout};

use user_domain::caller::Caller;
use user_domain::service_token::ServiceToken;
use user_domain::use_cases::{ListServiceTokensError, UseCases};
use user_domain::values::Timestamp;
use user_http::ServiceTokenRecord;

use super::{to_json_line, with_token_use_cases};
use crate::cli::CommandOutcome;
use crate::commands::table::{self, Row};
use crate::commands::{fail, print_result};

pub(crate) async fn run(json: bool) -> CommandOutcome {
    with_token_use_cases(async |use_cases| list(&use_cases, json).await).await
}

async fn list(use_cases: &UseCases, json: bool) -> CommandOutcome {
    let tokens = match all(use_cases).await {
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
    CommandOutcome::Success
}

/// Reads all tokens, page by page.
async fn all(use_cases: &UseCases) -> Result<Vec<ServiceToken>, ListServiceTokensError> {
    let list = &use_cases.list_service_tokens;
    let (mut tokens, mut after) = (Vec::new(), None);
    loop {
        let page = list.run(&Caller::Operator, after, PAGE).await?;
        tokens.extend(page.tokens);
        after = page.next;
        if after.is_none() {
            return Ok(tokens);
        }
    }
}

/// The number of tokens that are read at once.
const PAGE: u16 = 200;

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
