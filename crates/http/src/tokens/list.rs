//! `GET /v1/tokens`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LINK;
use user_domain::use_cases::ListServiceTokens;

use crate::bodies::{ServiceTokens, no_store_json_response};
use crate::cursor;
use crate::extract::AuthenticatedRequest;
use crate::link::next_page;
use crate::openapi::{ListedTokens, TokensQuery};
use crate::problem::Problem;
use crate::users::{cursor_and_limit, cursor_of_other_list};

/// Lists the service tokens.
#[utoipa::path(
    get,
    path = "/v1/tokens",
    operation_id = "listTokens",
    tag = "tokens",
    description = "Newest first, including expired and revoked tokens. Tokens from the settings of the service are not included. An unknown parameter is a 422. For services with `tokens:admin`.",
    params(TokensQuery),
    responses(ListedTokens)
)]
pub(crate) async fn list(call: AuthenticatedRequest) -> Result<HttpResponse, Problem> {
    ListServiceTokens::permit(&call.caller)?;
    let keys = call.api.signing_keys();
    let (cursor, limit) = cursor_and_limit(&call.request)?;
    let after =
        cursor.map(|text| cursor::decode_tokens(keys, &text).ok_or_else(cursor_of_other_list));
    let use_case = &call.api.use_cases().list_service_tokens;
    let page = use_case.run(&call.caller, after.transpose()?, limit);
    let page = call
        .within_listing_deadline("list_service_tokens", page)
        .await?;
    let next = page
        .next
        .map(|position| cursor::encode_tokens(keys, position));
    let body = ServiceTokens::new(&page.tokens, next.as_deref());
    let mut response = no_store_json_response(StatusCode::OK, &body)?;
    if let Some(next) = next {
        let link = next_page(&call.api, &call.request, "/v1/tokens", &next)?;
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}
