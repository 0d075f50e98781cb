//! Follows, blocks, the follow counts, and the users with pending counts.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261123_000006_relationships",
    statements: STATEMENTS,
};

/// - `events.object_id`: the other user of a relationship event.
/// - `follows.follower_counted` and `follows.target_counted`: whether `follow_counts` includes the follower among the
///   target's followers, and the target among the users that the follower follows. A suspended or deleted user is not
///   counted.
/// - `follow_counts`: the counts of a user are the sum of its parts. A user has as many parts as concurrent writers
///   needed at once. `repairs` counts the corrections of a part, so that none is made twice.
/// - `unsettled_users`: the users with pending counts. A user is listed from its status change until its follows are
///   updated, or from its erasure until they are removed. `stage`, `place_at` and `place_id` store the progress.
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
