//! Responses that show pages of users.

use serde_json::json;
use utoipa::IntoResponses;
use utoipa::openapi::ResponseBuilder;

use super::{JSON, ResponseMap, example_of, statuses};
use crate::openapi::schemas::{event_example, user_example};

/// A page of users.
pub(crate) struct Listed;

/// A page of blocked users.
pub(crate) struct Blocked;

/// A page of events.
pub(crate) struct FoundEvents;

/// A page of the events about a user.
pub(crate) struct History;

impl IntoResponses for Listed {
    fn responses() -> ResponseMap {
        let example = json!({"users": [user_example()], "next_cursor": null});
        let page = ResponseBuilder::new()
            .description("A page of users.")
            .content(JSON, example_of("UserPage", example));
        statuses([(200, page, &["Link"])])
    }
}

impl IntoResponses for Blocked {
    fn responses() -> ResponseMap {
        let example = json!({
            "users": [
                {"id": "0199b8f2-7c1e-7000-8000-000000000000", "username": "Alice.Smith", "since": "2026-11-23T00:45:12.123456Z"},
                {"id": "0199b8f2-7c1e-7000-8000-000000000001", "username": null, "since": "2026-11-22T10:00:00.000000Z"},
            ],
            "next_cursor": null,
        });
        let page = ResponseBuilder::new()
            .description("A page of blocked users.")
            .content(JSON, example_of("BlockedUserList", example));
        statuses([(200, page, &["Link"])])
    }
}

impl IntoResponses for FoundEvents {
    fn responses() -> ResponseMap {
        let example = json!({"events": [event_example()], "cursor": "AWYB", "has_more": false});
        let page = ResponseBuilder::new()
            .description("A page of events; empty if there are none yet.")
            .content(JSON, example_of("EventPage", example));
        statuses([(200, page, &[])])
    }
}

impl IntoResponses for History {
    fn responses() -> ResponseMap {
        let example = json!({
            "events": [{
                "id": "0199b8f2-7c1e-7000-8000-00000000000e",
                "type": "user.updated",
                "subject_kind": "user",
                "subject_id": "0199b8f2-7c1e-7000-8000-000000000000",
                "version": 5,
                "changed": ["profile.name"],
                "actor": "service:auth",
                "at": "2026-11-23T00:45:12.123456Z",
            }],
            "next_cursor": null,
        });
        let page = ResponseBuilder::new()
            .description("A page of events, newest first.")
            .content(JSON, example_of("HistoryPage", example));
        statuses([(200, page, &["Link"])])
    }
}
