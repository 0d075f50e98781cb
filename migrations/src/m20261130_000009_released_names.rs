//! The index by which the released usernames of one user are found.
//!
//! Their number is limited for each user, and digests replace them when the user is erased.

use crate::repeatable::{Repeatable, Step};

pub(crate) const MIGRATION: Repeatable = Repeatable {
    name: "m20261130_000009_released_names",
    only: None,
    steps: &[Step::Index {
        name: "released_usernames_user_ix",
        on: "released_usernames (user_id, released_at)",
    }],
};
