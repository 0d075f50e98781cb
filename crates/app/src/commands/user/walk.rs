//! A walk through the directory, page by page.

use tokio::time::sleep;
use user_domain::caller::Caller;
use user_domain::directory::{CheckedQuery, PageRequest};
use user_domain::use_cases::{ListUsers, ListUsersError};
use user_domain::view::UserView;

use super::patience::Patience;

/// The most users of a page.
const PAGE: u16 = 200;

/// A walk; a database that is away for a moment is waited for.
pub(super) struct Walk<'a> {
    list: &'a ListUsers,
    next: Option<PageRequest>,
    patience: Patience,
}

impl<'a> Walk<'a> {
    /// Begins a walk through all that a query matches.
    pub(super) fn new(list: &'a ListUsers, query: CheckedQuery) -> Self {
        Self {
            list,
            next: Some(PageRequest {
                filter: query.filter,
                sort: query.sort,
                after: None,
                limit: PAGE,
            }),
            patience: Patience::default(),
        }
    }

    /// Gives the next users; nothing behind the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<UserView>>, ListUsersError> {
        let Some(request) = &mut self.next else {
            return Ok(None);
        };
        let page = loop {
            let error = match self.list.run(&Caller::Operator, request).await {
                Ok(page) => break page,
                Err(ListUsersError::Store(error)) => error,
                Err(denied @ ListUsersError::Denied(_)) => return Err(denied),
            };
            match self.patience.pause(&error) {
                Some(pause) => sleep(pause).await,
                None => return Err(error.into()),
            }
        };
        self.patience.answered();
        match page.next {
            Some(position) => request.after = Some(position),
            None => self.next = None,
        }
        Ok(Some(page.users))
    }
}
