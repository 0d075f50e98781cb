//! `/v1/users`, one file for each operation.

mod batch;
mod count;
mod create;
mod delete;
mod every_field;
mod export;
mod find;
mod history;
mod list;
mod metadata;
mod metadata_filters;
mod reactivation;
mod replace;
mod restore;
mod search;
mod suspend;
mod suspension;
mod update;
