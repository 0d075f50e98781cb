//! The users, the outbox of their events, the idempotency records and the released usernames.

use sea_orm_migration::MigrationTrait;
use sea_orm_migration::prelude::MigrationName;
use sea_orm_migration::prelude::{DbErr, SchemaManager, async_trait};

use crate::dialect::Dialect;
use crate::repeatable::execute;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261123_000001_users"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    #[expect(
        elided_lifetimes_in_paths,
        reason = "async_trait requires the signature of the trait, which elides the lifetime"
    )]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager.get_database_backend());
        let mut unique = UNIQUE;
        if dialect == Dialect::Sqlite {
            unique.reverse();
        }
        execute(manager.get_connection(), STATEMENTS).await?;
        execute(manager.get_connection(), &unique).await
    }
}

/// The unique values of a user.
///
/// If several values are taken, both databases must report the same one. PostgreSQL checks its indexes in the order of
/// their creation, SQLite in the opposite order.
const UNIQUE: [&str; 4] = [
    "CREATE UNIQUE INDEX users_username_key_uq ON users (username_key)",
    "CREATE UNIQUE INDEX users_username_skeleton_uq ON users (username_skeleton)",
    "CREATE UNIQUE INDEX users_email_key_uq ON users (email_key)",
    "CREATE UNIQUE INDEX users_external_id_uq ON users (external_id)",
];

const STATEMENTS: &[&str] = &[
    "CREATE TABLE store (id text NOT NULL PRIMARY KEY) {options}",
    "INSERT INTO store (id) VALUES ({new_uuid})",
    "CREATE TABLE users (
        id {uuid} NOT NULL PRIMARY KEY,
        username text NOT NULL,
        username_key {key} NOT NULL,
        username_skeleton {key} NOT NULL,
        external_id {key},
        email text NOT NULL,
        email_key {key} NOT NULL,
        email_verified {bool} NOT NULL,
        phone_number text,
        phone_number_verified {bool} NOT NULL,
        standing text NOT NULL,
        roles text NOT NULL,
        name text,
        given_name text,
        family_name text,
        nickname text,
        picture text,
        website text,
        bio text,
        location text,
        locale text,
        zoneinfo text,
        birthdate text,
        metadata_public text NOT NULL,
        metadata_user text NOT NULL,
        metadata_private text NOT NULL,
        search_text {key} NOT NULL,
        version {version} NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL,
        deleted_at {time},
        tokens_valid_after {time}
    ) {options}",
    "CREATE INDEX users_created_at_ix ON users (created_at, id)",
    "CREATE INDEX users_updated_at_ix ON users (updated_at, id)",
    "CREATE INDEX users_deleted_at_ix ON users (deleted_at, id) WHERE deleted_at IS NOT NULL",
    "CREATE INDEX users_suspended_ix ON users (created_at, id) WHERE standing = 'suspended'",
    "CREATE INDEX users_with_roles_ix ON users (created_at, id) WHERE roles <> '[]'",
    "CREATE TABLE events (
        seq {row_number},
        id {uuid} NOT NULL,
        type text NOT NULL,
        subject_kind text NOT NULL,
        subject_id {uuid} NOT NULL,
        version {version} NOT NULL,
        changed text NOT NULL,
        actor text NOT NULL,
        at {time} NOT NULL
    ) {options}",
    "CREATE INDEX events_subject_ix ON events (subject_id, seq)",
    "CREATE TABLE idempotency_keys (
        actor {key} NOT NULL,
        key {key} NOT NULL,
        fingerprint {bytes} NOT NULL,
        subject_id {uuid} NOT NULL,
        created_at {time} NOT NULL,
        PRIMARY KEY (actor, key)
    ) {options}",
    "CREATE TABLE released_usernames (
        username_key {key} NOT NULL PRIMARY KEY,
        username_skeleton {key} NOT NULL,
        user_id {uuid} NOT NULL,
        released_at {time} NOT NULL
    ) {options}",
    "CREATE INDEX released_usernames_skeleton_ix ON released_usernames (username_skeleton)",
];
