//! Translates filters into conditions that give the same result on both databases, and use indexes.

use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition, LikeExpr};
use sea_orm::{ColumnTrait, Condition};
use user_domain::directory::{DirectoryFilter, MetadataValue, SearchTerm, Sort};
use user_domain::user::{Standing, Status};
use user_domain::values::{Timestamp, UsernamePrefix};

use super::metadata::member_expression;
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::entities::users::Column;

/// Translates a filter.
pub(super) fn conditions(filter: &DirectoryFilter, dialect: Dialect) -> Condition {
    conditions_without_search(filter, dialect).add_option(filter.search.as_ref().map(contains_term))
}

/// Translates a filter without its search.
pub(super) fn conditions_without_search(filter: &DirectoryFilter, dialect: Dialect) -> Condition {
    let DirectoryFilter {
        statuses,
        roles,
        created_since,
        created_until,
        updated_since,
        updated_until,
        email,
        external_id,
        username_prefix,
        search: _,
        metadata,
    } = filter;
    let conditions = Condition::all()
        .add(has_one_of(statuses))
        .add_option((!roles.is_empty()).then(|| {
            Condition::all().add(Column::Roles.ne("[]")).add(any_of(
                roles
                    .iter()
                    .map(|role| contains(Column::Roles, &format!("\"{}\"", role.as_str()))),
            ))
        }))
        .add_option(between(Column::CreatedAt, *created_since, *created_until))
        .add_option(between(Column::UpdatedAt, *updated_since, *updated_until))
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
        .add_option(username_prefix.as_ref().map(starts_with));
    metadata.iter().fold(conditions, |all, (key, values)| {
        let values = values.iter().map(MetadataValue::as_str);
        all.add(Expr::cust(member_expression(key, dialect)).is_in(values))
    })
}

/// Translates the part of a filter that limits the sort column, whose index then finds the start and end of the range.
pub(super) fn range(filter: &DirectoryFilter, sort: Sort) -> Option<Condition> {
    let DirectoryFilter {
        created_since,
        created_until,
        updated_since,
        updated_until,
        username_prefix,
        ..
    } = filter;
    match sort {
        Sort::CreatedDescending | Sort::CreatedAscending => {
            between(Column::CreatedAt, *created_since, *created_until)
        }
        Sort::Updated => between(Column::UpdatedAt, *updated_since, *updated_until),
        Sort::Username => username_prefix.as_ref().map(starts_with),
    }
}

/// Whether a scan in sort order may skip any number of users before it finds a match.
///
/// Otherwise an index finds the users in sort order, or finds the only user with the email or external id.
pub(super) fn may_be_sparse(filter: &DirectoryFilter, sort: Sort) -> bool {
    let DirectoryFilter {
        statuses,
        roles,
        created_since,
        created_until,
        updated_since,
        updated_until,
        email,
        external_id,
        username_prefix,
        search,
        metadata,
    } = filter;
    if email.is_some() || external_id.is_some() {
        return false;
    }
    let is_by_creation = matches!(sort, Sort::CreatedDescending | Sort::CreatedAscending);
    search.is_some()
        || !metadata.is_empty()
        || !roles.is_empty()
        || (username_prefix.is_some() && sort != Sort::Username)
        || ((created_since.is_some() || created_until.is_some()) && !is_by_creation)
        || ((updated_since.is_some() || updated_until.is_some()) && sort != Sort::Updated)
        || (!statuses.contains(&Status::Active) && !is_by_creation)
}

/// Whether a filter is only a search that includes active users. Most users are active; suspended and deleted users
/// have their own indexes.
pub(super) fn is_search_of_active(filter: &DirectoryFilter) -> bool {
    let without_others = DirectoryFilter {
        statuses: filter.statuses.clone(),
        search: filter.search.clone(),
        ..DirectoryFilter::default()
    };
    *filter == without_others && filter.statuses.contains(&Status::Active)
}

/// Returns the condition that a user has none of the statuses of a filter.
pub(super) fn has_other_status(filter: &DirectoryFilter) -> Condition {
    let others = Status::ALL.iter();
    has_one_of(others.filter(|status| !filter.statuses.contains(*status)))
}

/// Returns the condition that a user has one of these statuses.
fn has_one_of<'a>(statuses: impl IntoIterator<Item = &'a Status>) -> Condition {
    any_of(statuses.into_iter().map(|status| status_is(*status)))
}

fn between(
    column: Column,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Option<Condition> {
    (since.is_some() || until.is_some()).then(|| {
        Condition::all()
            .add_option(since.map(|moment| column.gte(moment.as_utc())))
            .add_option(until.map(|moment| column.lt(moment.as_utc())))
    })
}

/// Returns the condition that the search text of a user contains a term.
pub(super) fn contains_term(term: &SearchTerm) -> Condition {
    let forms = term.forms().iter();
    any_of(forms.map(|form| contains(Column::SearchText, form)))
}

/// Returns the disjunction of conditions.
pub(super) fn any_of(alternatives: impl Iterator<Item: IntoCondition>) -> Condition {
    alternatives.fold(Condition::any(), |any, one| any.add(one.into_condition()))
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

/// Returns the condition that a column contains a literal text.
pub(super) fn contains(column: Column, text: &str) -> Expr {
    Expr::col(column).like(LikeExpr::new(containing(text)).escape('\\'))
}

/// Returns the condition that a username's key starts with one of the forms of a prefix, which are in ascending order.
/// A range condition lets both databases use the index; literal matches are checked within it.
fn starts_with(prefix: &UsernamePrefix) -> Condition {
    let (column, forms) = (Column::UsernameKey, prefix.forms());
    let literal = forms.iter().map(|form| {
        Expr::col(column).like(LikeExpr::new(format!("{}%", escape(form))).escape('\\'))
    });
    Condition::all()
        .add_option(forms.first().map(|first| column.gte(first.as_str())))
        .add_option(
            forms
                .last()
                .and_then(|last| successor(last))
                .map(|end| column.lt(end)),
        )
        .add(any_of(literal))
}

/// Returns the smallest text that is greater than all texts with this prefix, if there is one. Both databases compare
/// keys by bytes, which is the order of code points.
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

/// Returns the LIKE pattern for texts that contain a literal text.
fn containing(text: &str) -> String {
    format!("%{}%", escape(text))
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}
