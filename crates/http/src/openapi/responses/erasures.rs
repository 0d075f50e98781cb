//! Responses that show erasures and their consumers.

use serde_json::{Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::ResponseBuilder;

use super::{JSON, ResponseMap, example_of, statuses};

/// A page of erasures.
pub(crate) struct ListedErasures;

/// The report about an erasure.
pub(crate) struct FoundErasure;

/// The consumer after its registration.
pub(crate) struct RegisteredConsumer;

/// All consumers.
pub(crate) struct ListedConsumers;

impl IntoResponses for ListedErasures {
    fn responses() -> ResponseMap {
        let example = json!({
            "erasures": [{
                "user_id": "0199b8f2-7c1e-7000-8000-000000000000",
                "erased_at": "2026-11-23T00:45:12.123456Z",
                "sequence": "00000000000000004211",
            }],
            "next_cursor": null,
        });
        let page = ResponseBuilder::new()
            .description("A page of erasures that the consumer has not confirmed.")
            .content(JSON, example_of("ErasurePage", example));
        statuses([(200, page, &["Link"])])
    }
}

impl IntoResponses for FoundErasure {
    fn responses() -> ResponseMap {
        let example = json!({
            "user_id": "0199b8f2-7c1e-7000-8000-000000000000",
            "erased_at": "2026-11-23T00:45:12.123456Z",
            "state": "pending",
            "consumers": [
                {"name": "mail", "acked_at": null, "acked_by": null},
                {"name": "posts", "acked_at": "2026-11-23T00:45:13.000000Z", "acked_by": "service:posts"},
            ],
        });
        let report = ResponseBuilder::new()
            .description("The erasure with its confirmations.")
            .content(JSON, example_of("ErasureReport", example));
        statuses([(200, report, &[])])
    }
}

impl IntoResponses for RegisteredConsumer {
    fn responses() -> ResponseMap {
        let consumer = |description: &str| {
            ResponseBuilder::new()
                .description(description)
                .content(JSON, example_of("ErasureConsumer", example()))
        };
        statuses([
            (200, consumer("The consumer was registered already."), &[]),
            (201, consumer("The consumer is registered."), &[]),
        ])
    }
}

impl IntoResponses for ListedConsumers {
    fn responses() -> ResponseMap {
        let example = json!({"consumers": [example()]});
        let consumers = ResponseBuilder::new()
            .description("The consumers, by name.")
            .content(JSON, example_of("ErasureConsumerList", example));
        statuses([(200, consumers, &[])])
    }
}

fn example() -> Value {
    json!({
        "name": "posts",
        "created_at": "2026-11-23T00:45:12.123456Z",
        "created_by": "service:operations",
    })
}
