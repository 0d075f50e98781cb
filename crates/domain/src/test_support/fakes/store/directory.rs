use std::cmp::Ordering;

use crate::StoreError;
use crate::directory::{DirectoryFilter, MetadataValue, PageRequest, Position, Sort, search_text};
use crate::ports::Page;
use crate::user::User;

pub(super) fn page<'a>(
    users: impl Iterator<Item = &'a User>,
    request: &PageRequest,
) -> Result<Page, StoreError> {
    let PageRequest {
        filter,
        sort,
        after,
        limit,
    } = request;
    let mut passing: Vec<&User> = users.filter(|user| passes(user, filter)).collect();
    passing.sort_by(|one, other| compare(*sort, &sort.position_of(one), &sort.position_of(other)));
    if let Some(after) = after {
        expect_place_in(*sort, after)?;
        passing.retain(|user| compare(*sort, &sort.position_of(user), after) == Ordering::Greater);
    }
    let users: Vec<User> = passing
        .iter()
        .take(usize::from(*limit))
        .map(|user| (*user).clone())
        .collect();
    let has_more = passing.len() > users.len();
    let next = users
        .last()
        .filter(|_| has_more)
        .map(|last| sort.position_of(last));
    Ok(Page { users, next })
}

pub(super) fn count<'a>(users: impl Iterator<Item = &'a User>, filter: &DirectoryFilter) -> u64 {
    users.filter(|user| passes(user, filter)).map(|_| 1).sum()
}

fn passes(user: &User, filter: &DirectoryFilter) -> bool {
    filter.statuses.contains(&user.status())
        && (filter.roles.is_empty() || filter.roles.iter().any(|role| user.roles.contains(role)))
        && filter
            .created_since
            .is_none_or(|since| user.created_at >= since)
        && filter
            .created_until
            .is_none_or(|until| user.created_at < until)
        && filter
            .updated_since
            .is_none_or(|since| user.updated_at >= since)
        && filter
            .updated_until
            .is_none_or(|until| user.updated_at < until)
        && filter
            .email
            .as_ref()
            .is_none_or(|email| user.email.key() == email.as_str())
        && filter
            .external_id
            .as_ref()
            .is_none_or(|id| user.external_id.as_ref() == Some(id))
        && filter.username_prefix.as_ref().is_none_or(|prefix| {
            let key = user.username.key();
            prefix.forms().iter().any(|form| key.starts_with(form))
        })
        && filter.search.as_ref().is_none_or(|term| {
            let text = search_text(user);
            term.forms().iter().any(|form| text.contains(form))
        })
        && filter.metadata.iter().all(|(key, values)| {
            MetadataValue::of(user, key).is_some_and(|value| values.contains(&value))
        })
}

/// Compares two positions of one sort order.
fn compare(sort: Sort, one: &Position, other: &Position) -> Ordering {
    let ascending = match (one, other) {
        (Position::Time(at, id), Position::Time(other_at, other_id)) => {
            (at, id).cmp(&(other_at, other_id))
        }
        (Position::Username(key), Position::Username(other_key)) => key.cmp(other_key),
        (Position::Time(..), Position::Username(_))
        | (Position::Username(_), Position::Time(..)) => Ordering::Equal,
    };
    match sort {
        Sort::CreatedDescending => ascending.reverse(),
        Sort::CreatedAscending | Sort::Username | Sort::Updated => ascending,
    }
}

fn expect_place_in(sort: Sort, place: &Position) -> Result<(), StoreError> {
    match (sort, place) {
        (Sort::Username, Position::Username(_))
        | (Sort::CreatedDescending | Sort::CreatedAscending | Sort::Updated, Position::Time(..)) => {
            Ok(())
        }
        (Sort::Username, Position::Time(..))
        | (
            Sort::CreatedDescending | Sort::CreatedAscending | Sort::Updated,
            Position::Username(_),
        ) => Err(StoreError::Internal(
            "the place is of another order".to_owned(),
        )),
    }
}
