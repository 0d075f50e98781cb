//! All users that match a query, page by page.

use backon::Retryable as _;
use tokio::time::sleep;
use user_domain::caller::Caller;
use user_domain::directory::{CheckedQuery, PageRequest};
use user_domain::use_cases::{ListUsers, ListUsersError};
use user_domain::view::UserView;

use super::backoff::{BACKOFF, is_transient};

/// The number of users on a page.
const PAGE_SIZE: u16 = 200;

/// The pages of a query. Retries while the database is unavailable.
pub(super) struct Pages<'a> {
    list: &'a ListUsers,
    next: Option<PageRequest>,
}

impl<'a> Pages<'a> {
    /// Starts before the first page.
    pub(super) fn new(list: &'a ListUsers, query: CheckedQuery) -> Self {
        Self {
            list,
            next: Some(PageRequest {
                filter: query.filter,
                sort: query.sort,
                after: None,
                limit: PAGE_SIZE,
            }),
        }
    }

    /// Returns the users on the next page, or `None` after the last page.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<UserView>>, ListUsersError> {
        let Some(request) = &mut self.next else {
            return Ok(None);
        };
        let page = (|| self.list.run(&Caller::Operator, request))
            .retry(BACKOFF)
            .sleep(sleep)
            .when(|error| match error {
                ListUsersError::Store(error) => is_transient(error),
                ListUsersError::Denied(_) => false,
            })
            .await?;
        match page.next {
            Some(position) => request.after = Some(position),
            None => self.next = None,
        }
        Ok(Some(page.users))
    }
}
