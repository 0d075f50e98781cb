//! How far each relay of the event feed has come, and which replica runs it.
//!
//! `seq` and `tag` are the position of the last relayed event and the first bytes of its id. Both are null until an event
//! has been relayed. `epoch` rises each time that a replica takes the lease.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261201_000016_relays",
    statements: STATEMENTS,
};

const STATEMENTS: &[&str] = &["CREATE TABLE relays (
        name {key} NOT NULL PRIMARY KEY,
        seq {version},
        tag {bytes},
        holder {uuid} NOT NULL,
        epoch {version} NOT NULL,
        lease_until {time} NOT NULL
    ) {options}"];
