//! The API description: `/openapi.json`, `/asyncapi.json`, `/docs` (a page to read and try it in a browser), the guide for
//! callers at `/docs/guide`, and `/`, which links to them.

mod guide;

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, HeaderValue, LINK, LOCATION,
    VARY,
};
use actix_web::web::{Bytes, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

use crate::api::Api;
use crate::asyncapi::asyncapi;
use crate::media_type::prefers_html;
use crate::openapi::{OpenErrors, ServiceIndex, describe as describe_api};
use crate::problem::{Code, Problem};
use crate::resource::read_only;

/// The OpenAPI description of these resources.
#[derive(OpenApi)]
#[openapi(paths(index, describe, describe_events, page))]
pub(crate) struct Description;

/// The response of `/`.
#[derive(Serialize)]
struct Index<'a> {
    service: &'static str,
    documentation: &'a str,
    openapi: &'a str,
    asyncapi: &'a str,
}

/// The served documents, created at startup.
pub(crate) struct Documents {
    description: Bytes,
    events: Bytes,
    base_path: String,
    browser: Arc<Config<'static>>,
}

const TITLE: &str = "<title>User service API</title>";

/// The `Content-Security-Policy` of the page: it may load and call its own origin only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'self'; frame-ancestors 'none'";

/// Registers the resources.
pub(crate) fn configure(config: &mut ServiceConfig, api: &Api) {
    let base_path = api.settings().base_path.clone();
    let browser = Config::from(format!("{base_path}/openapi.json"))
        .validator_url("none")
        // The token stays in the browser's storage for this origin, so a reload keeps it.
        .persist_authorization(true)
        // Each operation shows its schemas; the list of all of them is long.
        .default_models_expand_depth(-1);
    let documents = Data::new(Documents {
        description: describe_api(&base_path, api.settings().has_management).into(),
        events: asyncapi(&base_path).into(),
        base_path,
        browser: Arc::new(browser),
    });
    config
        .app_data(documents)
        .service(read_only("/", index))
        .service(read_only("/openapi.json", describe))
        .service(read_only("/asyncapi.json", describe_events))
        .service(read_only("/docs", page))
        .configure(guide::configure)
        .service(read_only("/docs/{file}", asset));
}

/// Returns the paths of the documentation.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "getIndex",
    tag = "operations",
    description = "A client that prefers `text/html`, such as a browser, is redirected to the documentation page. Cacheable for 300 seconds.",
    security(()),
    responses(
        (status = 200, description = "The paths of the documentation.", body = ServiceIndex),
        (status = 303, description = "The documentation page is at `Location`.", headers(("Location" = String, description = "The path of the page."))),
        OpenErrors
    )
)]
pub(crate) async fn index(request: HttpRequest, documents: Data<Documents>) -> HttpResponse {
    let base_path = &documents.base_path;
    let documentation = format!("{base_path}/docs");
    let openapi = format!("{base_path}/openapi.json");
    let asyncapi = format!("{base_path}/asyncapi.json");
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((VARY, ACCEPT.as_str()));
    if prefers_html(request.headers()) {
        return response
            .status(StatusCode::SEE_OTHER)
            .insert_header((LOCATION, documentation))
            .finish();
    }
    response
        .insert_header((
            LINK,
            format!(
                "<{documentation}>; rel=\"service-doc\", <{openapi}>; rel=\"service-desc\", <{asyncapi}>; rel=\"service-desc\""
            ),
        ))
        .json(Index {
            service: "user-service",
            documentation: &documentation,
            openapi: &openapi,
            asyncapi: &asyncapi,
        })
}

/// Returns this document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "getOpenApi",
    tag = "operations",
    description = "Cacheable for 300 seconds.",
    security(()),
    responses(
        (status = 200, description = "An OpenAPI 3.1 document.", body = Object, content_type = "application/json"),
        OpenErrors
    )
)]
pub(crate) async fn describe(documents: Data<Documents>) -> HttpResponse {
    json_document(documents.description.clone())
}

/// Returns the AsyncAPI document, which describes the events.
#[utoipa::path(
    get,
    path = "/asyncapi.json",
    operation_id = "getAsyncApi",
    tag = "operations",
    description = "Cacheable for 300 seconds.",
    security(()),
    responses(
        (status = 200, description = "An AsyncAPI 3.0 document.", body = Object, content_type = "application/json"),
        OpenErrors
    )
)]
pub(crate) async fn describe_events(documents: Data<Documents>) -> HttpResponse {
    json_document(documents.events.clone())
}

fn json_document(text: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(text)
}

/// Returns this document as a page.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "getDocs",
    tag = "operations",
    description = "An HTML page that loads nothing from other hosts.",
    security(()),
    responses(
        (status = 200, description = "The documentation page.", body = String, content_type = "text/html"),
        OpenErrors
    )
)]
pub(crate) async fn page(documents: Data<Documents>) -> Result<HttpResponse, Problem> {
    file(&documents, "index.html")
}

/// Returns a file of the page.
async fn asset(documents: Data<Documents>, name: Path<String>) -> Result<HttpResponse, Problem> {
    file(&documents, &name)
}

fn file(documents: &Documents, name: &str) -> Result<HttpResponse, Problem> {
    let file = utoipa_swagger_ui::serve(name, documents.browser.clone())
        .map_err(|error| {
            Problem::internal(format!("reading the documentation page failed: {error}"))
        })?
        .ok_or_else(|| Problem::new(Code::NotFound, "The resource does not exist."))?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(file.content_type)
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY));
    if file.gzpipped {
        response.insert_header((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
    }
    if name != "index.html" {
        // Compiled-in files are sent without a copy per request.
        let bytes = match file.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        return Ok(response.body(bytes));
    }
    // The page uses relative paths, which must resolve from `/docs` with and without a trailing slash.
    let page = String::from_utf8_lossy(&file.bytes);
    let base = format!("<head>\n    <base href=\"{}/docs/\">", documents.base_path);
    let page = page.replacen("<title>Swagger UI</title>", TITLE, 1);
    Ok(response.body(page.replacen("<head>", &base, 1)))
}
