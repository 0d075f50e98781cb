//! Rows of `events`, the outbox.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) seq: i64,
    pub(crate) id: Uuid,
    #[sea_orm(column_name = "type")]
    pub(crate) kind: String,
    pub(crate) subject_kind: String,
    pub(crate) subject_id: Uuid,
    pub(crate) object_id: Option<Uuid>,
    // The revision, which releases without `internal_changes` use as the version and for ordering.
    #[sea_orm(column_name = "version")]
    pub(crate) revision: i64,
    pub(crate) internal_changes: i64,
    pub(crate) changed: String,
    pub(crate) actor: String,
    pub(crate) at: DateTimeUtc,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
