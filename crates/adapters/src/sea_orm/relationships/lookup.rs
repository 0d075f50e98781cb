//! Reads the state on which a change of relationships depends.

use sea_orm::{ConnectionTrait, QueryResult};
use user_domain::StoreError;
use user_domain::relationship::{Edge, LockedRelationships, RelationshipWrite};
use user_domain::values::UserId;

use crate::sea_orm::errors::OperationError;
use crate::sea_orm::{list_params, raw_sql, row};

/// Reads the users of these edges and their relationships, with one statement.
pub(super) async fn load(
    tx: &impl ConnectionTrait,
    edges: &[Edge],
) -> Result<LockedRelationships, OperationError> {
    let sql = LOAD.replace("{list}", &list_params::edge_table(tx));
    let rows = raw_sql::query(tx, sql, [list_params::edge_list(edges.iter().copied())]).await?;
    let mut locked = LockedRelationships::default();
    for row in rows {
        let place: i64 = row.try_get("", "place")?;
        let edge = usize::try_from(place).ok().and_then(|at| edges.get(at));
        let edge = *edge.ok_or_else(|| {
            StoreError::Internal("the query returned a row for an unknown edge".to_owned())
        })?;
        read(&mut locked, edge, &row)?;
    }
    Ok(locked)
}

/// Reads what only a block needs: the name of the blocked user, and the number of blocks of the blocker. One statement
/// serves for all users.
pub(super) async fn load_for_block(
    tx: &impl ConnectionTrait,
    edge: Edge,
    locked: &mut LockedRelationships,
) -> Result<(), OperationError> {
    let max_blocks = i64::try_from(RelationshipWrite::MAX_BLOCKS).unwrap_or(i64::MAX);
    let values = [
        edge.from().as_uuid().into(),
        edge.to().as_uuid().into(),
        max_blocks.into(),
    ];
    let rows = raw_sql::query(tx, LOAD_FOR_BLOCK, values).await?;
    for row in rows {
        let name: Option<String> = row.try_get("", "name")?;
        if let Some(name) = name {
            locked.names.insert(edge.to(), name);
        }
        let blocks: i64 = row.try_get("", "blocks")?;
        let blocks = u64::try_from(blocks).unwrap_or_default();
        locked.block_counts.insert(edge.from(), blocks);
    }
    Ok(())
}

fn read(
    locked: &mut LockedRelationships,
    edge: Edge,
    row: &QueryResult,
) -> Result<(), OperationError> {
    let ends: [(&str, UserId); 2] = [("a_status", edge.from()), ("b_status", edge.to())];
    for (column, user) in ends {
        let status: Option<String> = row.try_get("", column)?;
        if let Some(status) = status {
            locked.statuses.insert(user, row::to_status(user, &status)?);
        }
    }
    let holds = |column: &str| row.try_get::<bool>("", column);
    for (column, edge) in [("follows", edge), ("followed", edge.reversed())] {
        if holds(column)? {
            locked.follows.insert(edge);
        }
    }
    for (column, edge) in [("blocks", edge), ("blocked", edge.reversed())] {
        if holds(column)? {
            locked.blocks.insert(edge);
        }
    }
    Ok(())
}

/// `ORDER BY` makes PostgreSQL read the blocks from the index, even with the statistics of a table that was empty.
const LOAD_FOR_BLOCK: &str = "
    SELECT (SELECT u.username FROM users AS u WHERE u.id = $2) AS name,
        (SELECT count(*) FROM (
            SELECT 1 FROM blocks AS b WHERE b.blocker_id = $1 ORDER BY b.created_at LIMIT $3
        ) AS found) AS blocks";

/// Subqueries by key per row: a plan that was made for empty tables is also right for full ones.
const LOAD: &str = "
    SELECT g.place,
        (SELECT CASE WHEN u.deleted_at IS NULL THEN u.standing ELSE 'deleted' END FROM users AS u WHERE u.id = g.a) AS a_status,
        (SELECT CASE WHEN u.deleted_at IS NULL THEN u.standing ELSE 'deleted' END FROM users AS u WHERE u.id = g.b) AS b_status,
        (SELECT 1 FROM follows AS f WHERE f.follower_id = g.a AND f.target_id = g.b) IS NOT NULL AS follows,
        (SELECT 1 FROM follows AS f WHERE f.follower_id = g.b AND f.target_id = g.a) IS NOT NULL AS followed,
        (SELECT 1 FROM blocks AS b WHERE b.blocker_id = g.a AND b.target_id = g.b) IS NOT NULL AS blocks,
        (SELECT 1 FROM blocks AS b WHERE b.blocker_id = g.b AND b.target_id = g.a) IS NOT NULL AS blocked
    FROM {list}";
