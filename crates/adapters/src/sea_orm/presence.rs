//! Who is counted among those who follow others and are followed, and what keeps that and its relationships in step.
//!
//! Whoever comes or goes may be one of a million followers of others, so that nothing is counted anew when it does: one row
//! in `unsettled_users` says so, by which whoever reads corrects what was counted, and `settle` works the corrections in.
//!
//! # Locks
//!
//! On PostgreSQL, a follow and the presence of its ends must not change at once: the follow would be written down as
//! counted by a status that is over, and nobody would ever correct it, since whoever left had nothing to settle when it
//! left. The same holds for a follow and a block. Users have *stripes* for that, one of 128 each, so that the table of
//! locks stays small whatever is followed:
//!
//! - who begins to follow shares the stripes of both ends, before it reads anything;
//! - who blocks, or ceases to, has its own stripe for itself, and shares the other's;
//! - whoever comes or goes has its own stripe for itself.
//!
//! Every transaction takes what it needs of these in this order: the record of an idempotency key, rows of `users` by id,
//! stripes by number and all by one statement, rows of `unsettled_users` by id, follows and blocks, parts of
//! `follow_counts` by user. So none waits for one that waits for it, where what is of one kind has an order of its own too:
//!
//! - follows: a batch writes them in the order of their ends, and so does a block, which ends two at most. One step of
//!   settling has either what a user follows or what follows it, and so shares one row at most with a block or
//!   with the settling of another user; where two settle the same user, the second passes its row over.
//! - counts: one part at most of each user, users in the order of their ids. Who waits for a part of one user holds none of
//!   that user, and none of a later one.
//!
//! Who ceases to follow needs no stripe: it takes back what the row that it removes says was counted. SQLite has one
//! writer, and needs none of this.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseBackend};
use serde_json::json;
use sha2::{Digest, Sha256};
use user_domain::user::User;
use user_domain::values::{Timestamp, UserId};
use user_domain::write::WriteError;

use super::errors;
use super::given::{self, Kind};
use crate::guards::{Guard, Guards};

/// What sets our locks of two numbers apart from those of others.
const NAMESPACE: i32 = 0x7573_6572;
const STRIPES: i32 = 128;

/// What it means to be counted, as [`Status::is_counted`](user_domain::user::Status::is_counted) has it, of a row `u` of
/// users.
pub(super) const IS_COUNTED: &str = "u.deleted_at IS NULL AND u.standing = 'active'";

/// How a stripe is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hold {
    /// Together with others who share it.
    Shared,
    /// Alone.
    Alone,
}

/// What a user has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// One who is counted.
    Counted,
    /// One who is not.
    Uncounted,
    /// Nobody any more.
    Erased,
}

impl Presence {
    /// Tells what a user is.
    pub(super) fn of(user: &User) -> Self {
        if user.status().is_counted() {
            Self::Counted
        } else {
            Self::Uncounted
        }
    }
}

/// Waits for the stripes of users; they are held until the transaction ends.
pub(super) async fn hold(
    tx: &impl ConnectionTrait,
    guards: Guards,
    wanted: impl IntoIterator<Item = (UserId, Hold)>,
) -> Result<(), WriteError> {
    let is_needed = tx.get_database_backend() == DatabaseBackend::Postgres;
    if !is_needed || !guards.stands(Guard::PresenceLock) {
        return Ok(());
    }
    let mut stripes = BTreeMap::new();
    for (user, hold) in wanted {
        let held = stripes.entry(stripe(user)).or_insert(hold);
        *held = hold.max(*held);
    }
    let stripes = stripes.into_iter().map(|(stripe, hold)| match hold {
        Hold::Shared => stripe.to_string(),
        Hold::Alone => format!("-{stripe}"),
    });
    let stripes: Vec<String> = stripes.collect();
    given::query(tx, HOLD, [NAMESPACE.into(), stripes.join(",").into()])
        .await
        .map_err(|error| errors::write(&error))?;
    Ok(())
}

/// Notes who has come or gone, while nobody else changes these users, their stripes free until now.
pub(super) async fn change(
    tx: &impl ConnectionTrait,
    guards: Guards,
    changes: &[(UserId, Presence)],
    at: Timestamp,
) -> Result<(), WriteError> {
    if changes.is_empty() {
        return Ok(());
    }
    let users = changes.iter().map(|(user, _)| (*user, Hold::Alone));
    hold(tx, guards, users).await?;
    let rows = changes.iter().map(|(user, presence)| {
        let is_counted = *presence == Presence::Counted;
        let is_erased = *presence == Presence::Erased;
        json!([given::id(*user), is_counted, is_erased])
    });
    let columns = [
        ("id", Kind::Id),
        ("is_counted", Kind::Flag),
        ("is_erased", Kind::Flag),
    ];
    let table = given::table(tx.get_database_backend(), &columns);
    let sql = CHANGE.replace("{given}", &table);
    given::execute(tx, sql, [given::rows(rows), at.as_utc().into()])
        .await
        .map_err(|error| errors::write(&error))?;
    Ok(())
}

/// Gives a user's stripe, from 1 on: the same on every replica.
fn stripe(user: UserId) -> i32 {
    let digest = Sha256::digest(user.as_uuid());
    let number = digest.iter().take(2);
    let number = number.fold(0, |number, byte| number << 8 | i32::from(*byte));
    number % STRIPES + 1
}

/// A number below 0 stands for a stripe that is held alone.
const HOLD: &str = "
    SELECT count(CASE WHEN stripe < 0 THEN pg_advisory_xact_lock($1, -stripe)::text
        ELSE pg_advisory_xact_lock_shared($1, stripe)::text END)
    FROM unnest(string_to_array($2, ',')::integer[]) AS stripe";

/// Who has nothing to settle is left out, but for whom a row is there already: what it says would be wrong from now on. Whoever
/// is erased stays so. The orders leave PostgreSQL no way but the indexes, whatever it believes of a table that has just
/// been filled.
const CHANGE: &str = "
    INSERT INTO unsettled_users (user_id, is_counted, is_erased, since, stage)
    SELECT g.id, g.is_counted, g.is_erased, $2, 0 FROM {given}
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn users_are_spread_over_the_stripes_whatever_their_ids_are() {
        let stripes = |id: fn(u128) -> u128| -> BTreeSet<i32> {
            let users = (0..10_000).map(|n| UserId::from_uuid(Uuid::from_u128(id(n))));
            users.map(stripe).collect()
        };
        let all: BTreeSet<i32> = (1..=STRIPES).collect();
        assert_eq!(stripes(|n| n), all);
        assert_eq!(stripes(|n| n << 100), all);
    }
}
