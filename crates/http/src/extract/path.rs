//! Segments of the path.

use actix_web::dev::Payload;
use actix_web::web::Path;
use actix_web::{FromRequest as _, HttpRequest};
use user_domain::values::{ServiceTokenId, UserId};

use super::Part;
use crate::api::Api;
use crate::problem::{Problem, token_not_found, user_not_found};

/// The user that the path names by id; a malformed id is nobody's.
pub(crate) struct Target(pub(crate) UserId);

/// The two users that the path names by id: who acts, and on whom; a malformed id is nobody's.
pub(crate) struct Pair(pub(crate) UserId, pub(crate) UserId);

/// The token of a service that the path names; a malformed id is no token's.
pub(crate) struct TargetToken(pub(crate) ServiceTokenId);

/// The one variable segment of the path, decoded.
pub(crate) struct Segment(pub(crate) String);

impl Part for Target {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        user_id(request, "id").map(Self)
    }
}

impl Part for Pair {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        Ok(Self(user_id(request, "id")?, user_id(request, "target")?))
    }
}

impl Part for TargetToken {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let segment = request.match_info().get("id").unwrap_or_default();
        ServiceTokenId::parse(segment)
            .map(Self)
            .map_err(|_| token_not_found())
    }
}

fn user_id(request: &HttpRequest, name: &str) -> Result<UserId, Problem> {
    let segment = request.match_info().get(name).unwrap_or_default();
    UserId::parse(segment).map_err(|_| user_not_found())
}

impl Part for Segment {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let segment = Path::<String>::extract(request).await;
        segment
            .map(|segment| Self(segment.into_inner()))
            .map_err(|_| user_not_found())
    }
}
