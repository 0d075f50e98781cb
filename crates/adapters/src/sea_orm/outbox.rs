//! The outbox: what a write tells the world, in the write's own transaction.

use std::sync::LazyLock;

use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ActiveValue::Set, ConnectionTrait, EntityTrait,
    IdenStatic, Iterable, Value,
};
use user_domain::relationship::RelationshipEvent;
use user_domain::service_token::TokenEvent;
use user_domain::user::Event;
use user_domain::write::WriteError;

use super::entities::events::{ActiveModel, Column, Entity};
use super::{errors, many, row};

/// The columns of an event in a statement written by hand, in the order of [`to_values`].
pub(super) static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    let columns = columns().map(|column| format!("\"{}\"", column.as_str()));
    columns.collect::<Vec<_>>().join(", ")
});

/// All columns but the one that numbers the events.
fn columns() -> impl Iterator<Item = Column> {
    Column::iter().filter(|column| !matches!(column, Column::Seq))
}

/// Writes an event as the values of a statement written by hand.
pub(super) fn to_values(event: &Event) -> Vec<Value> {
    let mut row = to_row(event);
    columns()
        .filter_map(|column| row.take(column).into_value())
        .collect()
}

/// Appends an event.
pub(super) async fn append(tx: &impl ConnectionTrait, event: &Event) -> Result<(), WriteError> {
    append_all(tx, std::slice::from_ref(event)).await
}

/// Appends events, numbered in their order.
pub(super) async fn append_all(
    tx: &impl ConnectionTrait,
    events: &[Event],
) -> Result<(), WriteError> {
    for part in many::parts(events) {
        Entity::insert_many(part.iter().map(to_row))
            .exec_without_returning(tx)
            .await
            .map_err(|error| errors::write(&error))?;
    }
    Ok(())
}

/// Appends an event about a token.
pub(super) async fn append_of_token(
    tx: &impl ConnectionTrait,
    event: &TokenEvent,
) -> Result<(), WriteError> {
    let row = ActiveModel {
        seq: NotSet,
        id: Set(event.id),
        kind: Set(event.kind.as_str().to_owned()),
        subject_kind: Set(TokenEvent::SUBJECT_KIND.to_owned()),
        subject_id: Set(event.token.as_uuid()),
        object_id: Set(None),
        version: Set(event.version().get()),
        changed: Set(row::strings_to_json(event.changed().iter().copied())),
        actor: Set(event.actor.as_str().to_owned()),
        at: Set(event.at.as_utc()),
    };
    Entity::insert(row)
        .exec_without_returning(tx)
        .await
        .map_err(|error| errors::write(&error))?;
    Ok(())
}

/// Appends events about relationships, numbered in their order.
pub(super) async fn append_of_relationships(
    tx: &impl ConnectionTrait,
    events: &[RelationshipEvent],
) -> Result<(), WriteError> {
    let to_row = |event: &RelationshipEvent| ActiveModel {
        seq: NotSet,
        id: Set(event.id),
        kind: Set(event.kind.as_str().to_owned()),
        subject_kind: Set(RelationshipEvent::SUBJECT_KIND.to_owned()),
        subject_id: Set(event.edge.from().as_uuid()),
        object_id: Set(Some(event.edge.to().as_uuid())),
        version: Set(event.version().get()),
        changed: Set(row::strings_to_json(std::iter::empty())),
        actor: Set(event.actor.as_str().to_owned()),
        at: Set(event.at.as_utc()),
    };
    for part in many::parts(events) {
        Entity::insert_many(part.iter().map(to_row))
            .exec_without_returning(tx)
            .await
            .map_err(|error| errors::write(&error))?;
    }
    Ok(())
}

fn to_row(event: &Event) -> ActiveModel {
    ActiveModel {
        seq: NotSet,
        id: Set(event.id),
        kind: Set(event.kind.as_str().to_owned()),
        subject_kind: Set(event.subject_kind.as_str().to_owned()),
        subject_id: Set(event.subject_id.as_uuid()),
        object_id: Set(None),
        version: Set(event.version.get()),
        changed: Set(row::strings_to_json(
            event.changed.iter().map(String::as_str),
        )),
        actor: Set(event.actor.as_str().to_owned()),
        at: Set(event.at.as_utc()),
    }
}
