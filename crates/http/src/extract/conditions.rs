//! Conditions of requests: `If-Match`, `If-None-Match`, `Idempotency-Key`.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use user_domain::use_cases::WriteConditions;
use user_domain::write::{Idempotency, IdempotencyKey, Precondition};

use super::Part;
use super::body::Body;
use crate::api::Api;
use crate::etag::TagCondition;
use crate::problem::Problem;

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The body of a write and its conditions, which are read before the body.
pub(crate) struct Write<B> {
    pub(crate) conditions: WriteConditions,
    pub(crate) body: B,
}

/// The body of a write of what has no version, and what makes its repetition harmless: no other condition is read.
pub(crate) struct Keyed<B> {
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) body: B,
}

/// The representations that the client has.
pub(crate) struct IfNoneMatch(pub(crate) Option<TagCondition>);

impl<B: Body> Part for Write<B> {
    const AWAITS_CLIENT: bool = true;

    async fn read(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<Self, Problem> {
        let precondition = precondition(request)?;
        let Keyed { idempotency, body } = Keyed::read(api, request, payload).await?;
        Ok(Self {
            conditions: WriteConditions {
                precondition,
                idempotency,
            },
            body,
        })
    }
}

impl<B: Body> Part for Keyed<B> {
    const AWAITS_CLIENT: bool = true;

    async fn read(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<Self, Problem> {
        let key = idempotency_key(request)?;
        let bytes = B::receive(api, request, payload).await?;
        let fingerprint = || {
            api.seal().fingerprint(
                request.method().as_str(),
                request.path(),
                request.query_string(),
                &bytes,
            )
        };
        let idempotency = key.map(|key| Idempotency {
            key,
            fingerprint: fingerprint(),
        });
        Ok(Self {
            idempotency,
            body: B::parse(&bytes)?,
        })
    }
}

impl Part for IfNoneMatch {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        tag_condition(request, &IF_NONE_MATCH, "If-None-Match").map(Self)
    }
}

fn precondition(request: &HttpRequest) -> Result<Precondition, Problem> {
    let condition = tag_condition(request, &IF_MATCH, "If-Match")?;
    Ok(condition.map_or(Precondition::None, |condition| condition.precondition()))
}

/// Reads a field of entity tags, whose lines are one list.
fn tag_condition(
    request: &HttpRequest,
    name: &HeaderName,
    shown: &str,
) -> Result<Option<TagCondition>, Problem> {
    let lines: Vec<&[u8]> = request
        .headers()
        .get_all(name)
        .map(HeaderValue::as_bytes)
        .collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let unreadable =
        || Problem::invalid_header(shown, "must be * or a list of entity tags in double quotes");
    TagCondition::parse(&lines.join(b", ".as_slice()))
        .map(Some)
        .ok_or_else(unreadable)
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, Problem> {
    let mut lines = request.headers().get_all(IDEMPOTENCY_KEY);
    let invalid = || {
        Problem::invalid_header(
            IDEMPOTENCY_KEY,
            "must stand once, as 1 to 255 visible ASCII characters",
        )
    };
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => {
            let text = line.to_str().map_err(|_| invalid())?;
            IdempotencyKey::parse(text).map(Some).map_err(|_| invalid())
        }
        (Some(_), Some(_)) => Err(invalid()),
    }
}
