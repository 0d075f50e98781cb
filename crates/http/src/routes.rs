//! The table of routes, and the app with its middleware.

use std::sync::Arc;

use actix_cors::Cors;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, LINK,
    LOCATION, PRAGMA, RETRY_AFTER,
};
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, Error, HttpResponse};

use crate::api::Api;
use crate::consistency::{CONSISTENCY_TOKEN, consistency};
use crate::extract::API_TOKEN;
use crate::log_level::LogLevel;
use crate::middleware::{RequestLimits, RequestTelemetry, direct_read};
use crate::problem::{Code, Problem};
use crate::request_context::X_REQUEST_ID;
use crate::response_cache::ResponseCache;
use crate::{
    credentials, docs, erasure_consumers, erasures, events, health, log_level, metrics,
    relationships, tokens, users,
};

/// Creates the app: all routes and their middleware. Tests and production serve the same app.
pub fn app(
    api: &Api,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let settings = api.settings();
    let origins = &settings.cors_allowed_origins;
    let cors = cors(origins, &settings.cors_allowed_headers);
    let configure = configure(api);
    App::new()
        .wrap(from_fn(direct_read))
        .wrap(from_fn(consistency))
        .wrap(RequestLimits::new(api))
        .wrap(Condition::new(!origins.is_empty(), cors))
        .wrap(RequestTelemetry::new(api))
        .configure(configure)
}

/// Creates the app of the management port: health, metrics and the log level, which no gateway should expose.
pub fn management(
    api: &Api,
    log: &Arc<dyn LogLevel>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let (api, log) = (api.clone(), log.clone());
    App::new()
        .wrap(RequestLimits::new(&api))
        .wrap(RequestTelemetry::of_management(&api))
        .configure(move |config| {
            config.app_data(Data::new(api));
            health::configure(config);
            metrics::configure(config);
            log_level::configure(config, &log);
            config.default_service(web::to(not_found));
        })
}

/// Returns a function that adds all routes to an app.
///
/// The routes alone neither return request ids nor turn errors of the framework into problems: [`app`] does.
pub fn configure(api: &Api) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let api = api.clone();
    move |config| {
        config
            .app_data(Data::new(api.clone()))
            .app_data(ResponseCache::new(api.signing_keys().entity_tags().clone()));
        // Users come first: most requests are for users, and routes are matched in order.
        users::configure(config);
        if !api.settings().has_management {
            health::configure(config);
            metrics::configure(config);
        }
        docs::configure(config);
        relationships::configure(config);
        credentials::configure(config);
        tokens::configure(config);
        events::configure(config);
        erasures::configure(config);
        erasure_consumers::configure(config);
        config.default_service(web::to(not_found));
    }
}

async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Problem::new(Code::NotFound, "The resource does not exist."))
}

/// The response header fields that pages of other origins may read.
const EXPOSED_HEADERS: [HeaderName; 10] = [
    CONSISTENCY_TOKEN,
    ETAG,
    LINK,
    LOCATION,
    RETRY_AFTER,
    HeaderName::from_static("idempotency-replayed"),
    X_REQUEST_ID,
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];

/// Request header fields that no handler reads. Tracing and caching libraries add them to the requests of pages.
const LIBRARY_HEADERS: [HeaderName; 5] = [
    HeaderName::from_static("baggage"),
    PRAGMA,
    HeaderName::from_static("sentry-trace"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Allows pages of these origins to call the API, with these additional header fields. Cookies are not used.
fn cors(origins: &[String], headers: &[String]) -> Cors {
    let named = HeaderName::from_static;
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            AUTHORIZATION,
            CACHE_CONTROL,
            CONSISTENCY_TOKEN,
            CONTENT_TYPE,
            IF_MATCH,
            IF_NONE_MATCH,
            named("idempotency-key"),
            API_TOKEN,
            named("x-request-id"),
        ])
        .allowed_headers(LIBRARY_HEADERS)
        .allowed_headers(headers)
        .expose_headers(EXPOSED_HEADERS)
        .max_age(3600)
        .disable_vary_header();
    if origins.iter().any(|origin| origin == "*") {
        return cors.allow_any_origin().send_wildcard();
    }
    origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin))
}
