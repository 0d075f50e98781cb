//! The events of the feed, as CloudEvents 1.0.

use actix_web::web::Bytes;
use serde::Serialize;
use user_domain::ports::UserEvent;
use user_domain::use_cases::{EventsPage, ReadEvent};
use user_domain::user::Event;
use user_domain::values::{Timestamp, UserId, Version};
use uuid::Uuid;

use super::{LargeObject, UserBody};
use crate::problem::Problem;
use crate::resource_limits::ByteBudget;

/// The size of a typical event in bytes.
const TYPICAL_EVENT_BYTES: usize = 512;

/// An event.
#[derive(Serialize)]
struct CloudEventBody<'a> {
    specversion: &'static str,
    id: Uuid,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: UserId,
    time: Timestamp,
    datacontenttype: &'static str,
    sequence: String,
    partitionkey: UserId,
    data: EventDataBody<'a>,
}

/// The content of an event.
#[derive(Serialize)]
struct EventDataBody<'a> {
    revision: Option<i64>,
    version: Option<Version>,
    changed: &'a [String],
    actor: Option<&'a str>,
    object: Option<UserId>,
    user: Option<UserBody<'a>>,
}

/// Serialises a page of events and the cursor of the next page within a byte budget.
pub(crate) async fn events_page(
    page: &EventsPage,
    cursor: &str,
    budget: &ByteBudget,
) -> Result<Bytes, Problem> {
    let source = source(page.end.store);
    let mut body =
        LargeObject::with_capacity((page.events.len() + 1) * TYPICAL_EVENT_BYTES, budget);
    let events = page.events.iter();
    body.array("events", events.map(|event| event_body(event, &source)))
        .await?;
    body.member("cursor", &cursor)?;
    body.member("has_more", &page.has_more)?;
    Ok(body.finish())
}

/// Serialises an event of the store with this id, as in a page.
///
/// # Errors
/// Why it cannot be serialised.
pub fn cloud_event(store: Uuid, event: &ReadEvent) -> Result<Vec<u8>, String> {
    let source = source(store);
    serde_json::to_vec(&event_body(event, &source)).map_err(|error| error.to_string())
}

/// The source of the events of a store.
fn source(store: Uuid) -> String {
    format!("urn:user-service:{store}")
}

fn event_body<'a>(read: &'a ReadEvent, source: &'a str) -> CloudEventBody<'a> {
    let (actor, about, object) = match &read.event {
        UserEvent::User(event) => (&event.actor, Some(event), None),
        UserEvent::Relationship(event) => (&event.actor, None, Some(event.edge.to())),
    };
    let subject = read.event.subject();
    CloudEventBody {
        specversion: "1.0",
        id: read.event.id(),
        source,
        kind: read.event.kind(),
        subject,
        time: read.event.at(),
        datacontenttype: "application/json",
        sequence: format!("{:020}", read.at.get()),
        partitionkey: subject,
        data: EventDataBody {
            revision: about.map(|event| event.revision.get()),
            version: about.map(|event| event.version),
            changed: about
                .map(|event: &Event| event.changed.as_slice())
                .unwrap_or_default(),
            actor: read.shows_actor.then_some(actor.as_str()),
            object,
            user: read.user.as_ref().map(UserBody::from),
        },
    }
}
