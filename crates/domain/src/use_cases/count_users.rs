//! Counts the users of the directory.

use std::sync::Arc;

use super::ListUsersError;
use super::list_users::permit_filter;
use crate::caller::Caller;
use crate::directory::DirectoryFilter;
use crate::ports::UserDirectory;

/// Counts the users of the directory.
#[derive(Clone)]
pub struct CountUsers {
    pub(super) directory: Arc<dyn UserDirectory>,
}

impl CountUsers {
    /// Counts the users that match the filter; it needs the same permissions as a list with this filter.
    pub async fn run(
        &self,
        caller: &Caller,
        filter: &DirectoryFilter,
    ) -> Result<u64, ListUsersError> {
        permit_filter(caller, filter)?;
        Ok(self.directory.count(filter).await?)
    }
}
