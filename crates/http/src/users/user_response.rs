//! Responses that contain one user.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CACHE_STATUS, ETAG, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use user_domain::relationship::Counts;
use user_domain::use_cases::{FoundView, StatusChange, WrittenView};
use user_domain::values::UserId;
use user_domain::view::UserView;
use user_domain::{Source, StoreError};

use crate::api::Api;
use crate::bodies::{
    FieldSet, SelectedUser, USER_CACHE_CONTROL, UserBody, json, json_response,
    json_response_of_bytes,
};
use crate::cache_status;
use crate::etag::TagCondition;
use crate::extract::{AuthenticatedRequest, ConditionalWrite, NoBody, TargetUser};
use crate::problem::Problem;
use crate::replay::add_replayed_header;
use crate::response_cache::ResponseCache;

/// Returns the follower counts of each distinct user in the views, within the deadline of a request.
pub(super) async fn counts_by_user<T>(
    call: &AuthenticatedRequest<T>,
    views: impl IntoIterator<Item = &UserView>,
) -> Result<HashMap<UserId, Counts>, Problem> {
    call.within_deadline("count_relationships", count(call, views))
        .await
}

/// Returns the follower counts of each distinct user in the views, within the deadline of a list.
pub(super) async fn counts_in_list<T>(
    call: &AuthenticatedRequest<T>,
    views: impl IntoIterator<Item = &UserView>,
) -> Result<HashMap<UserId, Counts>, Problem> {
    call.within_listing_deadline("count_relationships", count(call, views))
        .await
}

async fn count<T>(
    call: &AuthenticatedRequest<T>,
    views: impl IntoIterator<Item = &UserView>,
) -> Result<HashMap<UserId, Counts>, Problem> {
    let views: HashMap<UserId, &UserView> = views
        .into_iter()
        .map(|view| (view.public().id, view))
        .collect();
    let (ids, views): (Vec<UserId>, Vec<&UserView>) = views.into_iter().unzip();
    let use_case = &call.api.use_cases().count_relationships;
    let counts = use_case.run(&call.caller, views).await?;
    Ok(ids.into_iter().zip(counts).collect())
}

/// Creates the response of a read: the user, selected fields of it, or a 304. `Cache-Status` names the source if the
/// view permits it.
///
/// # Errors
/// A conditional read is not answered by a standby: the client may have a newer version already.
pub(super) fn read_response(
    request: &HttpRequest,
    found: &FoundView,
    fields: Option<&FieldSet>,
    counts: Option<Counts>,
    if_none_match: Option<&TagCondition>,
) -> Result<HttpResponse, Problem> {
    if if_none_match.is_some() && found.source == Source::Standby {
        let reason = "the primary server is unavailable for a conditional read".to_owned();
        return Err(StoreError::Unavailable(reason).into());
    }
    let mut response = representation(request, &found.view, fields, counts, if_none_match)?;
    if found.view.shows_source() {
        let status = cache_status::of_one(found.source);
        response.headers_mut().insert(CACHE_STATUS, status);
    }
    Ok(response)
}

fn representation(
    request: &HttpRequest,
    view: &UserView,
    fields: Option<&FieldSet>,
    counts: Option<Counts>,
    if_none_match: Option<&TagCondition>,
) -> Result<HttpResponse, Problem> {
    // The version does not cover selected fields and counts, so the response has no `ETag`.
    if fields.is_some() || counts.is_some() {
        let user = SelectedUser {
            view,
            fields,
            counts,
        };
        return json_response(StatusCode::OK, &user);
    }
    let cached = ResponseCache::of(request)?.get(view)?;
    if if_none_match.is_some_and(|condition| condition.matches(&cached.tag)) {
        return Ok(HttpResponse::NotModified()
            .insert_header((ETAG, cached.tag))
            .insert_header((CACHE_CONTROL, USER_CACHE_CONTROL))
            .finish());
    }
    Ok(with_etag(StatusCode::OK, cached.body, cached.tag))
}

/// Creates the response of a write: the user after the write.
pub(super) fn write_response(
    api: &Api,
    status: StatusCode,
    written: &WrittenView,
) -> Result<HttpResponse, Problem> {
    let body = json(&UserBody::from(&written.view))?;
    let mut response = with_etag(
        status,
        body.into(),
        api.signing_keys().entity_tags().of(&written.view)?,
    );
    add_replayed_header(&mut response, written.replayed);
    Ok(response)
}

/// Changes the status of the user and returns the user.
pub(super) async fn change_status(
    call: AuthenticatedRequest<(TargetUser, ConditionalWrite<NoBody>)>,
    change: StatusChange,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().change_status.clone(),
        call.caller.clone(),
    );
    let changed = call
        .write("change_status", async move {
            use_case
                .run(&caller, target.0, change, write.conditions)
                .await
        })
        .await?;
    write_response(&call.api, StatusCode::OK, &changed)
}

fn with_etag(status: StatusCode, body: Bytes, tag: HeaderValue) -> HttpResponse {
    let mut response = json_response_of_bytes(status, body);
    response.headers_mut().insert(ETAG, tag);
    response
}
