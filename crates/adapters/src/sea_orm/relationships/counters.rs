//! Adds to the counts of users.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseBackend};
use serde_json::json;
use user_domain::relationship::Edge;
use user_domain::values::UserId;
use user_domain::write::WriteError;

use crate::sea_orm::errors;
use crate::sea_orm::given::{self, Kind};

/// What is to be added to the counts of users, in the order of their ids: followers, and those followed.
#[derive(Debug, Default)]
pub(super) struct Deltas(BTreeMap<UserId, (i64, i64)>);

/// A follow, and whom the counts of its ends have.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountedEdge {
    pub(super) edge: Edge,
    /// The follower is one of the other's followers.
    pub(super) follower_counted: bool,
    /// The other is one of those whom the follower follows.
    pub(super) target_counted: bool,
}

impl Deltas {
    /// Counts so many followers more.
    pub(super) fn add_followers(&mut self, user: UserId, more: i64) {
        self.0.entry(user).or_default().0 += more;
    }

    /// Counts so many followed more.
    pub(super) fn add_following(&mut self, user: UserId, more: i64) {
        self.0.entry(user).or_default().1 += more;
    }

    /// Counts a follow, by 1, or no more, by -1.
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

/// Adds to the counts of a few users, each in a part that nobody else is at: a thousand who follow one user at once do not
/// wait for each other.
pub(super) async fn add_each(tx: &impl ConnectionTrait, deltas: &Deltas) -> Result<(), WriteError> {
    if tx.get_database_backend() != DatabaseBackend::Postgres {
        return add_all(tx, deltas).await;
    }
    for (user, followers, following) in deltas.changes() {
        let values = || {
            let user = user.as_uuid().into();
            [user, followers.into(), following.into()]
        };
        for sql in [ADD_TO_FREE_PART, ADD_TO_OTHER_PART] {
            let added = given::execute(tx, sql, values()).await;
            let added = added.map_err(|error| errors::write(&error))?;
            if added.rows_affected() > 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Adds to the counts of many users by one statement, each in its first part, in the order of their ids.
pub(super) async fn add_all(tx: &impl ConnectionTrait, deltas: &Deltas) -> Result<(), WriteError> {
    let rows: Vec<_> = deltas
        .changes()
        .map(|(user, followers, following)| json!([given::id(user), followers, following]))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [
        ("id", Kind::Id),
        ("followers", Kind::Number),
        ("following", Kind::Number),
    ];
    let table = given::table(tx.get_database_backend(), &columns);
    let sql = ADD_ALL.replace("{given}", &table);
    given::execute(tx, sql, [given::rows(rows)])
        .await
        .map_err(|error| errors::write(&error))?;
    Ok(())
}

const ADD_TO_FREE_PART: &str = "
    UPDATE follow_counts SET followers = followers + $2, following = following + $3
    WHERE user_id = $1 AND part = (
        SELECT part FROM follow_counts WHERE user_id = $1 ORDER BY part LIMIT 1 FOR UPDATE SKIP LOCKED
    )";

/// A user has sixteen parts at most. Those who found none free take any, so that they do not all wait for the same.
const ADD_TO_OTHER_PART: &str = "
    INSERT INTO follow_counts (user_id, part, followers, following, repairs)
    SELECT $1, CASE WHEN count(*) = 0 THEN 0 ELSE 1 + floor(random() * 15)::bigint END, $2, $3, 0
    FROM follow_counts WHERE user_id = $1
    ON CONFLICT (user_id, part) DO UPDATE SET
        followers = follow_counts.followers + excluded.followers,
        following = follow_counts.following + excluded.following";

const ADD_ALL: &str = "
    INSERT INTO follow_counts (user_id, part, followers, following, repairs)
    SELECT g.id, 0, g.followers, g.following, 0 FROM {given} WHERE true ORDER BY g.id
    ON CONFLICT (user_id, part) DO UPDATE SET
        followers = follow_counts.followers + excluded.followers,
        following = follow_counts.following + excluded.following";
