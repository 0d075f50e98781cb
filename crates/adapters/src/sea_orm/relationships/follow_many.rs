//! Lets many follow at once.

use sea_orm::{ConnectionTrait, DatabaseBackend};
use user_domain::relationship::{Edge, FollowOutcome, NewFollow};
use user_domain::write::{WriteContext, WriteError};

use super::counters::{self, CountedEdge, Deltas};
use super::relate::counted;
use super::{edges, known};
use crate::guards::Guards;
use crate::sea_orm::pool::Pool;
use crate::sea_orm::presence::{self, Hold};
use crate::sea_orm::{errors, outbox, transaction};

/// Lets follow, by [`Known::follow_many`](user_domain::relationship::Known::follow_many), who may.
pub(crate) async fn follow_many(
    db: &Pool,
    guards: Guards,
    follows: &[NewFollow],
    context: &WriteContext,
) -> Result<Vec<FollowOutcome>, WriteError> {
    if follows.is_empty() {
        return Ok(Vec::new());
    }
    let tx = transaction::begin(db).await?;
    let outcomes = Box::pin(write(&tx, guards, follows, context));
    let outcomes = transaction::bounded(outcomes).await?;
    transaction::commit(tx).await?;
    Ok(outcomes)
}

/// Leaves PostgreSQL no way to the rows but by their keys, as an import does: a plan made for tables that a move-in fills
/// would stay.
const BY_KEYS_ONLY: &str = "SET LOCAL enable_seqscan = off";

async fn write(
    tx: &impl ConnectionTrait,
    guards: Guards,
    follows: &[NewFollow],
    context: &WriteContext,
) -> Result<Vec<FollowOutcome>, WriteError> {
    if tx.get_database_backend() == DatabaseBackend::Postgres {
        let set = tx.execute_unprepared(BY_KEYS_ONLY).await;
        set.map_err(|error| errors::write(&error))?;
    }
    let ends = follows
        .iter()
        .flat_map(|follow| [follow.edge.from(), follow.edge.to()]);
    let ends = ends.map(|user| (user, Hold::Shared));
    presence::hold(tx, guards, ends).await?;
    let edges: Vec<Edge> = follows.iter().map(|follow| follow.edge).collect();
    let mut known = known::gather(tx, &edges).await?;
    let (mut outcomes, mut told) = known.follow_many(follows, context);
    if told.is_empty() {
        return Ok(outcomes);
    }
    let new = told.iter().map(|event| counted(&known, event.edge));
    let new: Vec<CountedEdge> = new.collect();
    let written = edges::follow(tx, &new, context.at).await?;
    // Another may have let the same follow meanwhile.
    for (follow, outcome) in follows.iter().zip(&mut outcomes) {
        if *outcome == FollowOutcome::Followed && !written.contains(&follow.edge) {
            *outcome = FollowOutcome::Unchanged;
        }
    }
    told.retain(|event| written.contains(&event.edge));
    outbox::append_of_relationships(tx, &told).await?;
    let mut deltas = Deltas::default();
    for follow in new.iter().filter(|follow| written.contains(&follow.edge)) {
        deltas.add_edge(*follow, 1);
    }
    // Last, since others wait for it.
    counters::add_all(tx, &deltas).await?;
    Ok(outcomes)
}
