//! Refuses requests beyond the limits of headers and concurrency, and normalises request URIs.

use std::future::{Ready, ready};

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::Uri;
use actix_web::http::header::HeaderMap;
use actix_web::http::uri::PathAndQuery;
use futures_util::future::Either;

use crate::api::Api;
use crate::problem::{Code, Problem};

/// Refuses requests with too many bytes of header fields, and API requests while the service is overloaded. Removes the
/// gateway's prefix and one trailing slash from the path.
pub(crate) struct RequestLimits {
    api: Api,
}

impl RequestLimits {
    pub(crate) fn new(api: &Api) -> Self {
        Self { api: api.clone() }
    }
}

pub(crate) struct RequestLimitsService<S> {
    service: S,
    api: Api,
}

impl<S> Transform<S, ServiceRequest> for RequestLimits
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = RequestLimitsService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(RequestLimitsService {
            service,
            api: self.api.clone(),
        }))
    }
}

impl<S> Service<ServiceRequest> for RequestLimitsService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Either<Ready<Result<Self::Response, Error>>, S::Future>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        if let Some(problem) = header_excess(&self.api, request.headers()) {
            return Either::Left(ready(Ok(request.error_response(problem))));
        }
        if let Some(uri) = normalise(request.uri(), &self.api.settings().base_path) {
            request.match_info_mut().get_mut().update(&uri);
            request.head_mut().uri = uri;
        }
        if let Some(problem) = overload(&self.api, request.path()) {
            return Either::Left(ready(Ok(request.error_response(problem))));
        }
        Either::Right(self.service.call(request))
    }
}

/// Returns the problem of a request with too many bytes of header fields.
pub(super) fn header_excess(api: &Api, headers: &HeaderMap) -> Option<Problem> {
    let limit = api.settings().header_limit;
    (header_size(headers) > limit).then(|| {
        let detail = format!("All header fields together must have at most {limit} bytes.");
        Problem::new(Code::HeaderTooLarge, detail)
    })
}

/// Returns the problem of a request during an overload. Health, metrics and the description stay available.
pub(super) fn overload(api: &Api, path: &str) -> Option<Problem> {
    (path.starts_with("/v1/") && api.is_overloaded()).then(Problem::overloaded)
}

/// Returns the size of the header fields in HTTP/1.1.
fn header_size(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum()
}

/// Returns the URI that the routes match, if it differs from the received one.
fn normalise(uri: &Uri, base_path: &str) -> Option<Uri> {
    let path = uri.path();
    let below = below_base(path, base_path).unwrap_or(path);
    let trimmed = match below.strip_suffix('/') {
        Some(trimmed) if !trimmed.is_empty() => trimmed,
        _ => below,
    };
    if trimmed == path {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    let path_and_query = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{trimmed}?{query}")),
        None => PathAndQuery::try_from(trimmed),
    };
    parts.path_and_query = Some(path_and_query.ok()?);
    Uri::from_parts(parts).ok()
}

/// Returns the path after the gateway's prefix, if it is a path of this service.
///
/// The check prevents a prefix such as `/v1` from hiding the routes.
fn below_base<'a>(path: &'a str, base_path: &str) -> Option<&'a str> {
    const ROOTS: [&str; 7] = [
        "v1",
        "health",
        "metrics",
        "openapi.json",
        "openapi-3.0.json",
        "asyncapi.json",
        "docs",
    ];
    if base_path.is_empty() {
        return None;
    }
    let below = path.strip_prefix(base_path)?;
    if matches!(below, "" | "/") {
        let is_route = ROOTS.contains(&base_path.trim_start_matches('/'));
        return (!is_route).then_some("/");
    }
    let first = below.strip_prefix('/')?.split('/').next()?;
    ROOTS.contains(&first).then_some(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(uri: &str, base_path: &str) -> String {
        let uri: Uri = uri.parse().unwrap();
        normalise(&uri, base_path).unwrap_or(uri).to_string()
    }

    #[test]
    fn only_one_trailing_slash_is_removed() {
        assert_eq!(normalised("/v1/users/", ""), "/v1/users");
        assert_eq!(normalised("/v1/users/?q=a/", ""), "/v1/users?q=a/");
        assert_eq!(normalised("/v1/users//", ""), "/v1/users/");
        assert_eq!(normalised("/", ""), "/");
        for uri in [
            "/v1//users",
            "/v1/users/by-username/a%2Fb%25",
            "/v1/users?x=%2F",
        ] {
            assert_eq!(normalised(uri, ""), uri);
        }
    }

    #[test]
    fn a_prefix_is_removed_if_present() {
        assert_eq!(normalised("/api/v1/users", "/api"), "/v1/users");
        assert_eq!(normalised("/v1/users", "/api"), "/v1/users");
        assert_eq!(normalised("/api/health/", "/api"), "/health");
        assert_eq!(normalised("/apis/v1/users", "/api"), "/apis/v1/users");
        for root in ["/api", "/api/", "/"] {
            assert_eq!(normalised(root, "/api"), "/");
        }
        assert_eq!(normalised("/api?a=b", "/api"), "/?a=b");
        assert_eq!(normalised("/api//", "/api"), "/api/");
    }

    #[test]
    fn a_prefix_that_equals_a_route_hides_no_route() {
        assert_eq!(normalised("/v1/users", "/v1"), "/v1/users");
        assert_eq!(normalised("/v1/v1/users", "/v1"), "/v1/users");
        assert_eq!(normalised("/v1/health", "/v1"), "/health");
        assert_eq!(normalised("/docs", "/docs"), "/docs");
        assert_eq!(normalised("/docs/", "/docs"), "/docs");
        assert_eq!(normalised("/docs/docs", "/docs"), "/docs");
    }
}
