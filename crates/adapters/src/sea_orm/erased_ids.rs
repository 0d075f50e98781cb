//! The ids and external ids of erased users, which an import must not use again.
//!
//! Their digests are stored forever: at most two rows for each erased user. The event of an erasure contains the id
//! too, but expires.

use std::collections::HashSet;

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
};
use sha2::{Digest as _, Sha256};
use user_domain::import::Import;
use user_domain::user::{EventKind, User};
use user_domain::values::{ExternalId, UserId};

use super::entities::erased_ids::{ActiveModel, Column, Entity};
use super::entities::events;
use super::errors::OperationError;
use super::list_params;

/// The ids and external ids of a batch that belonged to erased users.
pub(super) struct ErasedIds {
    pub(super) ids: HashSet<UserId>,
    pub(super) external_ids: HashSet<ExternalId>,
}

/// Stores the ids of an erased user.
pub(super) async fn insert(tx: &impl ConnectionTrait, user: &User) -> Result<(), OperationError> {
    let external_id = user.external_id.as_ref().map(of_external_id);
    insert_digests(
        tx,
        [Some(of_id(user.id)), external_id].into_iter().flatten(),
    )
    .await
}

/// Stores the ids of users whose erasure events are about to be deleted.
///
/// Ids of users that this release has erased are stored already; those of an earlier release are not.
pub(super) async fn insert_ids(
    tx: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = UserId>,
) -> Result<(), OperationError> {
    insert_digests(tx, ids.into_iter().map(of_id)).await
}

/// Returns the ids and external ids of a batch that belonged to erased users.
pub(super) async fn among(
    tx: &impl ConnectionTrait,
    batch: &[Import],
) -> Result<ErasedIds, OperationError> {
    let records = || batch.iter().map(|import| &import.record);
    let ids: Vec<UserId> = records().filter_map(|record| record.id).collect();
    let external_ids: Vec<&ExternalId> = records()
        .filter_map(|record| record.external_id())
        .collect();
    let digests = ids.iter().copied().map(of_id);
    let digests = digests.chain(external_ids.iter().copied().map(of_external_id));
    let stored = stored_digests(tx, digests.collect()).await?;
    let in_events = ids_in_events(tx, &ids).await?;
    let is_erased = |id: &UserId| in_events.contains(id) || stored.contains(&of_id(*id));
    Ok(ErasedIds {
        ids: ids.into_iter().filter(is_erased).collect(),
        external_ids: external_ids
            .into_iter()
            .filter(|id| stored.contains(&of_external_id(id)))
            .cloned()
            .collect(),
    })
}

async fn insert_digests(
    tx: &impl ConnectionTrait,
    digests: impl Iterator<Item = Vec<u8>>,
) -> Result<(), OperationError> {
    let digests: Vec<Vec<u8>> = digests.collect();
    for part in list_params::batches(&digests) {
        let rows = part.iter().map(|digest| ActiveModel {
            digest: Set(digest.clone()),
        });
        let once = OnConflict::column(Column::Digest).do_nothing().to_owned();
        Entity::insert_many(rows)
            .on_conflict(once)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// Returns the digests that are stored.
async fn stored_digests(
    tx: &impl ConnectionTrait,
    digests: Vec<Vec<u8>>,
) -> Result<HashSet<Vec<u8>>, OperationError> {
    if digests.is_empty() {
        return Ok(HashSet::new());
    }
    let found: Vec<Vec<u8>> = Entity::find()
        .select_only()
        .column(Column::Digest)
        .filter(Column::Digest.is_in(list_params::padded(digests)))
        .into_tuple()
        .all(tx)
        .await?;
    Ok(found.into_iter().collect())
}

/// Returns the ids that have an erasure event.
async fn ids_in_events(
    tx: &impl ConnectionTrait,
    ids: &[UserId],
) -> Result<HashSet<UserId>, OperationError> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let ids = list_params::padded(ids.iter().map(|id| id.as_uuid()));
    let erased: Vec<uuid::Uuid> = events::Entity::find()
        .select_only()
        .column(events::Column::SubjectId)
        .filter(events::Column::SubjectId.is_in(ids))
        .filter(events::Column::Kind.eq(EventKind::Erased.as_str()))
        .into_tuple()
        .all(tx)
        .await?;
    Ok(erased.into_iter().map(UserId::from_uuid).collect())
}

fn of_id(id: UserId) -> Vec<u8> {
    digest(b"id", id.as_uuid().as_bytes())
}

fn of_external_id(id: &ExternalId) -> Vec<u8> {
    digest(b"external_id", id.as_str().as_bytes())
}

fn digest(kind: &[u8], value: &[u8]) -> Vec<u8> {
    let digest = Sha256::new().chain_update(kind).chain_update(b":");
    digest.chain_update(value).finalize().to_vec()
}
