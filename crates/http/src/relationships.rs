//! `/v1/relationships`: operations on many pairs of users.

mod batch;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use crate::resource::resource;

/// The OpenAPI description of the resources.
#[derive(OpenApi)]
#[openapi(paths(batch::batch))]
pub(crate) struct Description;

/// Registers the resources.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config.service(
        resource("/v1/relationships/batch", "POST, OPTIONS").route(web::post().to(batch::batch)),
    );
}
