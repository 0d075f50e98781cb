//! Rows of `login_attempts`: the counters of failed logins.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "login_attempts")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) account: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) source: Vec<u8>,
    pub(crate) failures: i64,
    pub(crate) failed_at: Option<DateTimeUtc>,
    pub(crate) blocked_until: Option<DateTimeUtc>,
    pub(crate) succeeded_at: Option<DateTimeUtc>,
    pub(crate) forgotten_at: DateTimeUtc,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
