//! The outbox: appends events in the transaction of the write.

use std::sync::LazyLock;

use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ActiveValue::Set, ConnectionTrait, EntityTrait,
    IdenStatic, Iterable, Value,
};
use user_domain::ports::EventPosition;
use user_domain::relationship::RelationshipEvent;
use user_domain::service_token::TokenEvent;
use user_domain::user::Event;

use super::entities::events::{ActiveModel, Column, Entity};
use super::errors::OperationError;
use super::{list_params, row};

/// The columns of an event for a hand-written statement, in the order of [`to_values`].
pub(super) static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    let columns = columns().map(|column| format!("\"{}\"", column.as_str()));
    columns.collect::<Vec<_>>().join(", ")
});

/// Returns all columns except the sequence number.
fn columns() -> impl Iterator<Item = Column> {
    Column::iter().filter(|column| !matches!(column, Column::Seq))
}

/// Returns the placeholders of an event's values for a hand-written statement, and `MORE` placeholders after them.
pub(super) fn placeholders<const MORE: usize>() -> (String, [String; MORE]) {
    let events: Vec<String> = (1..=columns().count()).map(placeholder).collect();
    let more = std::array::from_fn(|at| placeholder(events.len() + 1 + at));
    (events.join(", "), more)
}

fn placeholder(number: usize) -> String {
    format!("${number}")
}

/// Returns the values of an event for a hand-written statement.
pub(super) fn to_values(event: &Event) -> Vec<Value> {
    let mut row = to_row(event);
    columns()
        .filter_map(|column| row.take(column).into_value())
        .collect()
}

/// Appends an event.
pub(super) async fn append(tx: &impl ConnectionTrait, event: &Event) -> Result<(), OperationError> {
    append_all(tx, std::slice::from_ref(event)).await
}

/// Appends an event and returns its position.
pub(super) async fn append_and_locate(
    tx: &impl ConnectionTrait,
    event: &Event,
) -> Result<EventPosition, OperationError> {
    let inserted = Entity::insert(to_row(event)).exec(tx).await?;
    Ok(EventPosition::from_store(inserted.last_insert_id))
}

/// Appends events in order.
pub(super) async fn append_all(
    tx: &impl ConnectionTrait,
    events: &[Event],
) -> Result<(), OperationError> {
    for part in list_params::batches(events) {
        Entity::insert_many(part.iter().map(to_row))
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// Appends an event about a token.
pub(super) async fn append_of_token(
    tx: &impl ConnectionTrait,
    event: &TokenEvent,
) -> Result<(), OperationError> {
    let row = ActiveModel {
        seq: NotSet,
        id: Set(event.id),
        kind: Set(event.kind.as_str().to_owned()),
        subject_kind: Set(TokenEvent::SUBJECT_KIND.to_owned()),
        subject_id: Set(event.token.as_uuid()),
        object_id: Set(None),
        revision: Set(event.revision().get()),
        internal_changes: Set(0),
        changed: Set(row::strings_to_json(event.changed().iter().copied())),
        actor: Set(event.actor.as_str().to_owned()),
        at: Set(event.at.as_utc()),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// Appends events about relationships in order.
pub(super) async fn append_of_relationships(
    tx: &impl ConnectionTrait,
    events: &[RelationshipEvent],
) -> Result<(), OperationError> {
    let to_row = |event: &RelationshipEvent| ActiveModel {
        seq: NotSet,
        id: Set(event.id),
        kind: Set(event.kind.as_str().to_owned()),
        subject_kind: Set(RelationshipEvent::SUBJECT_KIND.to_owned()),
        subject_id: Set(event.edge.from().as_uuid()),
        object_id: Set(Some(event.edge.to().as_uuid())),
        revision: Set(event.revision().get()),
        internal_changes: Set(0),
        changed: Set(row::strings_to_json(std::iter::empty())),
        actor: Set(event.actor.as_str().to_owned()),
        at: Set(event.at.as_utc()),
    };
    for part in list_params::batches(events) {
        Entity::insert_many(part.iter().map(to_row))
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

fn to_row(event: &Event) -> ActiveModel {
    let Event {
        id,
        kind,
        subject_kind,
        subject_id,
        revision,
        version,
        changed,
        actor,
        at,
    } = event;
    ActiveModel {
        seq: NotSet,
        id: Set(*id),
        kind: Set(kind.as_str().to_owned()),
        subject_kind: Set(subject_kind.as_str().to_owned()),
        subject_id: Set(subject_id.as_uuid()),
        object_id: Set(None),
        revision: Set(revision.get()),
        internal_changes: Set(revision.internal_changes(*version)),
        changed: Set(row::strings_to_json(changed.iter().map(String::as_str))),
        actor: Set(actor.as_str().to_owned()),
        at: Set(at.as_utc()),
    }
}
