//! The header fields of responses.

use serde_json::json;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{Header, HeaderBuilder, ObjectBuilder};

use super::REQUEST_ID;

/// An example of a consistency token.
pub(super) const TOKEN_EXAMPLE: &str = "AXcAAAAWs3TYSJ3nDqkz1xkq5cFv2YvJq0M";

/// Returns the header fields with their names.
pub(super) fn headers() -> [(&'static str, Header); 13] {
    let text = |about: &str, max_length: usize, example: &str| {
        HeaderBuilder::new()
            .schema(Some(
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .max_length(Some(max_length)),
            ))
            .description(Some(about))
            .example(Some(json!(example)))
            .build()
    };
    [
        (
            "ETag",
            text(
                "The version and view of the representation, and a digest that identifies the user. A strong tag.",
                128,
                "\"3-full-8c2f0d51a76be9432b6a10fe\"",
            ),
        ),
        (
            "Location",
            text(
                "The path of the created resource.",
                1024,
                "/v1/users/0199b8f2-7c1e-7000-8000-000000000000",
            ),
        ),
        (
            "Link",
            text(
                "The next page; absent on the last page.",
                16384,
                "</v1/users?cursor=AXQ>; rel=\"next\"",
            ),
        ),
        (
            "Idempotency-Replayed",
            text(
                "`true` if the response is a replay of an earlier write; otherwise absent.",
                4,
                "true",
            ),
        ),
        (
            "Consistency-Token",
            text(
                "Makes later reads see this write, if they send it back. Absent if the service reads no standbys.",
                256,
                TOKEN_EXAMPLE,
            ),
        ),
        (
            "Cache-Status",
            text(
                "The source of the response (RFC 9211): `hit`, or the reason for the database read in `fwd`. Absent if no user was looked up, if the caller sees only the public view of a user in the response, and, for a user, if a batch has a `null`.",
                256,
                "user-service; hit; detail=process",
            ),
        ),
        (
            "X-Request-Id",
            text(
                "The id of the request in the log of the service.",
                64,
                REQUEST_ID,
            ),
        ),
        (
            "Retry-After",
            text("The number of seconds to wait before a retry.", 10, "1"),
        ),
        (
            "Allow",
            text(
                "The methods that the resource supports.",
                128,
                "GET, HEAD, OPTIONS",
            ),
        ),
        (
            "WWW-Authenticate",
            text(
                "How to authenticate (RFC 6750).",
                512,
                "Bearer realm=\"user-service\", error=\"invalid_token\"",
            ),
        ),
        (
            "RateLimit-Limit",
            text(
                "The number of requests that may arrive at once. Each response to a caller with a limit has it; the limits are settings of the service.",
                10,
                "40",
            ),
        ),
        (
            "RateLimit-Remaining",
            text(
                "The number of requests that may still arrive at once.",
                10,
                "0",
            ),
        ),
        (
            "RateLimit-Reset",
            text(
                "The number of seconds until all requests of `RateLimit-Limit` may arrive at once again.",
                10,
                "2",
            ),
        ),
    ]
}
