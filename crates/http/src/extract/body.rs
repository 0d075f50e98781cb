//! Request bodies.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use user_domain::json::parse_strict;
use user_domain::{Fault, Violation};

use super::RequestPart;
use super::received_body::{ReceivedBody, receive};
use crate::api::Api;
use crate::bodies::RequestBody;
use crate::media_type::{JSON, MERGE_PATCH, is_utf8_of};
use crate::problem::{Code, Problem};

/// The maximum number of bytes of a body.
const MAX_BODY_BYTES: usize = 128 * 1024;

/// The maximum number of bytes of the body of a batch request.
const MAX_BATCH_BODY_BYTES: usize = 1024 * 1024;

/// A kind of body: how its bytes are received and parsed.
pub(crate) trait Body: Sized + Send + 'static {
    /// Receives the bytes if their media type is accepted.
    async fn receive(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<ReceivedBody, Problem>;

    /// Parses the bytes.
    fn parse(bytes: &[u8]) -> Result<Self, Problem>;
}

/// The input in a JSON object of at most `LIMIT` bytes.
pub(crate) struct JsonBody<B: RequestBody, const LIMIT: usize = MAX_BODY_BYTES>(
    pub(crate) B::Input,
);

/// The input in the JSON object of a batch request.
pub(crate) type BatchBody<B> = JsonBody<B, MAX_BATCH_BODY_BYTES>;

/// The input in a merge patch (RFC 7396) that is a JSON object.
pub(crate) struct MergePatch<B: RequestBody>(pub(crate) B::Input);

/// The input in a JSON object that may be omitted. Without a body and for `null` the object is empty.
pub(crate) struct OptionalBody<B: RequestBody>(pub(crate) B::Input);

/// The body of a write that takes none. Any byte is refused, so that no input is ignored silently.
pub(crate) struct NoBody;

/// The byte order mark that some editors and platforms write before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<B: RequestBody, const LIMIT: usize> Body for JsonBody<B, LIMIT> {
    async fn receive(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<ReceivedBody, Problem> {
        receive_json(api, request, payload, LIMIT, &[JSON], &ACCEPT, JSON).await
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        B::read(object(bytes)?).map(Self)
    }
}

impl<B: RequestBody> Body for MergePatch<B> {
    async fn receive(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<ReceivedBody, Problem> {
        let named = HeaderName::from_static("accept-patch");
        let types = "application/merge-patch+json, application/json";
        receive_json(
            api,
            request,
            payload,
            MAX_BODY_BYTES,
            &[MERGE_PATCH, JSON],
            &named,
            types,
        )
        .await
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        B::read(object(bytes)?).map(Self)
    }
}

impl<B: RequestBody> Body for OptionalBody<B> {
    /// The media type is checked only if there is a body: with an empty body, clients send any type.
    async fn receive(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<ReceivedBody, Problem> {
        let received = receive(api, request, payload, MAX_BODY_BYTES).await?;
        if !received.is_empty() && is_typed(request, &[JSON]) != Some(true) {
            return Err(unsupported(&ACCEPT, JSON));
        }
        Ok(received)
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.is_empty() || bytes.trim_ascii() == b"null" {
            return B::read(Map::new()).map(Self);
        }
        B::read(object(bytes)?).map(Self)
    }
}

impl Body for NoBody {
    async fn receive(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<ReceivedBody, Problem> {
        receive(api, request, payload, MAX_BODY_BYTES).await
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.is_empty() {
            return Ok(Self);
        }
        let violation = Violation::new("unexpected", "Must be empty: this request takes no body.");
        Err(Problem::invalid(&[Fault::new("", &violation)]))
    }
}

impl RequestPart for NoBody {
    const READS_BODY: bool = true;

    async fn read(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<Self, Problem> {
        let received = Self::receive(api, request, payload).await?;
        received.read(api, Self::parse).await?
    }
}

impl<B: RequestBody, const LIMIT: usize> RequestPart for JsonBody<B, LIMIT> {
    const READS_BODY: bool = true;

    async fn read(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<Self, Problem> {
        let received = Self::receive(api, request, payload).await?;
        received.read(api, Self::parse).await?
    }
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    match parse_strict(text)? {
        Value::Object(map) => Ok(map),
        _ => Err(Problem::invalid(&[Fault::new(
            "",
            &Violation::new("type", "Must be an object."),
        )])),
    }
}

/// Receives a body of one of these media types. `accepts` is the response field that lists them in a 415.
async fn receive_json(
    api: &Api,
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
    types: &[&str],
    accepts: &HeaderName,
    named: &'static str,
) -> Result<ReceivedBody, Problem> {
    let is_accepted = is_typed(request, types);
    if is_accepted == Some(false) {
        return Err(unsupported(accepts, named));
    }
    let received = receive(api, request, payload, limit).await?;
    if is_accepted.is_none() && !received.is_empty() {
        return Err(unsupported(accepts, named));
    }
    Ok(received)
}

/// Whether the body is declared as one of these media types, without a content coding; `None` if no type is declared.
fn is_typed(request: &HttpRequest, types: &[&str]) -> Option<bool> {
    let mut codings = request
        .headers()
        .get_all(CONTENT_ENCODING)
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    if codings.any(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"identity")) {
        return Some(false);
    }
    let mut lines = request.headers().get_all(CONTENT_TYPE);
    match (lines.next(), lines.next()) {
        (None, _) => None,
        (Some(line), None) => Some(is_utf8_of(line, types)),
        (Some(_), Some(_)) => Some(false),
    }
}

fn unsupported(accepts: &HeaderName, named: &'static str) -> Problem {
    Problem::new(
        Code::UnsupportedMediaType,
        format!("The body must be {named} in UTF-8, without a content coding."),
    )
    .with_header(accepts.clone(), HeaderValue::from_static(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_json_object_is_a_body() {
        for text in ["{}", "\u{feff}{}", "\u{feff} {}\n"] {
            assert_eq!(object(text.as_bytes()).ok(), Some(Map::new()), "{text:?}");
        }
        for text in ["null", "[]", "1", "\"a\""] {
            assert_eq!(
                object(text.as_bytes()).unwrap_err().code(),
                Code::Invalid,
                "{text}"
            );
        }
        for text in [
            "",
            "\u{feff}",
            "{",
            "{}{}",
            "{}\u{feff}",
            "\u{feff}\u{feff}{}",
            "{\"a\":1,\"a\":2}",
        ] {
            assert_eq!(
                object(text.as_bytes()).unwrap_err().code(),
                Code::MalformedJson,
                "{text}"
            );
        }
    }
}
