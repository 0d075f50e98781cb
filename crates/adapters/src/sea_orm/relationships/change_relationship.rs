//! Changes the relationship of one user to another.

use sea_orm::ConnectionTrait;
use user_domain::ports::RelationshipWritten;
use user_domain::relationship::{
    LockedRelationships, RelationshipChange, RelationshipEventKind, RelationshipWrite,
};
use user_domain::user::{Change, User};
use user_domain::write::{Precondition, WriteContext, WriteError};

use super::counters::{self, CountedEdge};
use super::{edges, lookup};
use crate::sea_orm::connection::{Pool, Transaction};
use crate::sea_orm::digests::NameDigests;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::idempotency::{self, Claim};
use crate::sea_orm::relationships::locking::{self, LockMode};
use crate::sea_orm::users::change;
use crate::sea_orm::{outbox, transaction};

/// Changes a relationship by [`LockedRelationships::apply`], with its events and the record of the idempotency key.
pub(crate) async fn change_relationship(
    db: &Pool,
    digests: &NameDigests,
    write: &RelationshipWrite,
    context: &WriteContext,
) -> Result<RelationshipWritten, OperationError> {
    transaction::run(db, async |tx| {
        self::write(tx, digests, write, context).await
    })
    .await
}

async fn write(
    tx: &Transaction,
    digests: &NameDigests,
    write: &RelationshipWrite,
    context: &WriteContext,
) -> Result<RelationshipWritten, OperationError> {
    let (from, to) = (write.edge.from(), write.edge.to());
    if let Claim::Replay(_) = idempotency::claim(tx, from.as_uuid(), context).await? {
        return Ok(RelationshipWritten::Replayed);
    }
    let blocker = match write.change {
        RelationshipChange::Follow => {
            let ends = [(from, LockMode::Shared), (to, LockMode::Shared)];
            locking::lock_stripes(tx, ends).await?;
            None
        }
        RelationshipChange::Unfollow => None,
        RelationshipChange::Block | RelationshipChange::Unblock => {
            let blocker = change::lock(tx, from).await?;
            let ends = [(from, LockMode::Exclusive), (to, LockMode::Shared)];
            locking::lock_stripes(tx, ends).await?;
            Some(blocker)
        }
    };
    let mut locked = lookup::load(tx, &[write.edge]).await?;
    if write.change == RelationshipChange::Block {
        lookup::load_for_block(tx, write.edge, &mut locked).await?;
    }
    let name = locked.name_to_keep(write.edge).map(str::to_owned);
    let mut events = locked.apply(write, context).map_err(WriteError::from)?;
    let follows = events
        .iter()
        .filter(|event| event.kind == RelationshipEventKind::Followed)
        .map(|event| counted(&locked, event.edge));
    let follows: Vec<CountedEdge> = follows.collect();
    let deltas = edges::write(tx, &mut events, &follows, name.as_deref()).await?;
    if events.is_empty() {
        return Ok(RelationshipWritten::Unchanged);
    }
    outbox::append_of_relationships(tx, &events).await?;
    let user = match blocker {
        None => None,
        Some(blocker) => update_has_blocks(tx, digests, &blocker, context).await?,
    };
    // Last, since concurrent transactions wait for these rows.
    counters::add_each(tx, &deltas).await?;
    Ok(RelationshipWritten::Applied(user))
}

/// Updates `has_blocks` of a user whose row is locked. Returns the user if the value changed.
async fn update_has_blocks(
    tx: &impl ConnectionTrait,
    digests: &NameDigests,
    blocker: &User,
    context: &WriteContext,
) -> Result<Option<User>, OperationError> {
    let has_blocks = edges::has_blocks(tx, blocker.id).await?;
    // Precondition and idempotency key refer to the relationship, not to the user.
    let context = WriteContext {
        precondition: Precondition::None,
        idempotency: None,
        ..context.clone()
    };
    let Some(applied) = blocker.apply(&Change::SetHasBlocks(has_blocks), &context)? else {
        return Ok(None);
    };
    change::store(tx, digests, &applied, &context).await?;
    Ok(Some(applied.user))
}

/// Returns a follow with the flags that say which of its users are counted.
pub(super) fn counted(
    locked: &LockedRelationships,
    edge: user_domain::relationship::Edge,
) -> CountedEdge {
    CountedEdge {
        edge,
        follower_counted: locked.is_counted(edge.from()),
        target_counted: locked.is_counted(edge.to()),
    }
}
