//! Writes many follows in one transaction.

use sea_orm::ConnectionTrait as _;
use user_domain::relationship::{Edge, FollowOutcome, NewFollow};
use user_domain::write::WriteContext;

use super::change_relationship::counted;
use super::counters::{self, CountedEdge, Deltas};
use super::{edges, lookup};
use crate::sea_orm::connection::{Pool, Transaction};
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::relationships::locking::{self, LockMode};
use crate::sea_orm::{outbox, transaction};

/// Writes follows by [`LockedRelationships::follow_many`](user_domain::relationship::LockedRelationships::follow_many).
pub(crate) async fn follow_many(
    db: &Pool,
    follows: &[NewFollow],
    context: &WriteContext,
) -> Result<Vec<FollowOutcome>, OperationError> {
    if follows.is_empty() {
        return Ok(Vec::new());
    }
    transaction::run(db, async |tx| write(tx, follows, context).await).await
}

/// Makes PostgreSQL find rows by their keys. Otherwise a plan that was made for an empty table would still be used
/// after an import has filled it.
const BY_KEYS_ONLY: &str = "SET LOCAL enable_seqscan = off";

async fn write(
    tx: &Transaction,
    follows: &[NewFollow],
    context: &WriteContext,
) -> Result<Vec<FollowOutcome>, OperationError> {
    if Dialect::of(tx).needs_plan_hints() {
        tx.execute_unprepared(BY_KEYS_ONLY).await?;
    }
    let ends = follows
        .iter()
        .flat_map(|follow| [follow.edge.from(), follow.edge.to()]);
    let ends = ends.map(|user| (user, LockMode::Shared));
    locking::lock_stripes(tx, ends).await?;
    let edges: Vec<Edge> = follows.iter().map(|follow| follow.edge).collect();
    let mut locked = lookup::load(tx, &edges).await?;
    let (mut outcomes, mut events) = locked.follow_many(follows, context);
    if events.is_empty() {
        return Ok(outcomes);
    }
    let new = events.iter().map(|event| counted(&locked, event.edge));
    let new: Vec<CountedEdge> = new.collect();
    let written = edges::follow(tx, &new, context.at).await?;
    // A concurrent transaction may have written the same follow.
    for (follow, outcome) in follows.iter().zip(&mut outcomes) {
        if *outcome == FollowOutcome::Followed && !written.contains(&follow.edge) {
            *outcome = FollowOutcome::Unchanged;
        }
    }
    events.retain(|event| written.contains(&event.edge));
    outbox::append_of_relationships(tx, &events).await?;
    let mut deltas = Deltas::default();
    for follow in new.iter().filter(|follow| written.contains(&follow.edge)) {
        deltas.add_edge(*follow, 1);
    }
    // Last, since concurrent transactions wait for these rows.
    counters::add_all(tx, &deltas).await?;
    Ok(outcomes)
}
