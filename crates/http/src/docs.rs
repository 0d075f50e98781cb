//! The API description: `/openapi.json`, `/openapi-3.0.json`, `/asyncapi.json`, `/docs` (a page to read and try it in a
//! browser), the guide for callers at `/docs/guide`, and `/`, which links to them.

mod guide;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderValue, LINK,
    LOCATION, VARY,
};
use actix_web::web::{Bytes, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

use crate::api::Api;
use crate::asyncapi::asyncapi;
use crate::extract::IfNoneMatch;
use crate::gzip;
use crate::media_type::{JSON, prefers_html};
use crate::openapi::{self, DocumentText, IfNoneMatchHeader, ServiceIndex};
use crate::problem::{Code, Problem};
use crate::resource::read_only;

/// The OpenAPI description of these resources.
#[derive(OpenApi)]
#[openapi(paths(index, describe, describe_3_0, describe_events, page))]
pub(crate) struct Description;

/// The response of `/`.
#[derive(Serialize)]
struct Index<'a> {
    service: &'static str,
    documentation: &'a str,
    guide: &'a str,
    openapi: &'a str,
    openapi_3_0: &'a str,
    asyncapi: &'a str,
}

/// The path of the guide.
pub(crate) const GUIDE: &str = "/docs/guide";

/// The served documents. Each is created at its first request.
pub(crate) struct Documents {
    base_path: String,
    has_management: bool,
    openapi: OnceLock<Document>,
    openapi_3_0: OnceLock<Document>,
    asyncapi: OnceLock<Document>,
    browser: Arc<Config<'static>>,
}

/// A document in two encodings, each with its entity tag.
struct Document {
    plain: Representation,
    gzip: Representation,
}

struct Representation {
    bytes: Bytes,
    tag: HeaderValue,
}

impl Documents {
    /// Creates the documents of a service at a base path. Health and metrics are not described if they have a port of
    /// their own.
    pub(crate) fn new(base_path: &str, has_management: bool) -> Self {
        let browser = Config::from(format!("{base_path}/openapi.json"))
            .validator_url("none")
            // The token stays in the browser's storage for this origin, so a reload keeps it.
            .persist_authorization(true)
            // Each operation shows its schemas; the list of all of them is long.
            .default_models_expand_depth(-1);
        Self {
            base_path: base_path.to_owned(),
            has_management,
            openapi: OnceLock::new(),
            openapi_3_0: OnceLock::new(),
            asyncapi: OnceLock::new(),
            browser: Arc::new(browser),
        }
    }
}

impl Document {
    /// Returns the document of a cell, and creates it if this is the first request for it.
    fn of(cell: &OnceLock<Self>, text: impl FnOnce() -> String) -> Result<&Self, Problem> {
        if let Some(document) = cell.get() {
            return Ok(document);
        }
        let document = Self::new(text())?;
        Ok(cell.get_or_init(|| document))
    }

    fn new(text: String) -> Result<Self, Problem> {
        let digest = Sha256::digest(&text);
        let first = digest.first_chunk().copied().unwrap_or_default();
        let digits = format!("{:016x}", u64::from_be_bytes(first));
        let tag = |suffix: &str| {
            HeaderValue::try_from(format!("\"{digits}{suffix}\""))
                .map_err(|error| Problem::internal(error.to_string()))
        };
        Ok(Self {
            gzip: Representation {
                bytes: gzip::compress_document(text.as_bytes())?,
                tag: tag("-gzip")?,
            },
            plain: Representation {
                bytes: text.into(),
                tag: tag("")?,
            },
        })
    }

    /// Creates the response: the document in the encoding that the client prefers, or a 304.
    fn respond(
        &self,
        request: &HttpRequest,
        content_type: &'static str,
    ) -> Result<HttpResponse, Problem> {
        let condition = IfNoneMatch::of(request.headers())?.0;
        let is_compressed = gzip::is_accepted(request);
        let representation = if is_compressed {
            &self.gzip
        } else {
            &self.plain
        };
        let is_known = condition.is_some_and(|condition| condition.matches(&representation.tag));
        let mut response = if is_known {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        response
            .insert_header((CACHE_CONTROL, "public, max-age=300"))
            .insert_header((ETAG, representation.tag.clone()));
        let mut response = if is_known {
            response.finish()
        } else {
            response
                .content_type(content_type)
                .body(representation.bytes.clone())
        };
        gzip::add_headers(&mut response, is_compressed && !is_known);
        Ok(response)
    }
}

const TITLE: &str = "<title>User service API</title>";

/// The `Content-Security-Policy` of the page: it may load and call its own origin only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'self'; frame-ancestors 'none'";

/// Registers the resources.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(read_only("/", index))
        .service(read_only("/openapi.json", describe))
        .service(read_only("/openapi-3.0.json", describe_3_0))
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
        (status = 303, description = "The documentation page is at `Location`.", headers(("Location" = DocumentText, description = "The path of the page.")))
    )
)]
pub(crate) async fn index(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let base_path = &api.documents().base_path;
    let documentation = format!("{base_path}/docs");
    let guide = format!("{base_path}{GUIDE}");
    let openapi = format!("{base_path}/openapi.json");
    let openapi_3_0 = format!("{base_path}/openapi-3.0.json");
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
                "<{documentation}>; rel=\"service-doc\", <{guide}>; rel=\"service-doc\", <{openapi}>; rel=\"service-desc\", <{asyncapi}>; rel=\"service-desc\""
            ),
        ))
        .json(Index {
            service: "user-service",
            documentation: &documentation,
            guide: &guide,
            openapi: &openapi,
            openapi_3_0: &openapi_3_0,
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
    params(IfNoneMatchHeader),
    security(()),
    responses(
        (status = 200, description = "An OpenAPI 3.1 document.", body = Object, content_type = "application/json", example = json!({"openapi": "3.1.0"})),
        (status = 304, description = "The client has the current document.")
    )
)]
pub(crate) async fn describe(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let documents = api.documents();
    let text = || openapi::describe(&documents.base_path, documents.has_management);
    Document::of(&documents.openapi, text)?.respond(&request, JSON)
}

/// Returns this document as OpenAPI 3.0.
#[utoipa::path(
    get,
    path = "/openapi-3.0.json",
    operation_id = "getOpenApi30",
    tag = "operations",
    description = "For tools that do not read OpenAPI 3.1. Cacheable for 300 seconds.",
    params(IfNoneMatchHeader),
    security(()),
    responses(
        (status = 200, description = "An OpenAPI 3.0 document.", body = Object, content_type = "application/json", example = json!({"openapi": "3.0.3"})),
        (status = 304, description = "The client has the current document.")
    )
)]
pub(crate) async fn describe_3_0(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let documents = api.documents();
    let text = || openapi::describe_3_0(&documents.base_path, documents.has_management);
    Document::of(&documents.openapi_3_0, text)?.respond(&request, JSON)
}

/// Returns the AsyncAPI document, which describes the events.
#[utoipa::path(
    get,
    path = "/asyncapi.json",
    operation_id = "getAsyncApi",
    tag = "operations",
    description = "Cacheable for 300 seconds.",
    params(IfNoneMatchHeader),
    security(()),
    responses(
        (status = 200, description = "An AsyncAPI 3.0 document.", body = Object, content_type = "application/json", example = json!({"asyncapi": "3.0.0"})),
        (status = 304, description = "The client has the current document.")
    )
)]
pub(crate) async fn describe_events(
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let documents = api.documents();
    let text = || asyncapi(&documents.base_path);
    Document::of(&documents.asyncapi, text)?.respond(&request, JSON)
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
        (status = 200, description = "The documentation page.", content((DocumentText = "text/html", example = json!("<!DOCTYPE html>"))))
    )
)]
pub(crate) async fn page(api: Data<Api>) -> Result<HttpResponse, Problem> {
    file(api.documents(), "index.html")
}

/// Returns a file of the page.
async fn asset(api: Data<Api>, name: Path<String>) -> Result<HttpResponse, Problem> {
    file(api.documents(), &name)
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
