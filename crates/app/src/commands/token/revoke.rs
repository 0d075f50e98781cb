//! `token revoke`

use user_domain::caller::Caller;
use user_domain::use_cases::UseCases;
use user_domain::values::{ServiceTokenId, TokenSecret};

use super::on_tokens;
use crate::cli::Outcome;
use crate::commands::{failed, result, say};

pub(crate) async fn run(text: &str) -> Outcome {
    // Whoever has found a token somewhere need not look for its id.
    let id = ServiceTokenId::parse(text)
        .ok()
        .or_else(|| TokenSecret::read(text).map(|(id, _)| id));
    let Some(id) = id else {
        say("user-service: give a token's id, as `user-service token list` shows it");
        return Outcome::Misused;
    };
    on_tokens(async |use_cases| revoke(&use_cases, id).await).await
}

async fn revoke(use_cases: &UseCases, id: ServiceTokenId) -> Outcome {
    match use_cases
        .revoke_service_token
        .run(&Caller::Operator, id)
        .await
    {
        Ok(token) => {
            result(token.id);
            Outcome::Done
        }
        Err(error) => failed(&error),
    }
}
