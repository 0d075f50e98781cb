//! Writes follows and blocks, and tells what was really written.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde_json::json;
use user_domain::StoreError;
use user_domain::relationship::{Edge, RelationshipEvent, RelationshipEventKind};
use user_domain::values::{Timestamp, UserId};
use user_domain::write::WriteError;
use uuid::Uuid;

use super::counters::{CountedEdge, Deltas};
use crate::sea_orm::errors;
use crate::sea_orm::given::{self, Kind};

/// Writes follows that are not there yet, in the order of their ends; gives those that it wrote.
pub(super) async fn follow(
    tx: &impl ConnectionTrait,
    follows: &[CountedEdge],
    at: Timestamp,
) -> Result<BTreeSet<Edge>, WriteError> {
    let rows = follows.iter().map(|follow| {
        let ends = (given::id(follow.edge.from()), given::id(follow.edge.to()));
        json!([
            ends.0,
            ends.1,
            follow.follower_counted,
            follow.target_counted
        ])
    });
    let columns = [
        ("a", Kind::Id),
        ("b", Kind::Id),
        ("follower_counted", Kind::Flag),
        ("target_counted", Kind::Flag),
    ];
    let table = given::table(tx.get_database_backend(), &columns);
    let sql = FOLLOW.replace("{given}", &table);
    let written = given::query(tx, sql, [given::rows(rows), at.as_utc().into()]).await;
    let written = written.map_err(|error| errors::write(&error))?;
    Ok(written
        .iter()
        .map(to_edge)
        .collect::<Result<_, StoreError>>()?)
}

/// Removes a follow, and gives what it was if it was there.
pub(super) async fn unfollow(
    tx: &impl ConnectionTrait,
    edge: Edge,
) -> Result<Option<CountedEdge>, WriteError> {
    let rows = given::query(tx, UNFOLLOW, ends(edge)).await;
    let rows = rows.map_err(|error| errors::write(&error))?;
    let removed = rows.first().map(|row| -> Result<_, DbErr> {
        Ok(CountedEdge {
            edge,
            follower_counted: row.try_get("", "follower_counted")?,
            target_counted: row.try_get("", "target_counted")?,
        })
    });
    let removed = removed.transpose();
    removed.map_err(|error| errors::write(&error))
}

/// Writes what single events say, in an order that no other transaction meets the other way, and gives what the counts gain by
/// it; leaves out the events of what another transaction has done before.
pub(super) async fn write(
    tx: &impl ConnectionTrait,
    events: &mut Vec<RelationshipEvent>,
    follows: &[CountedEdge],
) -> Result<Deltas, WriteError> {
    let mut ordered: Vec<&RelationshipEvent> = events.iter().collect();
    ordered.sort_by_key(|event| event.edge);
    let mut deltas = Deltas::default();
    let mut done = Vec::new();
    for event in ordered {
        let edge = event.edge;
        let is_done = match event.kind {
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
                let blocked = given::execute(tx, BLOCK, [from, to, at]).await;
                let blocked = blocked.map_err(|error| errors::write(&error))?;
                blocked.rows_affected() > 0
            }
            RelationshipEventKind::Unblocked => {
                let unblocked = given::execute(tx, UNBLOCK, ends(edge)).await;
                let unblocked = unblocked.map_err(|error| errors::write(&error))?;
                unblocked.rows_affected() > 0
            }
        };
        if is_done {
            done.push(event.id);
        }
    }
    events.retain(|event| done.contains(&event.id));
    Ok(deltas)
}

/// Tells whether a user blocks anybody who is still there.
pub(super) async fn has_blocks(
    tx: &impl ConnectionTrait,
    user: UserId,
) -> Result<bool, WriteError> {
    let found = given::query(tx, HAS_BLOCKS, [user.as_uuid().into()]).await;
    let found = found.map_err(|error| errors::write(&error))?;
    Ok(!found.is_empty())
}

fn ends(edge: Edge) -> [sea_orm::Value; 2] {
    [edge.from().as_uuid().into(), edge.to().as_uuid().into()]
}

fn to_edge(row: &QueryResult) -> Result<Edge, StoreError> {
    let end = |column: &str| -> Result<UserId, StoreError> {
        let id: Result<Uuid, DbErr> = row.try_get("", column);
        id.map(UserId::from_uuid)
            .map_err(|error| errors::store(&error))
    };
    Edge::between(end("follower_id")?, end("target_id")?)
        .ok_or_else(|| StoreError::Internal("a user follows itself".to_owned()))
}

const FOLLOW: &str = "
    INSERT INTO follows (follower_id, target_id, created_at, follower_counted, target_counted)
    SELECT g.a, g.b, $2, g.follower_counted, g.target_counted FROM {given} WHERE true ORDER BY g.a, g.b
    ON CONFLICT (follower_id, target_id) DO NOTHING
    RETURNING follower_id, target_id";

const UNFOLLOW: &str = "
    DELETE FROM follows WHERE follower_id = $1 AND target_id = $2
    RETURNING follower_counted, target_counted";

const BLOCK: &str = "
    INSERT INTO blocks (blocker_id, target_id, created_at) VALUES ($1, $2, $3)
    ON CONFLICT (blocker_id, target_id) DO NOTHING";

const UNBLOCK: &str = "DELETE FROM blocks WHERE blocker_id = $1 AND target_id = $2";

const HAS_BLOCKS: &str = "
    SELECT 1 AS found FROM blocks AS b
    WHERE b.blocker_id = $1 AND (SELECT 1 FROM users AS u WHERE u.id = b.target_id) IS NOT NULL
    ORDER BY b.created_at LIMIT 1";
