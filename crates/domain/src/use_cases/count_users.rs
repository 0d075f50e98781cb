//! Counts the directory.

use std::sync::Arc;

use super::ListUsersError;
use super::list_users::permit_filter;
use crate::caller::Caller;
use crate::directory::DirectoryFilter;
use crate::ports::UserDirectory;

/// Counts the directory.
#[derive(Clone)]
pub struct CountUsers {
    pub(super) directory: Arc<dyn UserDirectory>,
}

impl CountUsers {
    /// Counts the users that pass the filter; fails like a walk under it.
    pub async fn run(
        &self,
        caller: &Caller,
        filter: &DirectoryFilter,
    ) -> Result<u64, ListUsersError> {
        permit_filter(caller, filter)?;
        Ok(self.directory.count(filter).await?)
    }
}
