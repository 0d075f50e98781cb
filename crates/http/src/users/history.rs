//! `GET /v1/users/{id}/history`.

use actix_web::HttpResponse;
use actix_web::http::header::LINK;
use user_domain::use_cases::ExportUser;

use super::related::{cursor_and_limit, cursor_of_other_list};
use crate::bodies::history_page;
use crate::cursor;
use crate::extract::{AuthenticatedRequest, TargetUser};
use crate::gzip::large_json_response;
use crate::link::next_page;
use crate::openapi::{self, HistoryQuery, IdPath};
use crate::problem::Problem;

/// Lists the changes of a user.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/history",
    operation_id = "listUserHistory",
    tag = "users",
    description = "The events of the last 30 days about the user, and about the relationships that it started or ended, newest first: what changed, when, and the actor, without values. An unknown parameter is a 422. For the user itself, services with `users:read_private` and administrators. A user does not see events about users that block it, so a page can have fewer events than the limit.",
    params(IdPath, HistoryQuery),
    responses(openapi::History)
)]
pub(crate) async fn history(
    call: AuthenticatedRequest<TargetUser>,
) -> Result<HttpResponse, Problem> {
    let (call, TargetUser(user)) = call.split();
    ExportUser::permit(&call.caller, user)?;
    let keys = call.api.signing_keys();
    let (cursor, limit) = cursor_and_limit(&call.request)?;
    let before = cursor
        .map(|text| cursor::decode_events(keys, user, &text).ok_or_else(cursor_of_other_list));
    let use_case = &call.api.use_cases().export_user;
    let page = use_case.history(&call.caller, user, before.transpose()?, limit);
    let page = call.within_listing_deadline("list_history", page).await?;
    let next = page
        .next
        .map(|next| cursor::encode_events(keys, user, next));
    let budget = &call.api.resource_limits().large_documents;
    let body = history_page(&page.events, next.as_deref(), budget).await?;
    let mut response = large_json_response(&call.request, budget, body).await?;
    if let Some(next) = next {
        let path = format!("/v1/users/{user}/history");
        let link = next_page(&call.api, &call.request, &path, &next)?;
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}
