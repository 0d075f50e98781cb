//! Walks and searches the directory.

use std::sync::Arc;

use crate::StoreError;
use crate::caller::Caller;
use crate::directory::{DirectoryFilter, PageRequest, Position};
use crate::permissions::{Action, Denied, permit};
use crate::ports::UserDirectory;
use crate::view::{UserView, view};

/// Some users in order, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUsers {
    /// The users, as the caller may see them.
    pub users: Vec<UserView>,
    /// The place to go on from, if there are more.
    pub next: Option<Position>,
}

/// Why no page is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListUsersError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Walks and searches the directory.
#[derive(Clone)]
pub struct ListUsers {
    pub(super) directory: Arc<dyn UserDirectory>,
}

impl ListUsers {
    /// Tells whether the caller may walk the directory at all, before its query is looked at.
    pub fn permit(caller: &Caller) -> Result<(), Denied> {
        permit(caller, Action::List)
    }

    /// Gives one page.
    pub async fn run(
        &self,
        caller: &Caller,
        request: &PageRequest,
    ) -> Result<ListedUsers, ListUsersError> {
        permit_filter(caller, &request.filter)?;
        let page = self.directory.page(request).await?;
        Ok(ListedUsers {
            users: page
                .users
                .into_iter()
                .map(|user| view(user, caller))
                .collect(),
            next: page.next,
        })
    }
}

/// Tells whether the caller may look at the directory through this filter: who seeks by an address or a role learns whose
/// it is, and neither is in the public view.
pub(super) fn permit_filter(caller: &Caller, filter: &DirectoryFilter) -> Result<(), Denied> {
    permit(caller, Action::List)?;
    if filter.email.is_some() {
        permit(caller, Action::ReadByEmail)?;
    }
    if filter.role.is_some() {
        permit(caller, Action::ReadByRole)?;
    }
    if filter.external_id.is_some() {
        permit(caller, Action::ReadByExternalId)?;
    }
    Ok(())
}
