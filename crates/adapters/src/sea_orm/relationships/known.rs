//! Gathers what a change of relationships is decided by.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use user_domain::StoreError;
use user_domain::relationship::{Edge, Known};
use user_domain::values::UserId;
use user_domain::write::WriteError;

use crate::sea_orm::{errors, given, row};

/// Finds who the ends of some edges are and what they are to each other, by one statement.
pub(super) async fn gather(tx: &impl ConnectionTrait, edges: &[Edge]) -> Result<Known, WriteError> {
    let sql = GATHER.replace("{given}", &given::edges(tx.get_database_backend()));
    let rows = given::query(tx, sql, [given::of_edges(edges.iter().copied())])
        .await
        .map_err(|error| errors::write(&error))?;
    let mut known = Known::default();
    for row in rows {
        let broken = |error: DbErr| StoreError::Internal(error.to_string());
        let place: i64 = row.try_get("", "place").map_err(broken)?;
        let edge = usize::try_from(place).ok().and_then(|at| edges.get(at));
        let edge = *edge.ok_or_else(|| StoreError::Internal("an edge too many".to_owned()))?;
        read(&mut known, edge, &row)?;
    }
    Ok(known)
}

fn read(known: &mut Known, edge: Edge, row: &QueryResult) -> Result<(), StoreError> {
    let broken = |error: DbErr| StoreError::Internal(error.to_string());
    let ends: [(&str, UserId); 2] = [("a_status", edge.from()), ("b_status", edge.to())];
    for (column, user) in ends {
        let status: Option<String> = row.try_get("", column).map_err(broken)?;
        if let Some(status) = status {
            known.statuses.insert(user, row::to_status(user, &status)?);
        }
    }
    let holds = |column: &str| row.try_get::<bool>("", column).map_err(broken);
    for (column, edge) in [("follows", edge), ("followed", edge.reversed())] {
        if holds(column)? {
            known.follows.insert(edge);
        }
    }
    for (column, edge) in [("blocks", edge), ("blocked", edge.reversed())] {
        if holds(column)? {
            known.blocks.insert(edge);
        }
    }
    Ok(())
}

/// Asked row by row, each by its key: a plan made for tables that were empty is right for full ones.
const GATHER: &str = "
    SELECT g.place,
        (SELECT CASE WHEN u.deleted_at IS NULL THEN u.standing ELSE 'deleted' END FROM users AS u WHERE u.id = g.a) AS a_status,
        (SELECT CASE WHEN u.deleted_at IS NULL THEN u.standing ELSE 'deleted' END FROM users AS u WHERE u.id = g.b) AS b_status,
        (SELECT 1 FROM follows AS f WHERE f.follower_id = g.a AND f.target_id = g.b) IS NOT NULL AS follows,
        (SELECT 1 FROM follows AS f WHERE f.follower_id = g.b AND f.target_id = g.a) IS NOT NULL AS followed,
        (SELECT 1 FROM blocks AS b WHERE b.blocker_id = g.a AND b.target_id = g.b) IS NOT NULL AS blocks,
        (SELECT 1 FROM blocks AS b WHERE b.blocker_id = g.b AND b.target_id = g.a) IS NOT NULL AS blocked
    FROM {given}";
