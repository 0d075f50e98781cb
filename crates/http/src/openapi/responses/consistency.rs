//! The consistency token in the requests and responses of all routes.

use serde_json::json;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr};

use super::add_header;
use super::headers::TOKEN_EXAMPLE;

/// The operations other than GET that send no token back: they write nothing, or nothing that the token covers.
const NO_TOKEN: [&str; 3] = ["batchGetUsers", "verifyCredentials", "clearLockout"];

/// The operation whose requests may not have a token: it counts attempts.
const COUNTED: &str = "verifyCredentials";

/// Adds the consistency token to the responses of writes, and to the requests of reads.
pub(super) fn describe(operation: &mut Operation, is_get: bool) {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let is_open = operation.security.is_some();
    if is_open || id == COUNTED {
        return;
    }
    if !is_get && !NO_TOKEN.contains(&id) {
        let succeeded = operation.responses.responses.iter_mut();
        for (_, response) in succeeded.filter(|(status, _)| status.starts_with('2')) {
            if let RefOr::T(response) = response {
                add_header(response, "Consistency-Token");
            }
        }
        return;
    }
    let token = ParameterBuilder::new()
        .name("Consistency-Token")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "The token of a write, which the response then shows. Another text is a 400.",
        ))
        .example(Some(json!(TOKEN_EXAMPLE)))
        .schema(Some(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .max_length(Some(16_384)),
        ))
        .build();
    operation
        .parameters
        .get_or_insert_default()
        .push(token.into());
}
