//! Path parameters.

use actix_web::dev::Payload;
use actix_web::web::Path;
use actix_web::{FromRequest as _, HttpRequest};
use user_domain::values::{ServiceTokenId, UserId};

use super::RequestPart;
use crate::api::Api;
use crate::problem::{Problem, erasure_not_found, token_not_found, user_not_found};

/// The user with the id in the path. A malformed id is treated as an unknown user.
pub(crate) struct TargetUser(pub(crate) UserId);

/// The two users with the ids in the path: the acting user and the other user. A malformed id is treated as an unknown
/// user.
pub(crate) struct UserPair(pub(crate) UserId, pub(crate) UserId);

/// The service token with the id in the path. A malformed id is treated as an unknown token.
pub(crate) struct TargetToken(pub(crate) ServiceTokenId);

/// The erasure of the user with the id in the path. A malformed id is treated as a user that was not erased.
pub(crate) struct TargetErasure(pub(crate) UserId);

/// The name of an erasure consumer in the path.
pub(crate) struct TargetConsumer(pub(crate) String);

/// The erased user and the consumer in the path. A malformed id is treated as a user that was not erased.
pub(crate) struct AcknowledgementPath {
    pub(crate) user: UserId,
    pub(crate) consumer: String,
}

/// The decoded value of the only path parameter.
pub(crate) struct PathSegment(pub(crate) String);

impl RequestPart for TargetUser {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        user_id(request, "id").map(Self)
    }
}

impl RequestPart for UserPair {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        Ok(Self(user_id(request, "id")?, user_id(request, "target")?))
    }
}

impl RequestPart for TargetToken {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let segment = request.match_info().get("id").unwrap_or_default();
        ServiceTokenId::parse(segment)
            .map(Self)
            .map_err(|_| token_not_found())
    }
}

impl RequestPart for TargetErasure {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        erased_user_id(request).map(Self)
    }
}

impl RequestPart for TargetConsumer {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let segment = request.match_info().get("name").unwrap_or_default();
        Ok(Self(segment.to_owned()))
    }
}

impl RequestPart for AcknowledgementPath {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let consumer = request.match_info().get("consumer").unwrap_or_default();
        Ok(Self {
            user: erased_user_id(request)?,
            consumer: consumer.to_owned(),
        })
    }
}

fn erased_user_id(request: &HttpRequest) -> Result<UserId, Problem> {
    user_id(request, "id").map_err(|_| erasure_not_found())
}

fn user_id(request: &HttpRequest, name: &str) -> Result<UserId, Problem> {
    let segment = request.match_info().get(name).unwrap_or_default();
    UserId::parse(segment).map_err(|_| user_not_found())
}

impl RequestPart for PathSegment {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let segment = Path::<String>::extract(request).await;
        segment
            .map(|segment| Self(segment.into_inner()))
            .map_err(|_| user_not_found())
    }
}
