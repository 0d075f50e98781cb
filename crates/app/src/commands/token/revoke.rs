//! `token revoke`

use user_domain::caller::Caller;
use user_domain::use_cases::UseCases;
use user_domain::values::{ServiceTokenId, TokenSecret};

use super::with_token_use_cases;
use crate::cli::CommandOutcome;
use crate::commands::{fail, print_message, print_result};

pub(crate) async fn run(text: &str) -> CommandOutcome {
    // A leaked token can be revoked without a search for its id.
    let id = ServiceTokenId::parse(text)
        .ok()
        .or_else(|| TokenSecret::parse_token(text).map(|(id, _)| id));
    let Some(id) = id else {
        print_message("user-service: give a token's id, as `user-service token list` shows it");
        return CommandOutcome::InvalidUsage;
    };
    with_token_use_cases(async |use_cases| revoke(&use_cases, id).await).await
}

async fn revoke(use_cases: &UseCases, id: ServiceTokenId) -> CommandOutcome {
    match use_cases
        .revoke_service_token
        .run(&Caller::Operator, id, None)
        .await
    {
        Ok(_) => {
            print_result(id);
            CommandOutcome::Success
        }
        Err(error) => fail(&error),
    }
}
