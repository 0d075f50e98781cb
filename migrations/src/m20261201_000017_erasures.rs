//! Erasures, and which services have confirmed them.
//!
//! The previous release erases users without a row in `erasures`.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261201_000017_erasures",
    statements: STATEMENTS,
};

/// A row of `erasure_acks` without `acked_at` is an acknowledgement that a consumer owes. It belongs to one registration,
/// since a name can be registered again.
///
/// `event_seq` is the number of the erasure event, in the order of which a consumer reads its erasures. `completed_at` is
/// empty while an acknowledgement is owed. The index of owed acknowledgements contains no others, so those that were sent
/// cost its readers nothing.
const STATEMENTS: &[&str] = &[
    "CREATE TABLE erasure_consumers (
        id {uuid} NOT NULL PRIMARY KEY,
        name {key} NOT NULL,
        created_at {time} NOT NULL,
        created_by text NOT NULL,
        removed_at {time},
        removed_by text
    ) {options}",
    "CREATE UNIQUE INDEX erasure_consumers_name_uq ON erasure_consumers (name) WHERE removed_at IS NULL",
    "CREATE TABLE erasures (
        user_id {uuid} NOT NULL PRIMARY KEY,
        erased_at {time} NOT NULL,
        event_seq {version} NOT NULL,
        completed_at {time}
    ) {options}",
    "CREATE INDEX erasures_completed_at_ix ON erasures (completed_at) WHERE completed_at IS NOT NULL",
    "CREATE TABLE erasure_acks (
        user_id {uuid} NOT NULL,
        consumer {key} NOT NULL,
        consumer_id {uuid} NOT NULL,
        event_seq {version} NOT NULL,
        acked_at {time},
        acked_by text,
        PRIMARY KEY (user_id, consumer)
    ) {options}",
    "CREATE INDEX erasure_acks_owed_ix ON erasure_acks (consumer_id, event_seq) WHERE acked_at IS NULL",
];
