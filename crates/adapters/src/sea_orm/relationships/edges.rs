//! Writes follows and blocks, and returns what has changed.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, QueryResult};
use serde_json::json;
use user_domain::StoreError;
use user_domain::relationship::{Edge, RelationshipEvent, RelationshipEventKind};
use user_domain::values::{Timestamp, UserId};

use super::counters::{CountedEdge, Deltas};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::list_params::{self, ColumnType};
use crate::sea_orm::raw_sql;

/// Inserts missing follows, ordered by their users. Returns the edges that it inserted.
pub(super) async fn follow(
    tx: &impl ConnectionTrait,
    follows: &[CountedEdge],
    at: Timestamp,
) -> Result<BTreeSet<Edge>, OperationError> {
    let rows = follows.iter().map(|follow| {
        let ends = (
            list_params::id(follow.edge.from()),
            list_params::id(follow.edge.to()),
        );
        json!([
            ends.0,
            ends.1,
            follow.follower_counted,
            follow.target_counted
        ])
    });
    let columns = [
        ("a", ColumnType::Id),
        ("b", ColumnType::Id),
        ("follower_counted", ColumnType::Flag),
        ("target_counted", ColumnType::Flag),
    ];
    let table = list_params::row_table(tx, &columns);
    let sql = FOLLOW.replace("{list}", &table);
    let values = [list_params::row_list(rows), at.as_utc().into()];
    let written = raw_sql::query(tx, sql, values).await?;
    written.iter().map(to_edge).collect()
}

/// Deletes a follow, and returns the deleted row if it existed.
pub(super) async fn unfollow(
    tx: &impl ConnectionTrait,
    edge: Edge,
) -> Result<Option<CountedEdge>, OperationError> {
    let rows = raw_sql::query(tx, UNFOLLOW, ends(edge)).await?;
    let removed = rows.first().map(|row| {
        Ok(CountedEdge {
            edge,
            follower_counted: row.try_get("", "follower_counted")?,
            target_counted: row.try_get("", "target_counted")?,
        })
    });
    removed.transpose()
}

/// Applies events to `follows` and `blocks`, in an order that prevents deadlocks, and returns the changes of the
/// counts. Removes events whose change a concurrent transaction has made already. A block is stored with `name`.
pub(super) async fn write(
    tx: &impl ConnectionTrait,
    events: &mut Vec<RelationshipEvent>,
    follows: &[CountedEdge],
    name: Option<&str>,
) -> Result<Deltas, OperationError> {
    let mut ordered: Vec<&RelationshipEvent> = events.iter().collect();
    ordered.sort_by_key(|event| event.edge);
    let mut deltas = Deltas::default();
    let mut applied = Vec::new();
    for event in ordered {
        let edge = event.edge;
        let has_changed = match event.kind {
            RelationshipEventKind::Followed => {
                let written = follow(tx, follows, event.at).await?;
                for follow in follows {
                    deltas.add_edge(*follow, i64::from(written.contains(&follow.edge)));
                }
                !written.is_empty()
            }
            RelationshipEventKind::Unfollowed => {
                let removed = unfollow(tx, edge).await?;
                if let Some(removed) = removed {
                    deltas.add_edge(removed, -1);
                }
                removed.is_some()
            }
            RelationshipEventKind::Blocked => {
                let [from, to] = ends(edge);
                let at = event.at.as_utc().into();
                let values = [from, to, at, name.into()];
                let blocked = raw_sql::execute(tx, BLOCK, values).await?;
                blocked.rows_affected() > 0
            }
            RelationshipEventKind::Unblocked => {
                let unblocked = raw_sql::execute(tx, UNBLOCK, ends(edge)).await?;
                unblocked.rows_affected() > 0
            }
        };
        if has_changed {
            applied.push(event.id);
        }
    }
    events.retain(|event| applied.contains(&event.id));
    Ok(deltas)
}

/// Whether a user blocks any other user.
pub(super) async fn has_blocks(
    tx: &impl ConnectionTrait,
    user: UserId,
) -> Result<bool, OperationError> {
    let found = raw_sql::query(tx, HAS_BLOCKS, [user.as_uuid().into()]).await?;
    Ok(!found.is_empty())
}

fn ends(edge: Edge) -> [sea_orm::Value; 2] {
    [edge.from().as_uuid().into(), edge.to().as_uuid().into()]
}

fn to_edge(row: &QueryResult) -> Result<Edge, OperationError> {
    let end = |column: &str| row.try_get("", column).map(UserId::from_uuid);
    let edge = Edge::between(end("follower_id")?, end("target_id")?);
    Ok(edge.ok_or_else(|| {
        StoreError::Internal("a stored follow has the same user twice".to_owned())
    })?)
}

const FOLLOW: &str = "
    INSERT INTO follows (follower_id, target_id, created_at, follower_counted, target_counted)
    SELECT g.a, g.b, $2, g.follower_counted, g.target_counted FROM {list} WHERE true ORDER BY g.a, g.b
    ON CONFLICT (follower_id, target_id) DO NOTHING
    RETURNING follower_id, target_id";

const UNFOLLOW: &str = "
    DELETE FROM follows WHERE follower_id = $1 AND target_id = $2
    RETURNING follower_counted, target_counted";

const BLOCK: &str = "
    INSERT INTO blocks (blocker_id, target_id, created_at, target_username) VALUES ($1, $2, $3, $4)
    ON CONFLICT (blocker_id, target_id) DO NOTHING";

const UNBLOCK: &str = "DELETE FROM blocks WHERE blocker_id = $1 AND target_id = $2";

const HAS_BLOCKS: &str = "
    SELECT 1 AS found FROM blocks AS b WHERE b.blocker_id = $1 ORDER BY b.created_at LIMIT 1";
