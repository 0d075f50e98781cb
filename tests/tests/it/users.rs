//! `/v1/users`, one file for each operation.

mod batch;
mod count;
mod create;
mod delete;
mod export;
mod find;
mod list;
mod metadata;
mod replace;
mod restore;
mod search;
mod suspend;
mod update;
