//! The consistency token in the requests and responses of all routes.

use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr};

use super::add_header;

/// Adds the consistency token to the responses of writes, whose outcome can be unknown, and to the requests of reads.
pub(super) fn describe(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    if responses.contains_key("504") {
        let succeeded = responses
            .iter_mut()
            .filter(|(status, _)| status.starts_with('2'));
        for (_, response) in succeeded {
            if let RefOr::T(response) = response {
                add_header(response, "Consistency-Token");
            }
        }
        return;
    }
    let is_counted = operation.operation_id.as_deref() == Some("verifyCredentials");
    if responses.contains_key("401") && !is_counted {
        let token = ParameterBuilder::new()
            .name("Consistency-Token")
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "The token of a write, which the response then shows. Another text is a 400.",
            ))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build();
        operation
            .parameters
            .get_or_insert_default()
            .push(token.into());
    }
}
