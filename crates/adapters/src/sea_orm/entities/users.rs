//! Rows of `users`, which are also the JSON values of the shared cache.

use std::sync::LazyLock;

use sea_orm::entity::prelude::*;
use sea_orm::{IdenStatic, Iterable, QueryResult, TryGetable};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DeriveEntityModel)]
// A cached row of a release with other columns is a miss.
#[serde(deny_unknown_fields)]
#[sea_orm(table_name = "users")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the fields are the columns of the table"
)]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) username: String,
    pub(crate) username_key: String,
    pub(crate) username_skeleton: String,
    pub(crate) external_id: Option<String>,
    pub(crate) email: String,
    pub(crate) email_key: String,
    pub(crate) email_verified: bool,
    pub(crate) phone_number: Option<String>,
    pub(crate) phone_number_verified: bool,
    pub(crate) standing: String,
    pub(crate) roles: String,
    pub(crate) name: Option<String>,
    pub(crate) given_name: Option<String>,
    pub(crate) family_name: Option<String>,
    pub(crate) nickname: Option<String>,
    pub(crate) picture: Option<String>,
    pub(crate) website: Option<String>,
    pub(crate) bio: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) zoneinfo: Option<String>,
    pub(crate) birthdate: Option<String>,
    pub(crate) metadata_public: String,
    pub(crate) metadata_user: String,
    pub(crate) metadata_private: String,
    pub(crate) search_text: String,
    // The revision, which releases without `internal_changes` use as the version and for ordering.
    #[sea_orm(column_name = "version")]
    pub(crate) revision: i64,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) updated_at: DateTimeUtc,
    pub(crate) deleted_at: Option<DateTimeUtc>,
    pub(crate) tokens_valid_after: Option<DateTimeUtc>,
    pub(crate) password_changed_at: Option<DateTimeUtc>,
    pub(crate) has_blocks: bool,
    pub(crate) internal_changes: i64,
    pub(crate) suspension_reason: Option<String>,
    pub(crate) suspended_until: Option<DateTimeUtc>,
    // Whether only the year of `birthdate` is known. The column then holds its first day, since releases without this
    // column only accept days.
    pub(crate) birthdate_is_year: bool,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The columns of a row `u` for a hand-written statement, in the order of [`Model::from_columns`].
pub(crate) static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    let columns = Column::iter().map(|column| format!("u.\"{}\"", column.as_str()));
    columns.collect::<Vec<_>>().join(", ")
});

impl Model {
    /// Converts a row of [`COLUMNS`] by column index: a lookup by name costs more than the value itself.
    pub(crate) fn from_columns(row: &QueryResult) -> Result<Self, DbErr> {
        let mut next = Columns { row, index: 0 };
        Ok(Self {
            id: next.take()?,
            username: next.take()?,
            username_key: next.take()?,
            username_skeleton: next.take()?,
            external_id: next.take()?,
            email: next.take()?,
            email_key: next.take()?,
            email_verified: next.take()?,
            phone_number: next.take()?,
            phone_number_verified: next.take()?,
            standing: next.take()?,
            roles: next.take()?,
            name: next.take()?,
            given_name: next.take()?,
            family_name: next.take()?,
            nickname: next.take()?,
            picture: next.take()?,
            website: next.take()?,
            bio: next.take()?,
            location: next.take()?,
            locale: next.take()?,
            zoneinfo: next.take()?,
            birthdate: next.take()?,
            metadata_public: next.take()?,
            metadata_user: next.take()?,
            metadata_private: next.take()?,
            search_text: next.take()?,
            revision: next.take()?,
            created_at: next.take()?,
            updated_at: next.take()?,
            deleted_at: next.take()?,
            tokens_valid_after: next.take()?,
            password_changed_at: next.take()?,
            has_blocks: next.take()?,
            internal_changes: next.take()?,
            suspension_reason: next.take()?,
            suspended_until: next.take()?,
            birthdate_is_year: next.take()?,
        })
    }
}

struct Columns<'a> {
    row: &'a QueryResult,
    index: usize,
}

impl Columns<'_> {
    fn take<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let value = self.row.try_get_by_index(self.index)?;
        self.index += 1;
        Ok(value)
    }
}
