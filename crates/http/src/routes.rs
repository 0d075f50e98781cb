//! The table of routes, and the app with everything around it.

use std::sync::Arc;

use actix_cors::Cors;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, RETRY_AFTER,
};
use actix_web::middleware::Condition;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, Error, HttpResponse};

use crate::api::Api;
use crate::log_level::LogLevel;
use crate::middleware::{Admit, Conform, Observe};
use crate::problem::{Code, Problem};
use crate::ready::ReadyUsers;
use crate::{credentials, docs, health, log_level, metrics, relationships, tokens, users};

/// Makes the app: every route and everything around them. Tests and production serve the same.
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
    let origins = &api.settings().cors_allowed_origins;
    let configure = configure(api);
    App::new()
        .wrap(Admit::new(api))
        .wrap(Condition::new(!origins.is_empty(), cors(origins)))
        .wrap(Conform::new(api))
        .wrap(Observe::new(api, for_pages(origins)))
        .configure(configure)
}

/// Makes the app of the management port: health, metrics and the level of the log, which no gateway is to show.
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
        .wrap(Admit::new(&api))
        .wrap(Conform::new(&api))
        .wrap(Observe::untraced(&api))
        .configure(move |config| {
            config.app_data(Data::new(api));
            health::configure(config);
            metrics::configure(config);
            log_level::configure(config, &log);
            config.default_service(web::to(nothing_here));
        })
}

/// Gives what adds every route to an app.
///
/// The routes alone neither show request ids nor turn the framework's errors into problems: [`app`] does.
pub fn configure(api: &Api) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let api = api.clone();
    move |config| {
        config
            .app_data(Data::new(api.clone()))
            .app_data(ReadyUsers::default());
        // First: most requests are for users, and routes are tried in their order.
        users::configure(config);
        if !api.settings().has_management {
            health::configure(config);
            metrics::configure(config);
        }
        docs::configure(config, &api);
        relationships::configure(config);
        credentials::configure(config);
        tokens::configure(config);
        config.default_service(web::to(nothing_here));
    }
}

async fn nothing_here() -> Result<HttpResponse, Problem> {
    Err(Problem::new(
        Code::NotFound,
        "There is nothing at this address.",
    ))
}

/// What pages of other origins may read of an answer.
const EXPOSED: [HeaderName; 6] = [
    ETAG,
    LINK,
    LOCATION,
    RETRY_AFTER,
    HeaderName::from_static("idempotency-replayed"),
    HeaderName::from_static("x-request-id"),
];

/// What [`cors`] adds to an answer to whoever names no origin.
fn for_pages(origins: &[String]) -> Option<(HeaderName, HeaderValue)> {
    let names = EXPOSED.each_ref().map(HeaderName::as_str).join(", ");
    let names = HeaderValue::try_from(names).ok()?;
    (!origins.is_empty()).then_some((ACCESS_CONTROL_EXPOSE_HEADERS, names))
}

/// Lets pages of these origins call the API; a page's own cookies are never asked for.
fn cors(origins: &[String]) -> Cors {
    let named = HeaderName::from_static;
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            AUTHORIZATION,
            CACHE_CONTROL,
            CONTENT_TYPE,
            IF_MATCH,
            IF_NONE_MATCH,
            named("idempotency-key"),
            named("x-api-token"),
            named("x-request-id"),
        ])
        .expose_headers(EXPOSED)
        .max_age(3600)
        .disable_vary_header();
    if origins.iter().any(|origin| origin == "*") {
        return cors.allow_any_origin().send_wildcard();
    }
    origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin))
}
