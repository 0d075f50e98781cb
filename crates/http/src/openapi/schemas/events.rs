//! The schemas of the event feed.

use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Event, FieldPath, User};

/// A page of the event feed.
#[derive(ToSchema)]
pub(crate) struct EventPage {
    #[schema(max_items = 1000)]
    events: Vec<CloudEvent>,
    /// The position after the page, from which the next page continues.
    #[schema(max_length = 1024)]
    cursor: String,
    /// Whether the next page can be read at once. It can be true for an empty page: a request reads at most 10,000
    /// events, and none of them may have passed the filter.
    has_more: bool,
}

/// An event (CloudEvents 1.0). Drop an event whose `data.revision` is not greater than the one that is known of its
/// subject.
#[derive(ToSchema)]
#[schema(example = event_example)]
pub(crate) struct CloudEvent {
    /// `1.0`.
    #[schema(pattern = "^1\\.0$", max_length = 3)]
    specversion: String,
    /// The id of the event; the same in each delivery.
    #[schema(value_type = String, format = Uuid)]
    id: (),
    /// The store that the event comes from: `urn:user-service:` and the id of the store.
    #[schema(format = "uri", max_length = 64)]
    source: String,
    /// The type of the event. Later releases may add types.
    #[schema(max_length = 64)]
    r#type: String,
    /// The id of the user that changed, or that started or ended a relationship.
    #[schema(value_type = String, format = Uuid)]
    subject: (),
    /// UTC, with six fractional digits. Events are ordered by `sequence`, not by time.
    #[schema(format = DateTime)]
    time: String,
    /// `application/json`.
    #[schema(max_length = 16)]
    datacontenttype: String,
    /// The place of the event among all events of the source. Text order is the order of the feed; numbers may be missing.
    #[schema(pattern = "^[0-9]{20}$", min_length = 20, max_length = 20)]
    sequence: String,
    /// The id of the user, for consumers that keep the order of each user.
    #[schema(value_type = String, format = Uuid)]
    partitionkey: (),
    data: EventData,
}

/// The content of an event. It contains no value of a user's field, unless the user is included.
#[derive(ToSchema)]
pub(crate) struct EventData {
    /// The revision of the user after the change. It rises with each event of the user. `null` for a relationship, which
    /// does not change the user.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, required = true)]
    revision: Option<i64>,
    /// The version of the user after the change; `null` for a relationship.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, required = true)]
    version: Option<i64>,
    /// The dotted paths of the changed fields.
    #[schema(inline, max_items = 64)]
    changed: Vec<FieldPath>,
    /// The actor: `user:<id>`, `service:<name>`, `operator`, `retention` or `schedule`. `null` if it would reveal a block
    /// to a caller without `users:read_private`.
    #[schema(max_length = 128, required = true)]
    actor: Option<String>,
    /// The other user of a relationship.
    #[schema(value_type = Option<String>, format = Uuid, required = true)]
    object: Option<()>,
    /// With `include=user`, the user as it is when the event is read; `null` once the user is erased.
    #[schema(required = true)]
    user: Option<User>,
}

/// What an event includes.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum EventInclude {
    User,
}

/// A page of the events about a user.
#[derive(ToSchema)]
pub(crate) struct HistoryPage {
    /// The events of the user and of the relationships that it started or ended, newest first.
    #[schema(max_items = 200)]
    events: Vec<Event>,
    /// The `cursor` of the next page; `null` on the last page.
    #[schema(max_length = 1024, required = true)]
    next_cursor: Option<String>,
}

/// Returns an example of an event.
pub(crate) fn event_example() -> Value {
    json!({
        "specversion": "1.0",
        "id": "0199b8f2-7c1e-7000-8000-00000000000e",
        "source": "urn:user-service:0199b8f2-7c1e-4000-8000-000000000001",
        "type": "user.updated",
        "subject": "0199b8f2-7c1e-7000-8000-000000000000",
        "time": "2026-11-23T00:45:12.123456Z",
        "datacontenttype": "application/json",
        "sequence": "00000000000000004211",
        "partitionkey": "0199b8f2-7c1e-7000-8000-000000000000",
        "data": {
            "revision": 7,
            "version": 5,
            "changed": ["profile.name"],
            "actor": "service:auth",
            "object": null,
            "user": null,
        },
    })
}
