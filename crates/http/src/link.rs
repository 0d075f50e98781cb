//! Links to the next page of a list (RFC 8288).

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;

use crate::api::Api;
use crate::problem::Problem;

/// Returns the `Link` to the next page at this path, with the query parameters of this request.
pub(crate) fn next_page(
    api: &Api,
    request: &HttpRequest,
    path: &str,
    cursor: &str,
) -> Result<HeaderValue, Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::internal(format!("no link: {error}"));
    let mut pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(request.query_string()).map_err(|error| failed(&error))?;
    pairs.retain(|(name, _)| name != "cursor");
    pairs.push(("cursor".to_owned(), cursor.to_owned()));
    let query = serde_urlencoded::to_string(pairs).map_err(|error| failed(&error))?;
    let base = &api.settings().base_path;
    let link = format!("<{base}{path}?{query}>; rel=\"next\"");
    HeaderValue::try_from(link).map_err(|error| failed(&error))
}
