//! Operations on users, one file each.

pub(super) mod add;
pub(super) mod change;
pub(super) mod erase;
pub(super) mod find;
pub(super) mod import;
mod taken;
