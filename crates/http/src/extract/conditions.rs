//! The conditions of a request (`If-Match` and `If-None-Match`), and its `Idempotency-Key`.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use user_domain::use_cases::WriteConditions;
use user_domain::write::{Idempotency, IdempotencyKey, Precondition};

use super::RequestPart;
use super::body::Body;
use crate::api::Api;
use crate::etag::TagCondition;
use crate::problem::Problem;

pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The body of a write and its conditions. The conditions are read before the body.
pub(crate) struct ConditionalWrite<B> {
    pub(crate) conditions: WriteConditions,
    pub(crate) body: B,
}

/// The body of a write to a resource without a version, and its idempotency key.
pub(crate) struct IdempotentWrite<B> {
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) body: B,
}

/// The `If-None-Match` of a request: the representations that the client has.
pub(crate) struct IfNoneMatch(pub(crate) Option<TagCondition>);

impl<B: Body> RequestPart for ConditionalWrite<B> {
    const READS_BODY: bool = true;
    const READS_IDEMPOTENCY_KEY: bool = true;

    fn idempotency(&self) -> Option<&Idempotency> {
        self.conditions.idempotency.as_ref()
    }

    async fn read(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<Self, Problem> {
        let precondition = precondition(api, request)?;
        let IdempotentWrite { idempotency, body } =
            IdempotentWrite::read(api, request, payload).await?;
        Ok(Self {
            conditions: WriteConditions {
                precondition,
                idempotency,
            },
            body,
        })
    }
}

impl<B: Body> RequestPart for IdempotentWrite<B> {
    const READS_BODY: bool = true;
    const READS_IDEMPOTENCY_KEY: bool = true;

    fn idempotency(&self) -> Option<&Idempotency> {
        self.idempotency.as_ref()
    }

    async fn read(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<Self, Problem> {
        let key = idempotency_key(request)?;
        let received = B::receive(api, request, payload).await?;
        let request_fingerprint = key.is_some().then(|| {
            let (path, query) = (request.path(), request.query_string());
            api.signing_keys()
                .fingerprint(request.method().as_str(), path, query)
        });
        let parse = move |bytes: &[u8]| {
            let fingerprint = request_fingerprint.map(|request| request.of(bytes));
            B::parse(bytes).map(|body| (fingerprint, body))
        };
        let (fingerprint, body) = received.read(api, parse).await??;
        let idempotency = key
            .zip(fingerprint)
            .map(|(key, fingerprint)| Idempotency { key, fingerprint });
        Ok(Self { idempotency, body })
    }
}

impl RequestPart for IfNoneMatch {
    async fn read(_: &Api, request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        Self::of(request.headers())
    }
}

impl IfNoneMatch {
    /// Returns the condition of a request.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        tag_condition(headers, &IF_NONE_MATCH, "If-None-Match").map(Self)
    }
}

fn precondition(api: &Api, request: &HttpRequest) -> Result<Precondition, Problem> {
    let condition = tag_condition(request.headers(), &IF_MATCH, "If-Match")?;
    let tags = api.signing_keys().entity_tags();
    Ok(condition.map_or(Precondition::None, |condition| condition.precondition(tags)))
}

/// The maximum length of a condition: far more tags than a client has.
const MAX_CONDITION_BYTES: usize = 8192;

/// Reads a header field that lists entity tags. Repeated fields form one list (RFC 9110).
fn tag_condition(
    headers: &HeaderMap,
    name: &HeaderName,
    display_name: &str,
) -> Result<Option<TagCondition>, Problem> {
    let lines: Vec<&[u8]> = headers.get_all(name).map(HeaderValue::as_bytes).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    if lines.iter().map(|line| line.len()).sum::<usize>() > MAX_CONDITION_BYTES {
        let rule = format!("must have at most {MAX_CONDITION_BYTES} bytes");
        return Err(Problem::invalid_header(display_name, &rule));
    }
    let unreadable = || {
        Problem::invalid_header(
            display_name,
            "must be * or a list of entity tags in double quotes",
        )
    };
    TagCondition::parse(&lines.join(b", ".as_slice()))
        .map(Some)
        .ok_or_else(unreadable)
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, Problem> {
    let mut lines = request.headers().get_all(IDEMPOTENCY_KEY);
    let invalid = || {
        Problem::invalid_header(
            IDEMPOTENCY_KEY,
            "must be sent once, with 1 to 255 visible ASCII characters",
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
