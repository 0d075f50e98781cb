//! `GET /v1/users`.

use actix_web::http::StatusCode;
use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse};
use user_domain::directory::{CheckedQuery, DirectoryQuery, PageRequest};
use user_domain::use_cases::ListUsers;
use user_domain::view::UserView;

use crate::api::Api;
use crate::bodies::{UserBody, UsersPage, document};
use crate::cursor;
use crate::extract::Call;
use crate::link::next_page;
use crate::openapi::{FilterQuery, ListErrors, Listed, PageQuery};
use crate::problem::{Code, Problem};
use crate::query::Query;

/// Walks and searches the directory.
#[utoipa::path(
    get,
    path = "/v1/users",
    operation_id = "listUsers",
    tag = "users",
    description = "For services with `users:read` and administrators; filters by `email` and `role`, which are in no public view, need `users:read_private` as well. An unknown parameter is a 422. There is no total: count apart.",
    params(FilterQuery, PageQuery),
    responses(Listed, ListErrors)
)]
pub(crate) async fn list(call: Call) -> Result<HttpResponse, Problem> {
    ListUsers::permit(&call.caller)?;
    let request = page_request(&call.api, &call.request)?;
    let use_case = &call.api.use_cases().list_users;
    let page = call
        .within_listing_deadline("list_users", use_case.run(&call.caller, &request.page))
        .await?;
    let next_cursor = page
        .next
        .as_ref()
        .map(|place| cursor::write(call.api.seal(), &request.query, place));
    let link = next_cursor
        .as_ref()
        .map(|cursor| next_page(&call.api, &call.request, "/v1/users", cursor))
        .transpose()?;
    let users = page
        .users
        .iter()
        .map(<UserBody<'_> as From<&UserView>>::from)
        .collect();
    let mut response = document(StatusCode::OK, &UsersPage { users, next_cursor })?;
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

struct Checked {
    query: CheckedQuery,
    page: PageRequest,
}

fn page_request(api: &Api, request: &HttpRequest) -> Result<Checked, Problem> {
    let mut query = Query::of(request);
    let cursor = query.take("cursor");
    let (sort, limit) = (query.take("sort"), query.take("limit"));
    let wanted = DirectoryQuery {
        sort,
        limit,
        ..filter(&mut query)
    };
    let query = check(query, &wanted)?;
    let foreign = || {
        Problem::new(
            Code::InvalidCursor,
            "The cursor was not made for this filter and order.",
        )
    };
    let after = match cursor {
        None => None,
        Some(text) => Some(cursor::read(api.seal(), &query, &text).ok_or_else(foreign)?),
    };
    let page = PageRequest {
        filter: query.filter.clone(),
        sort: query.sort,
        after,
        limit: query.limit,
    };
    Ok(Checked { query, page })
}

/// Takes the parameters that say which users are meant.
pub(super) fn filter(query: &mut Query) -> DirectoryQuery {
    DirectoryQuery {
        status: query.take("status"),
        role: query.take("role"),
        created_since: query.take("created_since"),
        updated_since: query.take("updated_since"),
        email: query.take("email"),
        external_id: query.take("external_id"),
        username_prefix: query.take("username_prefix"),
        q: query.take("q"),
        sort: None,
        limit: None,
    }
}

/// Checks what was taken, and that nothing is left.
pub(super) fn check(mut query: Query, wanted: &DirectoryQuery) -> Result<CheckedQuery, Problem> {
    query.refuse_rest();
    match wanted.check() {
        Ok(checked) => query.check().map(|()| checked),
        Err(faults) => {
            query.refuse_all(faults);
            query.check()?;
            Err(Problem::internal("a faulty query had no fault"))
        }
    }
}
