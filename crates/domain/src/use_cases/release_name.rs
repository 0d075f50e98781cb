//! Ends the reservation of a released username.

use std::sync::Arc;

use super::Ports;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{ReservedName, UserRecords};
use crate::values::Username;
use crate::{StoreError, Violation};

/// Why no reservation was ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseNameError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The text is not a valid username.
    #[error("not a username: {}", .0.detail())]
    Invalid(#[from] Violation),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends the reservation of a username.
#[derive(Clone)]
pub struct ReleaseName {
    records: Arc<dyn UserRecords>,
}

impl ReleaseName {
    pub(super) fn new(ports: &Ports) -> Self {
        Self {
            records: ports.records.clone(),
        }
    }

    /// Ends every reservation of the name and its look-alikes, and returns the ended reservations. A repetition changes
    /// nothing.
    ///
    /// # Errors
    /// [`ReleaseNameError`].
    pub async fn run(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Vec<ReservedName>, ReleaseNameError> {
        permit(caller, Action::ReleaseName)?;
        Ok(self.records.release_name(&Username::parse(name)?).await?)
    }
}
