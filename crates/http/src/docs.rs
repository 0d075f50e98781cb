//! `/openapi.json` and `/docs`.

use actix_web::web::ServiceConfig;

use crate::api::Api;

/// Adds the resources.
pub(crate) fn configure(config: &mut ServiceConfig, api: &Api) {
    let _ = (config, api);
}
