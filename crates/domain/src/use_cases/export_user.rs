//! Gives all that is kept about a user, in one document (GDPR, articles 15 and 20).

use std::sync::Arc;

use super::{FindUser, FindUserError};
use crate::Freshness;
use crate::caller::Caller;
use crate::permissions::{Action, permit};
use crate::ports::{ChangeLog, UserKey};
use crate::user::Event;
use crate::values::UserId;
use crate::view::UserView;

/// All that is kept about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserExport {
    /// The user, as the caller may see it.
    pub user: UserView,
    /// What happened to it and is still kept, oldest first.
    pub events: Vec<Event>,
}

/// Gives all that is kept about a user.
#[derive(Clone)]
pub struct ExportUser {
    pub(super) find_user: FindUser,
    pub(super) change_log: Arc<dyn ChangeLog>,
}

impl ExportUser {
    /// Collects the document; users get it of themselves only.
    pub async fn run(&self, caller: &Caller, id: UserId) -> Result<UserExport, FindUserError> {
        permit(caller, Action::Export(id))?;
        let key = UserKey::Id(id);
        let found = self.find_user.shown(caller, &key, Freshness::Current);
        let user = found.await?.view;
        let events = self.change_log.about(id).await?;
        Ok(UserExport { user, events })
    }
}
