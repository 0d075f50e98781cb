//! `/v1/erasures`: one file per operation.

mod acknowledge;
mod list;
mod report;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use crate::resource::{read_only, resource};

/// The OpenAPI description of the resources.
#[derive(OpenApi)]
#[openapi(paths(list::list, report::report, acknowledge::acknowledge))]
pub(crate) struct Description;

/// Registers the resources.
pub(crate) fn configure(config: &mut ServiceConfig) {
    let acknowledgement = resource(
        "/v1/erasures/{id}/acknowledgements/{consumer}",
        "PUT, OPTIONS",
    );
    config
        .service(read_only("/v1/erasures", list::list))
        .service(read_only("/v1/erasures/{id}", report::report))
        .service(acknowledgement.route(web::put().to(acknowledge::acknowledge)));
}
