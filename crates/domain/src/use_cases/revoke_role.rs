//! Revokes a role of a user.

use super::{GrantRole, GrantRoleError, WrittenView};
use crate::caller::Caller;
use crate::permissions::{Action, permit};
use crate::ports::UserKey;
use crate::user::Change;
use crate::values::Role;

/// Revokes a role of a user.
#[derive(Clone)]
pub struct RevokeRole {
    pub(super) grant: GrantRole,
}

impl RevokeRole {
    /// Removes one role; removing a role that the user does not have changes nothing.
    ///
    /// # Errors
    /// [`GrantRoleError`].
    pub async fn run(
        &self,
        caller: &Caller,
        key: &UserKey,
        role: Role,
    ) -> Result<WrittenView, GrantRoleError> {
        permit(caller, Action::RevokeRole)?;
        let change = Change::RevokeRole(role);
        self.grant.change(caller, key, &change).await
    }
}
