//! A filter as conditions that both databases answer alike, and by an index where there is one.

use sea_orm::sea_query::{Expr, ExprTrait, LikeExpr};
use sea_orm::{ColumnTrait, Condition};
use user_domain::directory::DirectoryFilter;
use user_domain::user::{Standing, Status};

use crate::sea_orm::entities::users::Column;

/// Translates a filter.
pub(super) fn conditions(filter: &DirectoryFilter) -> Condition {
    let DirectoryFilter {
        statuses,
        role,
        created_since,
        updated_since,
        email,
        external_id,
        username_prefix,
        search,
    } = filter;
    Condition::all()
        .add(
            statuses
                .iter()
                .fold(Condition::any(), |any, status| any.add(status_is(*status))),
        )
        .add_option(role.as_ref().map(|role| {
            Condition::all()
                .add(Column::Roles.ne("[]"))
                .add(contains(Column::Roles, &format!("\"{}\"", role.as_str())))
        }))
        .add_option(created_since.map(|since| Column::CreatedAt.gte(since.as_utc())))
        .add_option(updated_since.map(|since| Column::UpdatedAt.gte(since.as_utc())))
        .add_option(
            email
                .as_ref()
                .map(|email| Column::EmailKey.eq(email.as_str())),
        )
        .add_option(
            external_id
                .as_ref()
                .map(|id| Column::ExternalId.eq(id.as_str())),
        )
        .add_option(
            username_prefix
                .as_ref()
                .map(|prefix| begins_with(Column::UsernameKey, prefix)),
        )
        .add_option(
            search
                .as_ref()
                .map(|text| contains(Column::SearchText, text)),
        )
}

fn status_is(status: Status) -> Condition {
    match status {
        Status::Deleted => Condition::all().add(Column::DeletedAt.is_not_null()),
        Status::Active => standing_is(Standing::Active),
        Status::Suspended => standing_is(Standing::Suspended),
    }
}

fn standing_is(standing: Standing) -> Condition {
    Condition::all()
        .add(Column::DeletedAt.is_null())
        .add(Column::Standing.eq(standing.as_str()))
}

/// Matches a literal part of a text.
fn contains(column: Column, text: &str) -> Expr {
    Expr::col(column).like(LikeExpr::new(containing(text)).escape('\\'))
}

/// Matches a literal beginning of a key, as a range, so that the key's index serves it on both databases.
fn begins_with(column: Column, prefix: &str) -> Condition {
    Condition::all()
        .add(column.gte(prefix))
        .add(Expr::col(column).like(LikeExpr::new(format!("{}%", escape(prefix))).escape('\\')))
        .add_option(successor(prefix).map(|end| column.lt(end)))
}

/// Gives the least text above all that begin with this one, if there is one; both databases compare keys by bytes,
/// which is by code points.
fn successor(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        if let Some(next) = ((u32::from(last) + 1)..=u32::from(char::MAX)).find_map(char::from_u32)
        {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// Writes a pattern that texts with this literal part match.
pub(super) fn containing(text: &str) -> String {
    format!("%{}%", escape(text))
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}
