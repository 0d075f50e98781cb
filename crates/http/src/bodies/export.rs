//! All that is kept about a user, as one document.

use serde::Serialize;
use user_domain::relationship::{RelatedList, RelatedPosition};
use user_domain::use_cases::UserExport;
use user_domain::user::Event;
use user_domain::values::{Timestamp, UserId, Version};
use uuid::Uuid;

use super::{RelatedLists, UserBody};

/// All that is kept about a user.
#[derive(Serialize)]
pub(crate) struct ExportBody<'a> {
    user: UserBody<'a>,
    credentials: Vec<CredentialBody>,
    events: Vec<EventBody<'a>>,
    relationships: RelatedLists<'a>,
}

/// A credential that the user has; never itself.
#[derive(Serialize)]
struct CredentialBody {
    #[serde(rename = "type")]
    kind: &'static str,
    changed_at: Timestamp,
}

/// One change of the user.
#[derive(Serialize)]
struct EventBody<'a> {
    id: Uuid,
    #[serde(rename = "type")]
    kind: &'static str,
    subject_kind: &'static str,
    subject_id: UserId,
    version: Version,
    changed: &'a [String],
    actor: &'a str,
    at: Timestamp,
}

impl<'a> ExportBody<'a> {
    /// Shows what was exported; `cursor` writes the place in a list from which its calls go on.
    pub(crate) fn new(
        export: &'a UserExport,
        cursor: impl Fn(RelatedList, &RelatedPosition) -> String,
    ) -> Self {
        Self {
            user: UserBody::from(&export.user),
            credentials: export.user.own().map_or_else(Vec::new, |own| {
                let password = own.password_changed_at.map(|changed_at| CredentialBody {
                    kind: "password",
                    changed_at,
                });
                password.into_iter().collect()
            }),
            events: export.events.iter().map(EventBody::from).collect(),
            relationships: RelatedLists::new(&export.relationships, cursor),
        }
    }
}

impl<'a> From<&'a Event> for EventBody<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            id: event.id,
            kind: event.kind.as_str(),
            subject_kind: event.subject_kind.as_str(),
            subject_id: event.subject_id,
            version: event.version,
            changed: &event.changed,
            actor: event.actor.as_str(),
            at: event.at,
        }
    }
}
