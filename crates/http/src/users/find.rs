//! `GET /v1/users/{id}`, `/me`, `/by-username/{username}`, `/by-external-id/{external_id}`.

use std::pin::pin;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use user_domain::Freshness;
use user_domain::use_cases::{
    AuthenticateError, AuthenticatedRead, Credential, ReadNow, UserSelector,
};
use user_domain::values::UserId;

use super::BY_ID;
use super::user_response::{counts_by_user, read_response};
use crate::api::Api;
use crate::deadline::run_until;
use crate::extract::{
    AuthenticatedRequest, IfNoneMatch, PathSegment, RequestedFreshness, Selection,
    presented_credential, requested_freshness,
};
use crate::openapi::{
    CacheControlHeader, ExternalIdPath, FieldsQuery, Found, IdPath, IfNoneMatchHeader,
    IncludeQuery, UsernamePath,
};
use crate::problem::Problem;
use crate::request_context::RequestContext;
use crate::trace;

/// The parameters of a read: selected fields and counts, condition and freshness.
type ReadOptions = (Selection, IfNoneMatch, RequestedFreshness);

/// Returns the user with this id.
#[utoipa::path(
    get,
    path = "/v1/users/{id}",
    operation_id = "getUser",
    tag = "users",
    description = "The user in the view of the caller. For users, and for services with `users:read`.",
    params(
        IdPath,
        FieldsQuery,
        IncludeQuery,
        IfNoneMatchHeader,
        CacheControlHeader
    ),
    responses(Found)
)]
pub(crate) async fn by_id(
    call: AuthenticatedRequest<(PathSegment, ReadOptions)>,
) -> Result<HttpResponse, Problem> {
    find(call, UserSelector::Id).await
}

/// Returns the user with this username.
#[utoipa::path(
    get,
    path = "/v1/users/by-username/{username}",
    operation_id = "getUserByUsername",
    tag = "users",
    description = "The user in the view of the caller. For users, and for services with `users:read`.",
    params(
        UsernamePath,
        FieldsQuery,
        IncludeQuery,
        IfNoneMatchHeader,
        CacheControlHeader
    ),
    responses(Found)
)]
pub(crate) async fn by_username(
    call: AuthenticatedRequest<(PathSegment, ReadOptions)>,
) -> Result<HttpResponse, Problem> {
    find(call, UserSelector::Username).await
}

/// Returns the user with this id of the older systems.
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
    responses(Found)
)]
pub(crate) async fn by_external_id(
    call: AuthenticatedRequest<(PathSegment, ReadOptions)>,
) -> Result<HttpResponse, Problem> {
    find(call, UserSelector::ExternalId).await
}

/// Returns the calling user.
#[utoipa::path(
    get,
    path = "/v1/users/me",
    operation_id = "getMe",
    tag = "users",
    description = "For users. A service gets a 403.",
    params(FieldsQuery, IncludeQuery, IfNoneMatchHeader, CacheControlHeader),
    responses(Found)
)]
pub(crate) async fn me(call: AuthenticatedRequest<ReadOptions>) -> Result<HttpResponse, Problem> {
    show(&call, &UserSelector::Me, &call.parts).await
}

/// A read of one user by id without a query: the most frequent request.
///
/// It needs no router, and its caller and user are read together.
pub(crate) struct PlainRead {
    credential: Credential,
    selector: UserSelector,
    condition: IfNoneMatch,
    freshness: Freshness,
}

impl PlainRead {
    /// Returns the read if the request is one, and nothing in it is malformed.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        let id = request.path().strip_prefix("/v1/users/")?;
        if request.method() != Method::GET || !request.query_string().is_empty() {
            return None;
        }
        UserId::parse(id).ok()?;
        let headers = request.headers();
        Some(Self {
            credential: presented_credential(headers).ok()?,
            selector: UserSelector::Id(id.to_owned()),
            condition: IfNoneMatch::of(headers).ok()?,
            freshness: requested_freshness(headers),
        })
    }

    /// Returns the response if everything that it needs is in memory.
    pub(crate) fn respond_now(
        &self,
        api: &Api,
        request: &HttpRequest,
        context: &RequestContext,
    ) -> Option<Result<HttpResponse, Problem>> {
        context.route.set(Some(BY_ID));
        let read_user = &api.use_cases().read_user;
        let read = trace::use_case_span("read_user")
            .in_scope(|| read_user.now(&self.credential, &self.selector, self.freshness));
        match read {
            ReadNow::Done(read) => Some(self.response(api, request, context, read)),
            ReadNow::Waits(verified) => {
                context.verified.set(verified);
                None
            }
        }
    }

    /// Authenticates the caller and returns the response.
    pub(crate) async fn respond(
        &self,
        api: &Api,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Problem> {
        let context = RequestContext::of(request)
            .ok_or_else(|| Problem::internal("the request has no context"))?;
        // Set before the read, so that the route is also logged if the client disconnects.
        context.route.set(Some(BY_ID));
        let deadline = context.received + api.settings().deadlines.request;
        let read = api.use_cases().read_user.run(
            &self.credential,
            context.verified.take(),
            &self.selector,
            self.freshness,
        );
        let read = run_until(deadline, "read_user", pin!(read)).await?;
        self.response(api, request, &context, read)
    }

    fn response(
        &self,
        api: &Api,
        request: &HttpRequest,
        context: &RequestContext,
        read: Result<AuthenticatedRead, AuthenticateError>,
    ) -> Result<HttpResponse, Problem> {
        let read = read.map_err(Problem::from);
        let caller = read.as_ref().map(|read| &read.caller);
        context.record_caller(caller.map_err(Problem::rejection));
        let read = read?;
        api.resource_limits().rates.admit(&read.caller, context)?;
        let user = read.found?;
        read_response(request, &user, None, None, self.condition.0.as_ref())
    }
}

async fn find(
    call: AuthenticatedRequest<(PathSegment, ReadOptions)>,
    to_selector: fn(String) -> UserSelector,
) -> Result<HttpResponse, Problem> {
    let (segment, options) = &call.parts;
    show(&call, &to_selector(segment.0.clone()), options).await
}

async fn show<T>(
    call: &AuthenticatedRequest<T>,
    selector: &UserSelector,
    (selection, condition, fresh): &ReadOptions,
) -> Result<HttpResponse, Problem> {
    let find = &call.api.use_cases().find_user;
    let user = call
        .within_deadline("find_user", find.run(&call.caller, selector, fresh.0))
        .await?;
    let counts = if selection.include.counts {
        counts_by_user(call, [&user.view])
            .await?
            .into_values()
            .next()
    } else {
        None
    };
    read_response(
        &call.request,
        &user,
        selection.fields.as_ref(),
        counts,
        condition.0.as_ref(),
    )
}
