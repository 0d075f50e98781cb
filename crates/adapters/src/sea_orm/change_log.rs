//! Reads the outbox.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use user_domain::StoreError;
use user_domain::user::{Actor, Event, EventKind, SubjectKind};
use user_domain::values::{Timestamp, UserId, Version};

use super::entities::events::{Column, Entity, Model};
use super::{errors, row};

/// Gives the events about one user, oldest first.
pub(super) async fn about(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<Vec<Event>, StoreError> {
    let rows = Entity::find()
        .filter(Column::SubjectId.eq(user.as_uuid()))
        .order_by_asc(Column::Seq)
        .all(db)
        .await
        .map_err(|error| errors::store(&error))?;
    rows.into_iter().map(to_event).collect()
}

fn to_event(row: Model) -> Result<Event, StoreError> {
    let broken = |column: &str| {
        StoreError::Internal(format!(
            "the column {column} of event {} is broken",
            row.seq
        ))
    };
    Ok(Event {
        id: row.id,
        kind: EventKind::from_name(&row.kind).ok_or_else(|| broken("type"))?,
        subject_kind: SubjectKind::from_name(&row.subject_kind)
            .ok_or_else(|| broken("subject_kind"))?,
        subject_id: UserId::from_uuid(row.subject_id),
        version: Version::from_i64(row.version).ok_or_else(|| broken("version"))?,
        changed: row::strings_from_json(&row.changed).ok_or_else(|| broken("changed"))?,
        at: Timestamp::from_utc(row.at),
        actor: Actor::from_store(row.actor),
    })
}
