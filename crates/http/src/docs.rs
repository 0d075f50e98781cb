//! `/openapi.json`, and `/docs`: the same to read and try in a browser.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, HeaderValue,
};
use actix_web::web::{Bytes, Data, Path, ServiceConfig};
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

use crate::api::Api;
use crate::openapi::{OpenErrors, describe as describe_api};
use crate::problem::{Code, Problem};
use crate::resource::read_only;

/// The description of the description.
#[derive(OpenApi)]
#[openapi(paths(describe, page))]
pub(crate) struct Description;

/// What is served, made once.
pub(crate) struct Documents {
    description: Bytes,
    base_path: String,
    browser: Arc<Config<'static>>,
}

/// The page may load and call what comes from where it came from, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'self'; frame-ancestors 'none'";

/// Adds the resources.
pub(crate) fn configure(config: &mut ServiceConfig, api: &Api) {
    let base_path = api.settings().base_path.clone();
    let browser = Config::from(format!("{base_path}/openapi.json")).validator_url("none");
    let documents = Data::new(Documents {
        description: describe_api(&base_path, api.settings().has_management).into(),
        base_path,
        browser: Arc::new(browser),
    });
    config
        .app_data(documents)
        .service(read_only("/openapi.json", describe))
        .service(read_only("/docs", page))
        .service(read_only("/docs/{file}", part));
}

/// Gives this description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "getOpenApi",
    tag = "operations",
    description = "May be kept for 300 seconds.",
    security(()),
    responses(
        (status = 200, description = "An OpenAPI 3.1 document.", body = Object, content_type = "application/json"),
        OpenErrors
    )
)]
pub(crate) async fn describe(documents: Data<Documents>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(documents.description.clone())
}

/// Shows this description in a browser.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "getDocs",
    tag = "operations",
    description = "A page that needs no other host.",
    security(()),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        OpenErrors
    )
)]
pub(crate) async fn page(documents: Data<Documents>) -> Result<HttpResponse, Problem> {
    file(&documents, "index.html")
}

/// Gives a file that the page needs.
async fn part(documents: Data<Documents>, name: Path<String>) -> Result<HttpResponse, Problem> {
    file(&documents, &name)
}

fn file(documents: &Documents, name: &str) -> Result<HttpResponse, Problem> {
    let file = utoipa_swagger_ui::serve(name, documents.browser.clone())
        .map_err(|error| Problem::internal(format!("no documentation: {error}")))?
        .ok_or_else(|| Problem::new(Code::NotFound, "There is nothing at this address."))?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(file.content_type)
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY));
    if file.gzpipped {
        response.insert_header((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
    }
    if name != "index.html" {
        return Ok(response.body(file.bytes.into_owned()));
    }
    // The page names its parts from where it stands, which is `/docs` with and without a slash at the end.
    let page = String::from_utf8_lossy(&file.bytes);
    let base = format!("<head>\n    <base href=\"{}/docs/\">", documents.base_path);
    Ok(response.body(page.replacen("<head>", &base, 1)))
}
