//! Answers that show one user.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CACHE_STATUS, ETAG, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use user_domain::relationship::Counts;
use user_domain::use_cases::{FoundView, StatusChange, WrittenView};
use user_domain::values::UserId;
use user_domain::view::UserView;

use crate::bodies::{FieldSet, SelectedUser, UserBody, document, document_of, json};
use crate::cache_status;
use crate::etag::{TagCondition, entity_tag};
use crate::extract::{Call, Ignored, Target, Write};
use crate::problem::Problem;
use crate::ready::ReadyUsers;

const IDEMPOTENCY_REPLAYED: &str = "idempotency-replayed";

/// Counts, once for each, who follow users that the caller is shown, and whom they follow.
pub(super) async fn counted<T>(
    call: &Call<T>,
    shown: impl IntoIterator<Item = &UserView>,
) -> Result<HashMap<UserId, Counts>, Problem> {
    let views: HashMap<UserId, &UserView> = shown
        .into_iter()
        .map(|view| (view.public().id, view))
        .collect();
    let (ids, views): (Vec<UserId>, Vec<&UserView>) = views.into_iter().unzip();
    let count = &call.api.use_cases().count_relationships;
    let counts = count.run(&call.caller, views);
    let counts = call.within_deadline("count_relationships", counts).await?;
    Ok(ids.into_iter().zip(counts).collect())
}

/// Answers a read: the user, some of its fields, or 304 to a client that has this representation; and where it was read.
pub(super) fn found(
    request: &HttpRequest,
    found: &FoundView,
    fields: Option<&FieldSet>,
    counts: Option<Counts>,
    if_none_match: Option<&TagCondition>,
) -> Result<HttpResponse, Problem> {
    let mut response = represented(request, &found.view, fields, counts, if_none_match)?;
    let status = cache_status::of_one(found.source);
    response.headers_mut().insert(CACHE_STATUS, status);
    Ok(response)
}

fn represented(
    request: &HttpRequest,
    view: &UserView,
    fields: Option<&FieldSet>,
    counts: Option<Counts>,
    if_none_match: Option<&TagCondition>,
) -> Result<HttpResponse, Problem> {
    // A version does not tell whether these are the same as before.
    if fields.is_some() || counts.is_some() {
        let user = SelectedUser {
            view,
            fields,
            counts,
        };
        return document(StatusCode::OK, &user);
    }
    if let Some(condition) = if_none_match {
        let tag = entity_tag(view)?;
        if condition.names(&tag) {
            return Ok(HttpResponse::NotModified()
                .insert_header((ETAG, tag))
                .insert_header((CACHE_CONTROL, "private, no-cache"))
                .finish());
        }
    }
    let ready = ReadyUsers::of(request)?.get(view)?;
    Ok(tagged(StatusCode::OK, ready.body, ready.tag))
}

/// Answers a write: the user as the write left it.
pub(super) fn written(status: StatusCode, written: &WrittenView) -> Result<HttpResponse, Problem> {
    let body = json(&UserBody::from(&written.view))?;
    let mut response = tagged(status, body.into(), entity_tag(&written.view)?);
    mark_replay(&mut response, written.replayed);
    Ok(response)
}

/// Makes one change of status, and answers with the user.
pub(super) async fn change_status(
    call: Call<(Target, Write<Ignored>)>,
    change: StatusChange,
) -> Result<HttpResponse, Problem> {
    let (call, (target, write)) = call.split();
    let (use_case, caller) = (
        call.api.use_cases().change_status.clone(),
        call.caller.clone(),
    );
    let changed = call
        .detached("change_status", async move {
            use_case
                .run(&caller, target.0, change, write.conditions)
                .await
        })
        .await?;
    written(StatusCode::OK, &changed)
}

/// Tells the client that the write had been done before.
pub(super) fn mark_replay(response: &mut HttpResponse, replayed: bool) {
    if replayed {
        response.headers_mut().insert(
            HeaderName::from_static(IDEMPOTENCY_REPLAYED),
            HeaderValue::from_static("true"),
        );
    }
}

fn tagged(status: StatusCode, body: Bytes, tag: HeaderValue) -> HttpResponse {
    let mut response = document_of(status, body);
    response.headers_mut().insert(ETAG, tag);
    response
}
