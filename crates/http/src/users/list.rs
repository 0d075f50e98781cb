//! `GET /v1/users`.

use actix_web::HttpResponse;
use actix_web::http::header::LINK;
use actix_web::web::Bytes;
use user_domain::directory::{CheckedQuery, DirectoryQuery, PageRequest};
use user_domain::use_cases::ListUsers;
use user_domain::view::UserView;

use super::user_response::counts_in_list;
use crate::bodies::{UserSelection, users_page};
use crate::cursor;
use crate::extract::{AuthenticatedRequest, Selection};
use crate::gzip::large_json_response;
use crate::link::next_page;
use crate::openapi::{FieldsQuery, FilterQuery, IncludeQuery, Listed, PageQuery};
use crate::problem::{Code, Problem};
use crate::query::Query;

/// Lists and searches users.
#[utoipa::path(
    get,
    path = "/v1/users",
    operation_id = "listUsers",
    tag = "users",
    description = "`metadata.public.<key>=value` and `metadata.private.<key>=value` filter by the metadata keys that the setting `INDEXED_METADATA` of the service lists. A string is compared as text, any other value as compact JSON; `null` never matches. Repeat the parameter for alternative values: up to 32 per key, each of at most 256 characters; a comma is part of the value. An unknown parameter is a 422, and so is a repeated parameter that is not a list. The response has no total; use `/v1/users/count`. For services with `users:read` and administrators. The filters `email`, `role`, `updated_since`, `updated_until` and `metadata.private.<key>`, and the order `updated_at`, also require `users:read_private`, because they reveal data outside the public view.",
    params(FilterQuery, PageQuery, FieldsQuery, IncludeQuery),
    responses(Listed)
)]
pub(crate) async fn list(call: AuthenticatedRequest) -> Result<HttpResponse, Problem> {
    ListUsers::permit(&call.caller)?;
    let request = page_request(&call)?;
    let selection = &request.selection;
    let use_case = &call.api.use_cases().list_users;
    let page = call
        .within_listing_deadline("list_users", use_case.run(&call.caller, &request.page))
        .await?;
    let next_cursor = page
        .next
        .as_ref()
        .map(|position| cursor::encode(call.api.signing_keys(), &request.query, position));
    let link = next_cursor
        .as_ref()
        .map(|cursor| next_page(&call.api, &call.request, "/v1/users", cursor))
        .transpose()?;
    let body = selected_page(&call, &page.users, selection, next_cursor.as_deref()).await?;
    let budget = &call.api.resource_limits().large_documents;
    let mut response = large_json_response(&call.request, budget, body).await?;
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// Serialises a page of users with the selected fields and counts.
pub(super) async fn selected_page(
    call: &AuthenticatedRequest,
    users: &[UserView],
    selection: &Selection,
    next_cursor: Option<&str>,
) -> Result<Bytes, Problem> {
    let counts = if selection.include.counts {
        Some(counts_in_list(call, users).await?)
    } else {
        None
    };
    let selection = UserSelection {
        fields: selection.fields.as_ref(),
        counts: counts.as_ref(),
    };
    let budget = &call.api.resource_limits().large_documents;
    users_page(users, selection, next_cursor, budget).await
}

struct Checked {
    query: CheckedQuery,
    page: PageRequest,
    selection: Selection,
}

fn page_request(call: &AuthenticatedRequest) -> Result<Checked, Problem> {
    let mut query = Query::of(&call.request);
    let cursor = query.take("cursor");
    let selection = Selection::take(&mut query);
    let (sort, limit) = (query.take("sort"), query.take("limit"));
    let parameters = DirectoryQuery {
        sort,
        limit,
        ..filter(&mut query, call)?
    };
    let query = check(query, &parameters)?;
    let invalid_cursor = || {
        Problem::new(
            Code::InvalidCursor,
            "The cursor is not valid for this filter and order.",
        )
    };
    let after = match cursor {
        None => None,
        Some(text) => Some(
            cursor::decode(call.api.signing_keys(), &query, &text).ok_or_else(invalid_cursor)?,
        ),
    };
    let page = PageRequest {
        filter: query.filter.clone(),
        sort: query.sort,
        after,
        limit: query.limit,
    };
    Ok(Checked {
        query,
        page,
        selection,
    })
}

/// Takes the filter parameters from a query.
pub(super) fn filter(
    query: &mut Query,
    call: &AuthenticatedRequest,
) -> Result<DirectoryQuery, Problem> {
    if query.has_prefix("metadata.private.") {
        ListUsers::permit_private_metadata(&call.caller)?;
    }
    let keys = call.api.settings().indexed_metadata.iter();
    let metadata = keys
        .filter_map(|key| Some((key.clone(), query.take_repeated(&key.parameter())?)))
        .collect();
    query.refuse_unknown(
        "metadata.",
        "Is not metadata.public.<key> or metadata.private.<key> of an indexed key. The setting INDEXED_METADATA of \
         the service lists these keys.",
    );
    Ok(DirectoryQuery {
        status: query.take_list("status"),
        role: query.take_list("role"),
        created_since: query.take("created_since"),
        created_until: query.take("created_until"),
        updated_since: query.take("updated_since"),
        updated_until: query.take("updated_until"),
        email: query.take("email"),
        external_id: query.take("external_id"),
        username_prefix: query.take("username_prefix"),
        q: query.take("q"),
        metadata,
        sort: None,
        limit: None,
    })
}

/// Validates the parameters, and that the query has no others.
pub(super) fn check(
    mut query: Query,
    parameters: &DirectoryQuery,
) -> Result<CheckedQuery, Problem> {
    query.refuse_unused();
    match parameters.check() {
        Ok(checked) => query.check().map(|()| checked),
        Err(faults) => {
            query.refuse_all(faults);
            query.check()?;
            Err(Problem::internal(
                "an invalid query has no validation error",
            ))
        }
    }
}
