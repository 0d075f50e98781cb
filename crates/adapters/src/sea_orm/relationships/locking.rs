//! Locks that keep follow counts consistent with relationships and with the status of users.
//!
//! A user that is deleted, suspended or restored may follow a million others. Its status change therefore updates no
//! counts: it inserts one row into `unsettled_users`. Readers correct their counts by these rows, and
//! [`pending_counts`](super::pending_counts) applies the corrections later.
//!
//! # Locks
//!
//! On PostgreSQL, a follow and a status change of one of its users must not run concurrently. The follow would be
//! stored as counted by an outdated status, and would never be corrected: the status change found no follow to correct.
//! The same holds for a follow and a block. Users share 128 advisory locks, their *stripes*, so that the lock table
//! stays small:
//!
//! - a follow takes the stripes of both users shared, before it reads anything;
//! - a block or unblock takes the stripe of the blocker exclusive and that of the other user shared;
//! - a status change takes the stripe of its user exclusive.
//!
//! Every transaction locks in this order, which prevents deadlocks: the record of an idempotency key, rows of `users`
//! by id, the list of erasure consumers, stripes by number and in one statement, rows of `unsettled_users` by id, follows and blocks, parts of
//! `follow_counts` by user. Locks of one kind have an order too:
//!
//! - Follows: a batch writes them ordered by their users. So does a block, which ends at most two. One step of
//!   [`pending_counts`](super::pending_counts) locks either the followers of a user or the users that it follows. It
//!   therefore has at most one row in common with a block, or with a step for another user. A second step for the same
//!   user skips its row.
//! - Counts: at most one part of each user, ordered by user id. A transaction that waits for a part of one user holds
//!   no part of that user or of a later one.
//!
//! An unfollow needs no stripe: it subtracts what the deleted row records as counted. SQLite has a single writer and
//! needs none of these locks.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;
use serde_json::json;
use sha2::{Digest, Sha256};
use user_domain::user::User;
use user_domain::values::{Timestamp, UserId};

use crate::guards::Guard;
use crate::sea_orm::connection::Transaction;
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::list_params::{self, ColumnType};
use crate::sea_orm::raw_sql;

/// The first key of our advisory locks, which separates them from those of other applications.
pub(in crate::sea_orm) const NAMESPACE: i32 = 0x7573_6572;
/// The key of the lock of the list of erasure consumers. It is greater than every stripe.
pub(in crate::sea_orm) const ERASURE_CONSUMERS: i32 = 1 << 16;
const STRIPES: i32 = 128;
/// The most blocks from which an erasure removes the user's name in its own transaction.
const MAX_NAMES_CLEARED_AT_ONCE: i64 = 500;

/// The SQL condition for [`Status::is_counted`](user_domain::user::Status::is_counted) on a row `u` of `users`.
pub(in crate::sea_orm) const IS_COUNTED: &str = "u.deleted_at IS NULL AND u.standing = 'active'";

/// The mode in which an advisory lock is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sea_orm) enum LockMode {
    /// Together with other shared locks.
    Shared,
    /// Without any other lock.
    Exclusive,
}

/// Whether a user appears in follow counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sea_orm) enum CountState {
    /// The user is counted.
    Counted,
    /// The user exists but is not counted.
    Uncounted,
    /// The user no longer exists.
    Erased,
}

impl CountState {
    /// Returns the status of a user that exists.
    pub(in crate::sea_orm) fn of(user: &User) -> Self {
        if user.status().is_counted() {
            Self::Counted
        } else {
            Self::Uncounted
        }
    }
}

/// Locks the stripes of users until the transaction ends.
pub(in crate::sea_orm) async fn lock_stripes(
    tx: &Transaction,
    locks: impl IntoIterator<Item = (UserId, LockMode)>,
) -> Result<(), OperationError> {
    let is_needed = Dialect::of(tx).has_concurrent_writers();
    if !is_needed || !tx.is_guarded(Guard::RelationshipLock) {
        return Ok(());
    }
    let mut stripes = BTreeMap::new();
    for (user, mode) in locks {
        let entry = stripes.entry(stripe(user)).or_insert(mode);
        *entry = mode.max(*entry);
    }
    let stripes = stripes.into_iter().map(|(stripe, mode)| match mode {
        LockMode::Shared => stripe,
        LockMode::Exclusive => -stripe,
    });
    let values = [NAMESPACE.into(), list_params::number_array(stripes)];
    raw_sql::query(tx, LOCK_STRIPES, values).await?;
    Ok(())
}

/// Records status changes of users in `unsettled_users`, after locking their stripes. The transaction must hold no
/// stripe yet.
pub(in crate::sea_orm) async fn record_status_changes(
    tx: &Transaction,
    changes: &[(UserId, CountState)],
    at: Timestamp,
) -> Result<(), OperationError> {
    if changes.is_empty() {
        return Ok(());
    }
    let users = changes.iter().map(|(user, _)| (*user, LockMode::Exclusive));
    lock_stripes(tx, users).await?;
    let rows = changes.iter().map(|(user, status)| {
        let is_counted = *status == CountState::Counted;
        let is_erased = *status == CountState::Erased;
        json!([list_params::id(*user), is_counted, is_erased])
    });
    let columns = [
        ("id", ColumnType::Id),
        ("is_counted", ColumnType::Flag),
        ("is_erased", ColumnType::Flag),
    ];
    let table = list_params::row_table(tx, &columns);
    let sql = RECORD_STATUS_CHANGES.replace("{list}", &table);
    raw_sql::execute(tx, sql, [list_params::row_list(rows), at.as_utc().into()]).await?;
    for (user, status) in changes {
        if *status == CountState::Erased {
            clear_name_in_blocks(tx, *user).await?;
        }
    }
    Ok(())
}

/// Removes the name of an erased user from up to [`MAX_NAMES_CLEARED_AT_ONCE`] blocks. Other blocks, and those that
/// another transaction has locked, are left to [`pending_counts`](super::pending_counts).
async fn clear_name_in_blocks(
    tx: &impl ConnectionTrait,
    user: UserId,
) -> Result<(), OperationError> {
    let sql = Dialect::of(tx).choose(CLEAR_NAME_ON_POSTGRES, CLEAR_NAME_ON_SQLITE);
    let values = [user.as_uuid().into(), MAX_NAMES_CLEARED_AT_ONCE.into()];
    raw_sql::execute(tx, sql, values).await?;
    Ok(())
}

/// Returns the stripe of a user, from 1, the same on every replica.
fn stripe(user: UserId) -> i32 {
    let digest = Sha256::digest(user.as_uuid());
    let number = digest.iter().take(2);
    let number = number.fold(0, |number, byte| number << 8 | i32::from(*byte));
    number % STRIPES + 1
}

/// A negative number is a stripe that is locked exclusively.
const LOCK_STRIPES: &str = "
    SELECT count(CASE WHEN stripe < 0 THEN pg_advisory_xact_lock($1, -stripe)::text
        ELSE pg_advisory_xact_lock_shared($1, stripe)::text END)
    FROM unnest(string_to_array($2, ',')::integer[]) AS stripe";

/// Skips users without relationships, unless they have a row already, which would be wrong from now on. An erased user
/// stays erased. `ORDER BY` makes PostgreSQL use the indexes, even with the statistics of a table that was empty.
const RECORD_STATUS_CHANGES: &str = "
    INSERT INTO unsettled_users (user_id, is_counted, is_erased, since, stage)
    SELECT g.id, g.is_counted, g.is_erased, $2, 0 FROM {list}
    WHERE (SELECT 1 FROM follows AS f WHERE f.follower_id = g.id ORDER BY f.created_at LIMIT 1) IS NOT NULL
        OR (SELECT 1 FROM follows AS f WHERE f.target_id = g.id ORDER BY f.created_at LIMIT 1) IS NOT NULL
        OR (SELECT 1 FROM unsettled_users AS s WHERE s.user_id = g.id) IS NOT NULL
        OR g.is_erased AND (
            (SELECT 1 FROM blocks AS b WHERE b.blocker_id = g.id ORDER BY b.created_at LIMIT 1) IS NOT NULL
            OR (SELECT 1 FROM blocks AS b WHERE b.target_id = g.id ORDER BY b.blocker_id LIMIT 1) IS NOT NULL
            OR (SELECT 1 FROM follow_counts AS c WHERE c.user_id = g.id ORDER BY c.part LIMIT 1) IS NOT NULL
        )
    ORDER BY g.id
    ON CONFLICT (user_id) DO UPDATE SET
        is_counted = excluded.is_counted AND NOT unsettled_users.is_erased,
        is_erased = unsettled_users.is_erased OR excluded.is_erased,
        stage = 0, place_at = NULL, place_id = NULL";

/// `ARRAY` makes PostgreSQL run the inner query exactly once and fetch the rows by `ctid`. `ORDER BY` makes it use an
/// index, even with the statistics of a table that was empty.
const CLEAR_NAME_ON_POSTGRES: &str = "
    UPDATE blocks SET target_username = NULL WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM blocks WHERE target_id = $1 AND target_username IS NOT NULL
        ORDER BY blocker_id LIMIT $2 FOR UPDATE SKIP LOCKED
    ))";

const CLEAR_NAME_ON_SQLITE: &str = "
    UPDATE blocks SET target_username = NULL WHERE rowid IN (
        SELECT rowid FROM blocks WHERE target_id = $1 AND target_username IS NOT NULL
        ORDER BY blocker_id LIMIT $2
    )";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn ids_of_any_pattern_use_all_stripes() {
        let stripes = |id: fn(u128) -> u128| -> BTreeSet<i32> {
            let users = (0..10_000).map(|n| UserId::from_uuid(Uuid::from_u128(id(n))));
            users.map(stripe).collect()
        };
        let all: BTreeSet<i32> = (1..=STRIPES).collect();
        assert_eq!(stripes(|n| n), all);
        assert_eq!(stripes(|n| n << 100), all);
    }
}
