//! Who follows whom and who blocks whom, how many do, and with whom that is still to be settled.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261123_000006_relationships",
    statements: STATEMENTS,
};

/// `object_id` is whom an event's subject did something to. `follower_counted` says that the follower is one of the
/// target's followers in `follow_counts`, `target_counted` that the target is one of those whom the follower follows
/// there: neither is while it is suspended or deleted. A user's counts are the sum of its parts, of which it has as many as
/// writers ever wanted at once; `repairs` counts the corrections of a part, so that none is made twice.
///
/// Whoever becomes counted, or ceases to be, is in `unsettled_users` until its follows say so, and until they are gone
/// where it is erased; `stage` and the place behind it say how far that has come.
const STATEMENTS: &[&str] = &[
    "ALTER TABLE users ADD COLUMN has_blocks {bool} NOT NULL DEFAULT {false}",
    "ALTER TABLE events ADD COLUMN object_id {uuid}",
    "CREATE TABLE follows (
        follower_id {uuid} NOT NULL,
        target_id {uuid} NOT NULL,
        created_at {time} NOT NULL,
        follower_counted {bool} NOT NULL,
        target_counted {bool} NOT NULL,
        PRIMARY KEY (follower_id, target_id)
    ) {options}",
    "CREATE INDEX follows_following_ix ON follows (follower_id, created_at, target_id)",
    "CREATE INDEX follows_followers_ix ON follows (target_id, created_at, follower_id)",
    "CREATE TABLE blocks (
        blocker_id {uuid} NOT NULL,
        target_id {uuid} NOT NULL,
        created_at {time} NOT NULL,
        PRIMARY KEY (blocker_id, target_id)
    ) {options}",
    "CREATE INDEX blocks_listed_ix ON blocks (blocker_id, created_at, target_id)",
    "CREATE INDEX blocks_target_ix ON blocks (target_id, blocker_id)",
    "CREATE TABLE follow_counts (
        user_id {uuid} NOT NULL,
        part {version} NOT NULL,
        followers {version} NOT NULL,
        following {version} NOT NULL,
        repairs {version} NOT NULL,
        PRIMARY KEY (user_id, part)
    ) {options}",
    "CREATE TABLE unsettled_users (
        user_id {uuid} NOT NULL PRIMARY KEY,
        is_counted {bool} NOT NULL,
        is_erased {bool} NOT NULL,
        since {time} NOT NULL,
        stage {version} NOT NULL,
        place_at {time},
        place_id {uuid}
    ) {options}",
    "CREATE INDEX unsettled_users_since_ix ON unsettled_users (since, user_id)",
    "CREATE TABLE recount (
        id {version} NOT NULL PRIMARY KEY,
        began_at {time},
        place {uuid}
    ) {options}",
    "INSERT INTO recount (id) VALUES (1)",
];
