//! Changes what one user is to another.

use sea_orm::ConnectionTrait;
use user_domain::ports::RelationshipWritten;
use user_domain::relationship::{
    Known, RelationshipChange, RelationshipEventKind, RelationshipWrite,
};
use user_domain::user::{Change, User};
use user_domain::write::{Precondition, WriteContext, WriteError};

use super::counters::{self, CountedEdge};
use super::{edges, known};
use crate::guards::Guards;
use crate::sea_orm::idempotency::{self, Turn};
use crate::sea_orm::pool::Pool;
use crate::sea_orm::presence::{self, Hold};
use crate::sea_orm::users::change;
use crate::sea_orm::{outbox, transaction};

/// Changes a relationship by [`Known::apply`], with the events and the record of the idempotency key.
pub(crate) async fn relate(
    db: &Pool,
    guards: Guards,
    write: &RelationshipWrite,
    context: &WriteContext,
) -> Result<RelationshipWritten, WriteError> {
    let tx = transaction::begin(db).await?;
    let written = Box::pin(self::write(&tx, guards, write, context));
    let written = transaction::bounded(written).await?;
    transaction::commit(tx).await?;
    Ok(written)
}

async fn write(
    tx: &impl ConnectionTrait,
    guards: Guards,
    write: &RelationshipWrite,
    context: &WriteContext,
) -> Result<RelationshipWritten, WriteError> {
    let (from, to) = (write.edge.from(), write.edge.to());
    if let Turn::Later(_) = idempotency::claim(tx, guards, from, context).await? {
        return Ok(RelationshipWritten::Replayed);
    }
    let blocker = match write.change {
        RelationshipChange::Follow => {
            let ends = [(from, Hold::Shared), (to, Hold::Shared)];
            presence::hold(tx, guards, ends).await?;
            None
        }
        RelationshipChange::Unfollow => None,
        RelationshipChange::Block | RelationshipChange::Unblock => {
            let blocker = change::lock(tx, guards, from).await?;
            let ends = [(from, Hold::Alone), (to, Hold::Shared)];
            presence::hold(tx, guards, ends).await?;
            Some(blocker)
        }
    };
    let mut known = known::gather(tx, &[write.edge]).await?;
    let told = known.apply(write, context);
    let mut told = told.map_err(|_| WriteError::NotFound)?;
    let follows = told
        .iter()
        .filter(|event| event.kind == RelationshipEventKind::Followed)
        .map(|event| counted(&known, event.edge));
    let follows: Vec<CountedEdge> = follows.collect();
    let deltas = edges::write(tx, &mut told, &follows).await?;
    if told.is_empty() {
        return Ok(RelationshipWritten::Unchanged);
    }
    outbox::append_of_relationships(tx, &told).await?;
    let user = match blocker {
        None => None,
        Some(blocker) => note_blocks(tx, &blocker, context).await?,
    };
    // Last, since others wait for it.
    counters::add_each(tx, &deltas).await?;
    Ok(RelationshipWritten::Applied(user))
}

/// Notes on a user whose row is locked whether it blocks anybody; gives it if that is news.
async fn note_blocks(
    tx: &impl ConnectionTrait,
    blocker: &User,
    context: &WriteContext,
) -> Result<Option<User>, WriteError> {
    let has_blocks = edges::has_blocks(tx, blocker.id).await?;
    // What the writer expects and repeats is the relationship.
    let context = WriteContext {
        precondition: Precondition::None,
        idempotency: None,
        ..context.clone()
    };
    let Some(applied) = blocker.apply(&Change::SetHasBlocks(has_blocks), &context)? else {
        return Ok(None);
    };
    change::store(tx, &applied, &context).await?;
    Ok(Some(applied.user))
}

/// Tells whom a follow is counted by.
pub(super) fn counted(known: &Known, edge: user_domain::relationship::Edge) -> CountedEdge {
    CountedEdge {
        edge,
        follower_counted: known.is_counted(edge.from()),
        target_counted: known.is_counted(edge.to()),
    }
}
