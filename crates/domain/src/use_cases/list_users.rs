//! Lists and searches users.

use std::sync::Arc;

use crate::StoreError;
use crate::caller::Caller;
use crate::directory::{DirectoryFilter, MetadataKey, MetadataObject, PageRequest, Position, Sort};
use crate::permissions::{Action, Denied, permit};
use crate::ports::UserDirectory;
use crate::view::{UserView, view};

/// One page of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUsers {
    /// The views of the users for the caller.
    pub users: Vec<UserView>,
    /// The position of the last user, if there are more.
    pub next: Option<Position>,
}

/// Why no page was returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListUsersError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lists and searches users.
#[derive(Clone)]
pub struct ListUsers {
    pub(super) directory: Arc<dyn UserDirectory>,
}

impl ListUsers {
    /// Checks the caller's permission before its query is parsed.
    pub fn permit(caller: &Caller) -> Result<(), Denied> {
        permit(caller, Action::List)
    }

    /// Checks the permission to filter by private metadata, before the response can reveal whether a key is indexed.
    pub fn permit_private_metadata(caller: &Caller) -> Result<(), Denied> {
        permit(caller, Action::ReadByPrivateMetadata)
    }

    /// Returns one page.
    pub async fn run(
        &self,
        caller: &Caller,
        request: &PageRequest,
    ) -> Result<ListedUsers, ListUsersError> {
        permit_filter(caller, &request.filter)?;
        if request.sort == Sort::Updated {
            permit(caller, Action::ReadByUpdateTime)?;
        }
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

/// Checks that the caller may use a filter.
///
/// A filter reveals the filtered field, so the caller needs the permission to read that field. Email address, roles,
/// private metadata and the time of the last change are in no public view.
pub(super) fn permit_filter(caller: &Caller, filter: &DirectoryFilter) -> Result<(), Denied> {
    // Destructured, so that a new filter does not compile until its permission is decided.
    let DirectoryFilter {
        statuses: _,
        roles,
        created_since: _,
        created_until: _,
        updated_since,
        updated_until,
        email,
        external_id,
        username_prefix: _,
        search: _,
        metadata,
    } = filter;
    let is_private = |key: &MetadataKey| key.object() == MetadataObject::Private;
    let needed = [
        (true, Action::List),
        (email.is_some(), Action::ReadByEmail),
        (!roles.is_empty(), Action::ReadByRole),
        (external_id.is_some(), Action::ReadByExternalId),
        (
            updated_since.is_some() || updated_until.is_some(),
            Action::ReadByUpdateTime,
        ),
        (
            metadata.keys().any(is_private),
            Action::ReadByPrivateMetadata,
        ),
    ];
    needed
        .into_iter()
        .filter(|(is_used, _)| *is_used)
        .try_for_each(|(_, action)| permit(caller, action))
}
