//! `/v1/erasure-consumers`: one file per operation.

mod list;
mod register;
mod remove;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use crate::resource::{read_only, resource};

/// The OpenAPI description of the resources.
#[derive(OpenApi)]
#[openapi(paths(list::list, register::register, remove::remove))]
pub(crate) struct Description;

/// Registers the resources.
pub(crate) fn configure(config: &mut ServiceConfig) {
    let consumer = resource("/v1/erasure-consumers/{name}", "PUT, DELETE, OPTIONS");
    config
        .service(read_only("/v1/erasure-consumers", list::list))
        .service(
            consumer
                .route(web::put().to(register::register))
                .route(web::delete().to(remove::remove)),
        );
}
