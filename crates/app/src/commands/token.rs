//! The commands on service tokens. They call the use cases as the operator, on the store of the settings.

mod create;
mod list;
mod revoke;

use user_domain::StoreError;
use user_domain::use_cases::UseCases;
use user_http::ServiceTokenRecord;

use super::with_use_cases;
use crate::cli::{CommandOutcome, Token};

pub(super) async fn run(command: Token) -> CommandOutcome {
    match command {
        Token::Create(arguments) => create::run(&arguments).await,
        Token::List { json } => list::run(json).await,
        Token::Revoke { id } => revoke::run(&id).await,
    }
}

/// Runs the work of a command with the use cases on the store of the settings. Fails if migrations are pending.
async fn with_token_use_cases(
    work: impl AsyncFnOnce(UseCases) -> CommandOutcome,
) -> CommandOutcome {
    with_use_cases(async |_, use_cases| work(use_cases).await).await
}

/// Serializes a token as one line of JSON.
fn to_json_line(record: &ServiceTokenRecord<'_>) -> Result<String, StoreError> {
    serde_json::to_string(record)
        .map_err(|error| StoreError::Internal(format!("a token cannot be written: {error}")))
}
