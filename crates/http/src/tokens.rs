//! `/v1/tokens`: one file per operation.

mod create;
mod find;
mod list;
mod revoke;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use crate::resource::readable;

/// The OpenAPI description of the resources.
#[derive(OpenApi)]
#[openapi(paths(list::list, create::create, find::find, revoke::revoke))]
pub(crate) struct Description;

/// Registers the resources.
pub(crate) fn configure(config: &mut ServiceConfig) {
    let tokens = readable("/v1/tokens", "GET, HEAD, POST, OPTIONS", list::list);
    let token = readable("/v1/tokens/{id}", "GET, HEAD, DELETE, OPTIONS", find::find);
    config
        .service(tokens.route(web::post().to(create::create)))
        .service(token.route(web::delete().to(revoke::revoke)));
}
