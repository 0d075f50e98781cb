//! Refuses oversized header fields and what is too much at once, and brings addresses to one form.

use std::future::{Ready, ready};
use std::sync::atomic::Ordering;

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::Uri;
use actix_web::http::header::HeaderMap;
use actix_web::http::uri::PathAndQuery;
use futures_util::future::LocalBoxFuture;

use crate::api::Api;
use crate::problem::{Code, Problem};

/// Refuses requests with too many bytes of header fields, and those of the API past its limit; takes the gateway's prefix
/// and one trailing slash off.
pub(crate) struct Admit {
    api: Api,
    header_limit: usize,
    base_path: String,
}

impl Admit {
    pub(crate) fn new(api: &Api) -> Self {
        let settings = api.settings();
        Self {
            api: api.clone(),
            header_limit: settings.header_limit,
            base_path: settings.base_path.clone(),
        }
    }
}

pub(crate) struct AdmitService<S> {
    service: S,
    api: Api,
    header_limit: usize,
    base_path: String,
}

impl<S, B> Transform<S, ServiceRequest> for Admit
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = AdmitService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let (header_limit, base_path) = (self.header_limit, self.base_path.clone());
        ready(Ok(AdmitService {
            service,
            api: self.api.clone(),
            header_limit,
            base_path,
        }))
    }
}

impl<S, B> Service<ServiceRequest> for AdmitService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        if size(request.headers()) > self.header_limit {
            let detail = format!(
                "All header fields together must have at most {} bytes.",
                self.header_limit
            );
            let response = request.error_response(Problem::new(Code::HeaderTooLarge, detail));
            return Box::pin(ready(Ok(response.map_into_right_body())));
        }
        if let Some(uri) = plain(request.uri(), &self.base_path) {
            request.match_info_mut().get_mut().update(&uri);
            request.head_mut().uri = uri;
        }
        // Health, metrics and the description are for those who want to know why.
        if request.path().starts_with("/v1/") && is_full(&self.api) {
            let response = request.error_response(Problem::overloaded());
            return Box::pin(ready(Ok(response.map_into_right_body())));
        }
        let answer = self.service.call(request);
        Box::pin(async move { answer.await.map(ServiceResponse::map_into_left_body) })
    }
}

/// Tells whether a request of the API would be let in.
pub(super) fn admits(api: &Api, request: &ServiceRequest) -> bool {
    size(request.headers()) <= api.settings().header_limit && !is_full(api)
}

fn is_full(api: &Api) -> bool {
    api.active().load(Ordering::Relaxed) > api.settings().active_limit
}

/// The bytes of the fields as HTTP/1.1 writes them.
fn size(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum()
}

/// Gives the address as the routes know it, where it came in another form.
fn plain(uri: &Uri, base_path: &str) -> Option<Uri> {
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

/// Gives what stands behind the gateway's prefix, if it is one of the addresses of this service.
///
/// The check keeps a prefix such as `/v1` from hiding the routes themselves.
fn below_base<'a>(path: &'a str, base_path: &str) -> Option<&'a str> {
    const ROOTS: [&str; 5] = ["v1", "health", "metrics", "openapi.json", "docs"];
    if base_path.is_empty() {
        return None;
    }
    let below = path.strip_prefix(base_path)?;
    let first = below.strip_prefix('/')?.split('/').next()?;
    ROOTS.contains(&first).then_some(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn became(uri: &str, base_path: &str) -> String {
        let uri: Uri = uri.parse().unwrap();
        plain(&uri, base_path).unwrap_or(uri).to_string()
    }

    #[test]
    fn one_trailing_slash_is_taken_off_and_nothing_else_is_touched() {
        assert_eq!(became("/v1/users/", ""), "/v1/users");
        assert_eq!(became("/v1/users/?q=a/", ""), "/v1/users?q=a/");
        assert_eq!(became("/v1/users//", ""), "/v1/users/");
        assert_eq!(became("/", ""), "/");
        for uri in [
            "/v1//users",
            "/v1/users/by-username/a%2Fb%25",
            "/v1/users?x=%2F",
        ] {
            assert_eq!(became(uri, ""), uri);
        }
    }

    #[test]
    fn the_prefix_is_taken_off_where_it_stands() {
        assert_eq!(became("/api/v1/users", "/api"), "/v1/users");
        assert_eq!(became("/v1/users", "/api"), "/v1/users");
        assert_eq!(became("/api/health/", "/api"), "/health");
        assert_eq!(became("/apis/v1/users", "/api"), "/apis/v1/users");
        assert_eq!(became("/api", "/api"), "/api");
    }

    #[test]
    fn a_prefix_that_looks_like_a_route_hides_none() {
        assert_eq!(became("/v1/users", "/v1"), "/v1/users");
        assert_eq!(became("/v1/v1/users", "/v1"), "/v1/users");
        assert_eq!(became("/v1/health", "/v1"), "/health");
    }
}
