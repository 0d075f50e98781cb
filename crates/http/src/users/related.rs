//! What the lists of those who have to do with a user, and the changes of them, have in common.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LINK;
use user_domain::directory::DirectoryQuery;
use user_domain::relationship::{RelatedList, RelationshipChange};
use user_domain::use_cases::ListRelated;

use super::list::check;
use super::shown::mark_replay;
use crate::bodies::{UserBody, UsersPage, document};
use crate::cursor;
use crate::extract::{Call, Fresh, Ignored, Keyed, Pair, Target};
use crate::link::next_page;
use crate::problem::{Code, Problem};
use crate::query::Query;

/// Shows one page of a list.
pub(super) async fn list(
    call: Call<(Target, Fresh)>,
    list: RelatedList,
) -> Result<HttpResponse, Problem> {
    let (call, (target, fresh)) = call.split();
    let (user, seal) = (target.0, call.api.seal());
    ListRelated::permit(&call.caller, user, list)?;
    let mut query = Query::of(&call.request);
    let cursor = query.take("cursor");
    let wanted = DirectoryQuery {
        limit: query.take("limit"),
        ..DirectoryQuery::default()
    };
    let limit = check(query, &wanted)?.limit;
    let foreign = || {
        Problem::new(
            Code::InvalidCursor,
            "The cursor was not made for this list.",
        )
    };
    let after = match cursor {
        None => None,
        Some(text) => Some(cursor::read_related(seal, (user, list), &text).ok_or_else(foreign)?),
    };
    let use_case = &call.api.use_cases().list_related;
    let page = use_case.run(&call.caller, (user, list), after, limit, fresh.0);
    let page = call.within_listing_deadline("list_related", page).await?;
    let next_cursor = page
        .next
        .as_ref()
        .map(|place| cursor::write_related(seal, (user, list), place));
    let path = format!("/v1/users/{user}/{}", list.as_str());
    let link = next_cursor
        .as_ref()
        .map(|cursor| next_page(&call.api, &call.request, &path, cursor))
        .transpose()?;
    let users = page.users.iter().map(UserBody::from).collect();
    let mut response = document(StatusCode::OK, &UsersPage { users, next_cursor })?;
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// Makes one change of what the one user of the path is to the other.
pub(super) async fn change(
    call: Call<(Pair, Keyed<Ignored>)>,
    change: RelationshipChange,
) -> Result<HttpResponse, Problem> {
    let (call, (Pair(from, to), write)) = call.split();
    let use_case = call.api.use_cases().change_relationship.clone();
    let caller = call.caller.clone();
    let changed = call
        .detached("change_relationship", async move {
            use_case
                .run(&caller, (from, to), change, write.idempotency)
                .await
        })
        .await?;
    let mut response = HttpResponse::NoContent().finish();
    mark_replay(&mut response, changed.replayed);
    Ok(response)
}
