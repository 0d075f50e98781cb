//! Bodies of requests.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
};
use actix_web::mime::{CHARSET, Mime};
use actix_web::web::BytesMut;
use futures_util::StreamExt as _;
use serde_json::{Map, Value};
use user_domain::json::parse_strict;
use user_domain::{Fault, Violation};

use super::Part;
use crate::api::Api;
use crate::problem::{Code, Problem};

/// A kind of body: how its bytes are received, and what they mean.
pub(crate) trait Body: Sized {
    /// Receives the bytes, of a type that is accepted.
    async fn receive(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<BytesMut, Problem>;

    /// Reads the bytes.
    fn parse(bytes: &[u8]) -> Result<Self, Problem>;
}

/// A JSON object.
pub(crate) struct JsonDocument(pub(crate) Map<String, Value>);

/// A merge patch (RFC 7396) that is a JSON object.
pub(crate) struct MergePatch(pub(crate) Map<String, Value>);

/// A body that means nothing.
pub(crate) struct Ignored;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

impl Body for JsonDocument {
    async fn receive(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<BytesMut, Problem> {
        receive_json(api, request, payload, &[JSON], &ACCEPT, "application/json").await
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        object(bytes).map(Self)
    }
}

impl Body for MergePatch {
    async fn receive(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<BytesMut, Problem> {
        let named = HeaderName::from_static("accept-patch");
        let types = "application/merge-patch+json, application/json";
        receive_json(api, request, payload, &[MERGE_PATCH, JSON], &named, types).await
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        object(bytes).map(Self)
    }
}

impl Body for Ignored {
    async fn receive(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<BytesMut, Problem> {
        receive(api, request, payload).await
    }

    fn parse(_: &[u8]) -> Result<Self, Problem> {
        Ok(Self)
    }
}

impl Part for JsonDocument {
    const AWAITS_CLIENT: bool = true;

    async fn read(
        api: &Api,
        request: &HttpRequest,
        payload: &mut Payload,
    ) -> Result<Self, Problem> {
        Self::parse(&Self::receive(api, request, payload).await?)
    }
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    match parse_strict(bytes)? {
        Value::Object(map) => Ok(map),
        _ => Err(Problem::invalid(&[Fault::new(
            "",
            &Violation::new("type", "Must be an object."),
        )])),
    }
}

/// Receives a body of one of these types; `accepts` is the field that names them to clients which send another.
async fn receive_json(
    api: &Api,
    request: &HttpRequest,
    payload: &mut Payload,
    types: &[&str],
    accepts: &HeaderName,
    named: &'static str,
) -> Result<BytesMut, Problem> {
    let unsupported = || {
        Problem::new(
            Code::UnsupportedMediaType,
            format!("The body must be {named} in UTF-8, without a coding."),
        )
        .with_header(accepts.clone(), HeaderValue::from_static(named))
    };
    let mut codings = request.headers().get_all(CONTENT_ENCODING);
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported());
    }
    let mut lines = request.headers().get_all(CONTENT_TYPE);
    match (lines.next(), lines.next()) {
        (None, _) => {
            let bytes = receive(api, request, payload).await?;
            if bytes.is_empty() {
                Ok(bytes)
            } else {
                Err(unsupported())
            }
        }
        (Some(line), None) if is_one_of(line, types) => receive(api, request, payload).await,
        (Some(_), _) => Err(unsupported()),
    }
}

fn is_one_of(line: &HeaderValue, types: &[&str]) -> bool {
    let Some(mime) = line
        .to_str()
        .ok()
        .and_then(|line| line.parse::<Mime>().ok())
    else {
        return false;
    };
    let in_utf_8 = mime
        .get_param(CHARSET)
        .is_none_or(|charset| charset.as_str().eq_ignore_ascii_case("utf-8"));
    in_utf_8 && types.contains(&mime.essence_str())
}

/// Receives bytes, so many and for so long as the settings allow.
async fn receive(
    api: &Api,
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<BytesMut, Problem> {
    let settings = api.settings();
    let limit = settings.body_limit;
    let too_large = || {
        Problem::new(
            Code::PayloadTooLarge,
            format!("The body must have at most {limit} bytes."),
        )
    };
    let declared = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let receiving = async {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| {
                Problem::new(Code::MalformedRequest, "The body broke off.")
                    .because(error.to_string())
            })?;
            if bytes.len() + chunk.len() > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    let seconds = settings.deadlines.body.as_secs();
    let too_slow = |_| {
        Problem::new(
            Code::MalformedRequest,
            format!("The body took longer than {seconds} s."),
        )
    };
    tokio::time::timeout(settings.deadlines.body, receiving)
        .await
        .map_err(too_slow)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_without_case_and_with_their_charset() {
        let accepted = |line| is_one_of(&HeaderValue::from_static(line), &[JSON, MERGE_PATCH]);
        for line in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/merge-patch+json",
        ] {
            assert!(accepted(line), "{line}");
        }
        for line in [
            "",
            "json",
            "text/json",
            "application/json; charset=latin1",
            "application/ld+json",
            "*/*",
        ] {
            assert!(!accepted(line), "{line}");
        }
    }

    #[test]
    fn only_an_object_is_a_body() {
        assert_eq!(object(b"{}").ok(), Some(Map::new()));
        for text in ["null", "[]", "1", "\"a\""] {
            assert_eq!(
                object(text.as_bytes()).unwrap_err().code(),
                Code::Invalid,
                "{text}"
            );
        }
        for text in ["", "{", "{}{}", "{\"a\":1,\"a\":2}"] {
            assert_eq!(
                object(text.as_bytes()).unwrap_err().code(),
                Code::MalformedJson,
                "{text}"
            );
        }
    }
}
