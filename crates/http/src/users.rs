//! `/v1/users`: one file per operation.

mod activate;
mod batch;
mod blocks;
mod count;
mod create;
mod delete;
mod export;
mod find;
mod followers;
mod following;
mod history;
mod list;
mod lockout;
mod password;
mod related;
mod relationships;
mod replace;
mod restore;
mod sign_out;
mod suspend;
mod update;
mod user_response;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

pub(crate) use find::PlainRead;
pub(crate) use related::{cursor_and_limit, cursor_of_other_list};

use crate::resource::{read_only, readable, resource};

/// The OpenAPI description of the resources.
#[derive(OpenApi)]
#[openapi(paths(
    list::list,
    create::create,
    batch::batch,
    count::count,
    find::me,
    update::me,
    find::by_username,
    find::by_external_id,
    find::by_id,
    update::by_id,
    replace::replace,
    delete::delete,
    export::export,
    history::history,
    restore::restore,
    suspend::suspend,
    activate::activate,
    sign_out::sign_out,
    password::set,
    password::remove,
    lockout::show,
    lockout::clear,
    followers::list,
    following::list,
    following::follow,
    following::unfollow,
    blocks::list,
    blocks::block,
    blocks::unblock,
    relationships::show,
))]
pub(crate) struct Description;

/// The path of a user by id.
pub(crate) const BY_ID: &str = "/v1/users/{id}";

/// Registers the resources. The order matters: fixed paths come before the path with `{id}`.
pub(crate) fn configure(config: &mut ServiceConfig) {
    let users = readable("/v1/users", "GET, HEAD, POST, OPTIONS", list::list);
    let me = readable("/v1/users/me", "GET, HEAD, PATCH, OPTIONS", find::me);
    let allow = "GET, HEAD, PATCH, PUT, DELETE, OPTIONS";
    let user = readable(BY_ID, allow, find::by_id)
        .route(web::patch().to(update::by_id))
        .route(web::put().to(replace::replace))
        .route(web::delete().to(delete::delete));
    config
        .service(users.route(web::post().to(create::create)))
        .service(resource("/v1/users/batch", "POST, OPTIONS").route(web::post().to(batch::batch)))
        .service(read_only("/v1/users/count", count::count))
        .service(me.route(web::patch().to(update::me)))
        .service(user)
        .service(read_only(
            "/v1/users/by-username/{username}",
            find::by_username,
        ))
        .service(read_only(
            "/v1/users/by-external-id/{external_id}",
            find::by_external_id,
        ))
        .service(read_only("/v1/users/{id}/export", export::export))
        .service(read_only("/v1/users/{id}/history", history::history))
        .service(
            resource("/v1/users/{id}/restore", "POST, OPTIONS")
                .route(web::post().to(restore::restore)),
        )
        .service(
            resource("/v1/users/{id}/suspend", "POST, OPTIONS")
                .route(web::post().to(suspend::suspend)),
        )
        .service(
            resource("/v1/users/{id}/activate", "POST, OPTIONS")
                .route(web::post().to(activate::activate)),
        )
        .service(
            resource("/v1/users/{id}/sign-out", "POST, OPTIONS")
                .route(web::post().to(sign_out::sign_out)),
        )
        .service(
            resource("/v1/users/{id}/password", "PUT, DELETE, OPTIONS")
                .route(web::put().to(password::set))
                .route(web::delete().to(password::remove)),
        )
        .service(
            readable(
                "/v1/users/{id}/lockout",
                "GET, HEAD, DELETE, OPTIONS",
                lockout::show,
            )
            .route(web::delete().to(lockout::clear)),
        );
    configure_relationships(config);
}

/// Registers the relationships of a user.
fn configure_relationships(config: &mut ServiceConfig) {
    let following = resource("/v1/users/{id}/following/{target}", "PUT, DELETE, OPTIONS");
    let blocks = resource("/v1/users/{id}/blocks/{target}", "PUT, DELETE, OPTIONS");
    config
        .service(read_only("/v1/users/{id}/followers", followers::list))
        .service(read_only("/v1/users/{id}/following", following::list))
        .service(
            following
                .route(web::put().to(following::follow))
                .route(web::delete().to(following::unfollow)),
        )
        .service(read_only("/v1/users/{id}/blocks", blocks::list))
        .service(
            blocks
                .route(web::put().to(blocks::block))
                .route(web::delete().to(blocks::unblock)),
        )
        .service(read_only(
            "/v1/users/{id}/relationships",
            relationships::show,
        ));
}
