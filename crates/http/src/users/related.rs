//! The common part of the lists of related users, and of changes of relationships.

use actix_web::http::header::LINK;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use user_domain::directory::DirectoryQuery;
use user_domain::relationship::{FollowList, RelatedList, RelatedPosition, RelationshipChange};
use user_domain::use_cases::ListRelated;
use user_domain::values::UserId;

use super::list::{check, selected_page};
use crate::bodies::{RelatedNamesPage, json};
use crate::cursor;
use crate::extract::{
    AuthenticatedRequest, IdempotentWrite, NoBody, RequestedFreshness, Selection, TargetUser,
    UserPair,
};
use crate::gzip::large_json_response;
use crate::link::next_page;
use crate::problem::{Code, Problem};
use crate::query::Query;
use crate::replay::add_replayed_header;

/// Returns one page of followers or followed users in their public view.
pub(super) async fn list(
    call: AuthenticatedRequest<(TargetUser, RequestedFreshness)>,
    list: FollowList,
) -> Result<HttpResponse, Problem> {
    let (call, (target, fresh)) = call.split();
    let mut query = Query::of(&call.request);
    let selection = Selection::take(&mut query);
    let (after, limit) = page_parameters(&call, query, target.0, list.into())?;
    let use_case = &call.api.use_cases().list_related;
    let page = use_case.run(&call.caller, (target.0, list), after, limit, fresh.0);
    let page = call.within_listing_deadline("list_related", page).await?;
    let list = RelatedList::from(list);
    let next = next_cursor(&call, (target.0, list), page.next.as_ref());
    let body = selected_page(&call, &page.users, &selection, next.as_deref()).await?;
    page_response(&call, (target.0, list), next.as_deref(), body).await
}

/// Returns one page of the users that a user blocks, with the usernames that were stored with the blocks.
pub(super) async fn blocks(
    call: AuthenticatedRequest<(TargetUser, RequestedFreshness)>,
) -> Result<HttpResponse, Problem> {
    let (call, (target, fresh)) = call.split();
    let list = RelatedList::Blocks;
    let query = Query::of(&call.request);
    let (after, limit) = page_parameters(&call, query, target.0, list)?;
    let use_case = &call.api.use_cases().list_related;
    let page = use_case.blocks(&call.caller, target.0, after, limit, fresh.0);
    let page = call.within_listing_deadline("list_related", page).await?;
    let next = next_cursor(&call, (target.0, list), page.next.as_ref());
    let body = json(&RelatedNamesPage::new(&page.names, next.as_deref()))?;
    page_response(&call, (target.0, list), next.as_deref(), body.into()).await
}

/// Returns the position after which the page starts, and its maximum number of users.
fn page_parameters<T>(
    call: &AuthenticatedRequest<T>,
    query: Query,
    user: UserId,
    list: RelatedList,
) -> Result<(Option<RelatedPosition>, u16), Problem> {
    ListRelated::permit(&call.caller, user, list)?;
    let keys = call.api.signing_keys();
    let (cursor, limit) = take_cursor_and_limit(query)?;
    let after = match cursor {
        None => None,
        Some(text) => Some(
            cursor::decode_related(keys, (user, list), &text).ok_or_else(cursor_of_other_list)?,
        ),
    };
    Ok((after, limit))
}

/// Returns the `cursor` and the `limit` of a request for a page, which has no other parameters.
pub(crate) fn cursor_and_limit(request: &HttpRequest) -> Result<(Option<String>, u16), Problem> {
    take_cursor_and_limit(Query::of(request))
}

/// Takes the last two parameters of a query.
fn take_cursor_and_limit(mut query: Query) -> Result<(Option<String>, u16), Problem> {
    let cursor = query.take("cursor");
    let parameters = DirectoryQuery {
        limit: query.take("limit"),
        ..DirectoryQuery::default()
    };
    let limit = check(query, &parameters)?.limit;
    Ok((cursor, limit))
}

fn next_cursor<T>(
    call: &AuthenticatedRequest<T>,
    list: (UserId, RelatedList),
    next: Option<&RelatedPosition>,
) -> Option<String> {
    next.map(|position| cursor::encode_related(call.api.signing_keys(), list, position))
}

/// Creates the response of a page, with a link to the next page.
async fn page_response<T>(
    call: &AuthenticatedRequest<T>,
    (user, list): (UserId, RelatedList),
    next_cursor: Option<&str>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let path = format!("/v1/users/{user}/{}", list.as_str());
    let link = next_cursor
        .map(|cursor| next_page(&call.api, &call.request, &path, cursor))
        .transpose()?;
    let budget = &call.api.resource_limits().large_documents;
    let mut response = large_json_response(&call.request, budget, body).await?;
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// Creates the problem of a cursor that was issued for another list.
pub(crate) fn cursor_of_other_list() -> Problem {
    Problem::new(
        Code::InvalidCursor,
        "The cursor is not valid for this list.",
    )
}

/// Changes the relationship between the two users of the path.
pub(super) async fn change(
    call: AuthenticatedRequest<(UserPair, IdempotentWrite<NoBody>)>,
    change: RelationshipChange,
) -> Result<HttpResponse, Problem> {
    let (call, (UserPair(from, to), write)) = call.split();
    let use_case = call.api.use_cases().change_relationship.clone();
    let caller = call.caller.clone();
    let changed = call
        .write("change_relationship", async move {
            use_case
                .run(&caller, (from, to), change, write.idempotency)
                .await
        })
        .await?;
    let mut response = HttpResponse::NoContent().finish();
    add_replayed_header(&mut response, changed.replayed);
    Ok(response)
}
