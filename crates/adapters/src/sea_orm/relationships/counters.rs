//! Updates the stored follow counts.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;
use serde_json::json;
use user_domain::relationship::Edge;
use user_domain::values::UserId;

use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::list_params::{self, ColumnType};
use crate::sea_orm::raw_sql;

/// The changes of the counts of users, ordered by id: followers and following.
#[derive(Debug, Default)]
pub(super) struct Deltas(BTreeMap<UserId, (i64, i64)>);

/// A follow, with the counts that include it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountedEdge {
    pub(super) edge: Edge,
    /// Whether the followers of the target include the follower.
    pub(super) follower_counted: bool,
    /// Whether the following count of the follower includes the target.
    pub(super) target_counted: bool,
}

impl Deltas {
    /// Adds to the followers of a user.
    pub(super) fn add_followers(&mut self, user: UserId, change: i64) {
        self.0.entry(user).or_default().0 += change;
    }

    /// Adds to the following count of a user.
    pub(super) fn add_following(&mut self, user: UserId, change: i64) {
        self.0.entry(user).or_default().1 += change;
    }

    /// Adds a follow (1) to the counts of both users, or removes it (-1).
    pub(super) fn add_edge(&mut self, counted: CountedEdge, by: i64) {
        if counted.follower_counted {
            self.add_followers(counted.edge.to(), by);
        }
        if counted.target_counted {
            self.add_following(counted.edge.from(), by);
        }
    }

    fn changes(&self) -> impl Iterator<Item = (UserId, i64, i64)> {
        let changes = self.0.iter();
        changes
            .map(|(user, (followers, following))| (*user, *followers, *following))
            .filter(|(_, followers, following)| (*followers, *following) != (0, 0))
    }
}

/// Updates the counts of a few users, each in a part that no other transaction has locked. A thousand concurrent
/// follows of one user therefore do not wait for each other.
pub(super) async fn add_each(
    tx: &impl ConnectionTrait,
    deltas: &Deltas,
) -> Result<(), OperationError> {
    if !Dialect::of(tx).has_concurrent_writers() {
        return add_all(tx, deltas).await;
    }
    for (user, followers, following) in deltas.changes() {
        let values = || {
            let user = user.as_uuid().into();
            [user, followers.into(), following.into()]
        };
        for sql in [ADD_TO_FREE_PART, ADD_TO_OTHER_PART] {
            let added = raw_sql::execute(tx, sql, values()).await?;
            if added.rows_affected() > 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Updates the counts of many users with one statement, each in its first part, ordered by id.
pub(super) async fn add_all(
    tx: &impl ConnectionTrait,
    deltas: &Deltas,
) -> Result<(), OperationError> {
    let rows: Vec<_> = deltas
        .changes()
        .map(|(user, followers, following)| json!([list_params::id(user), followers, following]))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [
        ("id", ColumnType::Id),
        ("followers", ColumnType::Number),
        ("following", ColumnType::Number),
    ];
    let table = list_params::row_table(tx, &columns);
    let sql = ADD_ALL.replace("{list}", &table);
    raw_sql::execute(tx, sql, [list_params::row_list(rows)]).await?;
    Ok(())
}

const ADD_TO_FREE_PART: &str = "
    UPDATE follow_counts SET followers = followers + $2, following = following + $3
    WHERE user_id = $1 AND part = (
        SELECT part FROM follow_counts WHERE user_id = $1 ORDER BY part LIMIT 1 FOR UPDATE SKIP LOCKED
    )";

/// A user has at most 16 parts. If none is free, a random one is used, so that not all transactions wait for the same
/// part.
const ADD_TO_OTHER_PART: &str = "
    INSERT INTO follow_counts (user_id, part, followers, following, repairs)
    SELECT $1, CASE WHEN count(*) = 0 THEN 0 ELSE 1 + floor(random() * 15)::bigint END, $2, $3, 0
    FROM follow_counts WHERE user_id = $1
    ON CONFLICT (user_id, part) DO UPDATE SET
        followers = follow_counts.followers + excluded.followers,
        following = follow_counts.following + excluded.following";

const ADD_ALL: &str = "
    INSERT INTO follow_counts (user_id, part, followers, following, repairs)
    SELECT g.id, 0, g.followers, g.following, 0 FROM {list} WHERE true ORDER BY g.id
    ON CONFLICT (user_id, part) DO UPDATE SET
        followers = follow_counts.followers + excluded.followers,
        following = follow_counts.following + excluded.following";
