//! `GET /v1/users/{id}`, `/me`, `/by-username/{username}`, `/by-external-id/{external_id}`.

use actix_web::http::header::{HeaderMap, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse};
use tokio::time::{Instant, timeout_at};
use user_domain::Freshness;
use user_domain::caller::Caller;
use user_domain::use_cases::Sought;
use user_domain::values::UserId;

use super::shown::{counted, found};
use crate::api::Api;
use crate::extract::{Call, Fresh, IfNoneMatch, Segment, Selection, Shown, freshness, shown};
use crate::openapi::{
    CacheControlHeader, ExternalIdPath, FieldsQuery, Found, IdPath, IfNoneMatchHeader,
    IncludeQuery, ReadErrors, UsernamePath,
};
use crate::problem::Problem;

/// How the user is to be shown.
type Wanted = (Selection, IfNoneMatch, Fresh);

/// Shows the user with this id.
#[utoipa::path(
    get,
    path = "/v1/users/{id}",
    operation_id = "getUser",
    tag = "users",
    description = "For people, and for services with `users:read`; each in its view of the user.",
    params(
        IdPath,
        FieldsQuery,
        IncludeQuery,
        IfNoneMatchHeader,
        CacheControlHeader
    ),
    responses(Found, ReadErrors)
)]
pub(crate) async fn by_id(call: Call<(Segment, Wanted)>) -> Result<HttpResponse, Problem> {
    find(call, Sought::Id).await
}

/// Shows the user with this name, however typed.
#[utoipa::path(
    get,
    path = "/v1/users/by-username/{username}",
    operation_id = "getUserByUsername",
    tag = "users",
    description = "For people, and for services with `users:read`; each in its view of the user.",
    params(
        UsernamePath,
        FieldsQuery,
        IncludeQuery,
        IfNoneMatchHeader,
        CacheControlHeader
    ),
    responses(Found, ReadErrors)
)]
pub(crate) async fn by_username(call: Call<(Segment, Wanted)>) -> Result<HttpResponse, Problem> {
    find(call, Sought::Username).await
}

/// Shows the user with this id of the older platform.
#[utoipa::path(
    get,
    path = "/v1/users/by-external-id/{external_id}",
    operation_id = "getUserByExternalId",
    tag = "users",
    description = "For services with `users:read` and administrators.",
    params(
        ExternalIdPath,
        FieldsQuery,
        IncludeQuery,
        IfNoneMatchHeader,
        CacheControlHeader
    ),
    responses(Found, ReadErrors)
)]
pub(crate) async fn by_external_id(call: Call<(Segment, Wanted)>) -> Result<HttpResponse, Problem> {
    find(call, Sought::ExternalId).await
}

/// Shows the caller.
#[utoipa::path(
    get,
    path = "/v1/users/me",
    operation_id = "getMe",
    tag = "users",
    description = "For people: a service is nobody (403).",
    params(FieldsQuery, IncludeQuery, IfNoneMatchHeader, CacheControlHeader),
    responses(Found, ReadErrors)
)]
pub(crate) async fn me(call: Call<Wanted>) -> Result<HttpResponse, Problem> {
    show(&call, &Sought::Me, &call.parts).await
}

/// A person's read of one user that asks for nothing out of the ordinary.
pub(crate) struct PlainRead<'a> {
    token: &'a str,
    id: UserId,
    freshness: Freshness,
}

impl<'a> PlainRead<'a> {
    /// Takes a read of the user with this id, if it is one.
    pub(crate) fn of(headers: &'a HeaderMap, id: &str) -> Option<Self> {
        let (Ok(Shown::Bearer(token)), Ok(id)) = (shown(headers), UserId::parse(id)) else {
            return None;
        };
        let read = Self {
            token,
            id,
            freshness: freshness(headers),
        };
        (!headers.contains_key(IF_NONE_MATCH)).then_some(read)
    }

    /// Answers from what is at hand.
    pub(crate) fn recall(
        &self,
        api: &Api,
        request: &HttpRequest,
    ) -> Option<(Caller, HttpResponse)> {
        if self.freshness != Freshness::Bounded {
            return None;
        }
        let (caller, user) = api.use_cases().recall_user.run(self.token, self.id)?;
        let answer = found(request, &user, None, None, None).ok()?;
        Some((caller, answer))
    }

    /// Answers from what has to be read, before this moment.
    pub(crate) async fn read(
        &self,
        api: &Api,
        request: &HttpRequest,
        deadline: Instant,
    ) -> Result<Option<(Caller, HttpResponse)>, Problem> {
        let recall = &api.use_cases().recall_user;
        let read = recall.read(self.token, self.id, self.freshness);
        let read = timeout_at(deadline, read).await;
        let Some((caller, user)) = read.map_err(|_| Problem::overloaded())?? else {
            return Ok(None);
        };
        let answer = found(request, &user, None, None, None)?;
        Ok(Some((caller, answer)))
    }
}

async fn find(
    call: Call<(Segment, Wanted)>,
    sought: fn(String) -> Sought,
) -> Result<HttpResponse, Problem> {
    let (segment, wanted) = &call.parts;
    show(&call, &sought(segment.0.clone()), wanted).await
}

async fn show<T>(
    call: &Call<T>,
    sought: &Sought,
    (selection, condition, fresh): &Wanted,
) -> Result<HttpResponse, Problem> {
    let find = &call.api.use_cases().find_user;
    let user = call
        .within_deadline("find_user", find.run(&call.caller, sought, fresh.0))
        .await?;
    let counts = if selection.include.counts {
        counted(call, [&user.view]).await?.into_values().next()
    } else {
        None
    };
    found(
        &call.request,
        &user,
        selection.fields.as_ref(),
        counts,
        condition.0.as_ref(),
    )
}
