//! `GET /v1/erasures`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LINK;
use user_domain::Violation;
use user_domain::erasure::Erasure;
use user_domain::use_cases::ConfirmErasures;

use crate::bodies::{ErasurePageBody, no_store_json_response};
use crate::cursor;
use crate::extract::AuthenticatedRequest;
use crate::link::next_page;
use crate::openapi::{ErasuresQuery, ListedErasures};
use crate::problem::{Code, Problem};
use crate::query::Query;

/// The number of erasures on a page without `limit`.
const DEFAULT_LIMIT: u16 = 50;

/// Lists the erasures that a consumer has not confirmed.
#[utoipa::path(
    get,
    path = "/v1/erasures",
    operation_id = "listErasures",
    tag = "erasures",
    description = "Oldest first. An erasure stays in the list until the consumer confirms it, however long that takes. An erasure can appear before others that were read already, so start without a cursor each time. An unknown parameter is a 422, an unknown consumer a 404 `erasure_consumer_not_found`. For services with `events:read`.",
    params(ErasuresQuery),
    responses(ListedErasures)
)]
pub(crate) async fn list(call: AuthenticatedRequest) -> Result<HttpResponse, Problem> {
    ConfirmErasures::permit_reading(&call.caller)?;
    let mut query = Query::of(&call.request);
    let consumer = query.take("pending_for");
    let cursor = query.take("cursor");
    let limit = query.take_number("limit", 1, Erasure::MAX_PAGE);
    if consumer.is_none() {
        query.refuse("pending_for", &Violation::new("required", "Is required."));
    }
    query.refuse_unused();
    query.check()?;
    let consumer = consumer.unwrap_or_default();
    let keys = call.api.signing_keys();
    let invalid_cursor = || {
        Problem::new(
            Code::InvalidCursor,
            "The cursor is not valid for this consumer.",
        )
    };
    let after = match cursor {
        None => None,
        Some(text) => {
            Some(cursor::decode_erasures(keys, &consumer, &text).ok_or_else(invalid_cursor)?)
        }
    };
    let use_case = &call.api.use_cases().confirm_erasures;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let page = use_case.pending(&call.caller, &consumer, after, limit);
    let page = call
        .within_listing_deadline("list_pending_erasures", page)
        .await?;
    let next = page
        .next
        .map(|next| cursor::encode_erasures(keys, &consumer, next));
    let body = ErasurePageBody::new(&page.erasures, next.as_deref());
    let mut response = no_store_json_response(StatusCode::OK, &body)?;
    if let Some(next) = next {
        let link = next_page(&call.api, &call.request, "/v1/erasures", &next)?;
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}
