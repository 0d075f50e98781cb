//! The export of all stored data about a user.

use actix_web::web::Bytes;
use serde::Serialize;
use user_domain::lockout::{AccountAttempts, AttemptCounter};
use user_domain::ports::{EventPosition, ReservedName, UserEvent};
use user_domain::relationship::{RelatedList, RelatedPosition, RelationshipEvent};
use user_domain::use_cases::{ExportedRecords, UserExport};
use user_domain::user::Event;
use user_domain::values::{Timestamp, UserId, Version};
use user_domain::write::USERNAME_RESERVATION;
use uuid::Uuid;

use super::{CountsBody, LargeObject, RelatedBody, UserBody};
use crate::problem::Problem;
use crate::resource_limits::ByteBudget;

/// The initial capacity of an export document.
const TYPICAL_EXPORT_BYTES: usize = 4 * 1024;

/// Encodes the cursors that continue the lists of an export.
pub(crate) trait ExportCursors {
    /// Returns the cursor of the events.
    fn events(&self, position: EventPosition) -> String;
    /// Returns the cursor of a list of users.
    fn related(&self, list: RelatedList, position: &RelatedPosition) -> String;
}

/// A credential of the user, without its value.
#[derive(Serialize)]
struct CredentialBody {
    #[serde(rename = "type")]
    kind: &'static str,
    changed_at: Timestamp,
}

/// The login attempts for the user's account.
#[derive(Serialize)]
struct LoginAttemptsBody {
    failures: u32,
    failed_at: Option<Timestamp>,
    blocked_until: Option<Timestamp>,
    succeeded_at: Option<Timestamp>,
    sources: u64,
    blocked_sources: u64,
}

/// A username that the user no longer has.
#[derive(Serialize)]
struct ReleasedNameBody<'a> {
    username: Option<&'a str>,
    released_at: Timestamp,
    reserved_until: Timestamp,
}

/// A change of the user, or of a relationship that the user started or ended.
#[derive(Serialize)]
struct EventBody<'a> {
    id: Uuid,
    #[serde(rename = "type")]
    kind: &'static str,
    subject_kind: &'static str,
    subject_id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_id: Option<UserId>,
    version: Version,
    changed: &'a [String],
    actor: &'a str,
    at: Timestamp,
}

/// Serialises an export within a byte budget. Lists that were not requested are absent.
pub(crate) async fn export_document(
    export: &UserExport,
    cursors: &impl ExportCursors,
    budget: &ByteBudget,
) -> Result<Bytes, Problem> {
    let mut document = LargeObject::with_capacity(TYPICAL_EXPORT_BYTES, budget);
    document.member("user", &UserBody::from(&export.user))?;
    if let Some(kept) = &export.records {
        write_kept(&mut document, export, kept)?;
    }
    if let Some(page) = &export.events {
        let oldest_first = page.events.iter().rev();
        document
            .array("events", oldest_first.map(EventBody::from))
            .await?;
        let cursor = page.next.map(|position| cursors.events(position));
        document.member("events_cursor", &cursor)?;
    }
    document.open("relationships")?;
    if let Some(kept) = &export.records {
        document.member("counts", &CountsBody::from(kept.counts))?;
    }
    for (list, page) in [
        (RelatedList::Followers, &export.followers),
        (RelatedList::Following, &export.following),
        (RelatedList::Blocks, &export.blocks),
    ] {
        let Some(page) = page else {
            continue;
        };
        document.open(list.as_str())?;
        let users = page.names.iter().map(RelatedBody::from);
        document.array("users", users).await?;
        let cursor = page
            .next
            .as_ref()
            .map(|position| cursors.related(list, position));
        document.member("next_cursor", &cursor)?;
        document.close();
    }
    document.close();
    Ok(document.finish())
}

/// Serialises a page of the events about a user, newest first, and the cursor of the next page within a byte budget.
pub(crate) async fn history_page(
    events: &[UserEvent],
    next_cursor: Option<&str>,
    budget: &ByteBudget,
) -> Result<Bytes, Problem> {
    let mut document = LargeObject::with_capacity(TYPICAL_EXPORT_BYTES, budget);
    document
        .array("events", events.iter().map(EventBody::from))
        .await?;
    document.member("next_cursor", &next_cursor)?;
    Ok(document.finish())
}

fn write_kept(
    document: &mut LargeObject,
    export: &UserExport,
    kept: &ExportedRecords,
) -> Result<(), Problem> {
    let own = export.user.own();
    let password = own.and_then(|own| own.password_changed_at);
    let credentials: Vec<CredentialBody> = password
        .map(|changed_at| CredentialBody {
            kind: "password",
            changed_at,
        })
        .into_iter()
        .collect();
    let released = kept.records.reserved_names.iter();
    let released: Vec<ReleasedNameBody<'_>> = released.map(ReleasedNameBody::from).collect();
    document.member("credentials", &credentials)?;
    document.member("signed_out_at", &own.and_then(|own| own.tokens_valid_after))?;
    document.member(
        "login_attempts",
        &LoginAttemptsBody::from(kept.login_attempts),
    )?;
    document.member("released_usernames", &released)?;
    document.member("idempotency_keys", &kept.records.idempotency_keys)
}

impl From<AccountAttempts> for LoginAttemptsBody {
    fn from(attempts: AccountAttempts) -> Self {
        let AccountAttempts {
            account,
            sources,
            blocked_sources,
            succeeded_at: from_sources,
        } = attempts;
        let AttemptCounter {
            failures,
            failed_at,
            blocked_until,
            succeeded_at,
        } = account;
        Self {
            failures,
            failed_at,
            blocked_until,
            succeeded_at: succeeded_at.max(from_sources),
            sources,
            blocked_sources,
        }
    }
}

impl<'a> From<&'a ReservedName> for ReleasedNameBody<'a> {
    fn from(name: &'a ReservedName) -> Self {
        Self {
            username: name.key.as_deref(),
            released_at: name.since,
            reserved_until: name.since.plus(USERNAME_RESERVATION),
        }
    }
}

impl<'a> From<&'a UserEvent> for EventBody<'a> {
    fn from(event: &'a UserEvent) -> Self {
        match event {
            UserEvent::User(event) => Self::from(event),
            UserEvent::Relationship(event) => Self::from(event),
        }
    }
}

impl<'a> From<&'a Event> for EventBody<'a> {
    fn from(event: &'a Event) -> Self {
        let Event {
            id,
            kind,
            subject_kind,
            subject_id,
            revision: _,
            version,
            changed,
            actor,
            at,
        } = event;
        Self {
            id: *id,
            kind: kind.as_str(),
            subject_kind: subject_kind.as_str(),
            subject_id: *subject_id,
            object_id: None,
            version: *version,
            changed,
            actor: actor.as_str(),
            at: *at,
        }
    }
}

impl<'a> From<&'a RelationshipEvent> for EventBody<'a> {
    fn from(event: &'a RelationshipEvent) -> Self {
        Self {
            id: event.id,
            kind: event.kind.as_str(),
            subject_kind: RelationshipEvent::SUBJECT_KIND,
            subject_id: event.edge.from(),
            object_id: Some(event.edge.to()),
            // Relationships have no version.
            version: Version::FIRST,
            changed: &[],
            actor: event.actor.as_str(),
            at: event.at,
        }
    }
}
