//! Gives all that is kept about a user, in one document (GDPR, articles 15 and 20).

use std::sync::Arc;

use super::{FindUser, FindUserError};
use crate::caller::Caller;
use crate::permissions::{Action, permit, viewer};
use crate::ports::{ChangeLog, Relationships, UserKey};
use crate::relationship::{Counts, RelatedList, RelatedPage, RelatedRequest};
use crate::user::Event;
use crate::values::UserId;
use crate::view::UserView;
use crate::{Freshness, StoreError};

/// All that is kept about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserExport {
    /// The user, as the caller may see it.
    pub user: UserView,
    /// What happened to it and is still kept, oldest first.
    pub events: Vec<Event>,
    /// What others are to it.
    pub relationships: ExportedRelationships,
}

/// Those who have to do with a user: the newest [`RelatedRequest::EXPORTED`] of each list, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedRelationships {
    /// How many follow it, and how many it follows.
    pub counts: Counts,
    /// Who follow it.
    pub followers: RelatedPage,
    /// Whom it follows.
    pub following: RelatedPage,
    /// Whom it blocks.
    pub blocks: RelatedPage,
}

/// Gives all that is kept about a user.
#[derive(Clone)]
pub struct ExportUser {
    pub(super) find_user: FindUser,
    pub(super) change_log: Arc<dyn ChangeLog>,
    pub(super) relationships: Arc<dyn Relationships>,
}

impl ExportUser {
    /// Collects the document; users get it of themselves only.
    pub async fn run(&self, caller: &Caller, id: UserId) -> Result<UserExport, FindUserError> {
        permit(caller, Action::Export(id))?;
        let key = UserKey::Id(id);
        let found = self.find_user.shown(caller, &key, Freshness::Current);
        let user = found.await?.view;
        let events = self.change_log.about(id).await?;
        let viewer = viewer(caller).map(|viewer| viewer.id);
        let counts = self.relationships.counts(&[id], viewer).await?;
        Ok(UserExport {
            user,
            events,
            relationships: ExportedRelationships {
                counts: counts.first().copied().unwrap_or_default(),
                followers: self.list(caller, id, RelatedList::Followers).await?,
                following: self.list(caller, id, RelatedList::Following).await?,
                blocks: self.list(caller, id, RelatedList::Blocks).await?,
            },
        })
    }

    async fn list(
        &self,
        caller: &Caller,
        user: UserId,
        list: RelatedList,
    ) -> Result<RelatedPage, StoreError> {
        let request = list.request(caller, user, None, RelatedRequest::EXPORTED);
        self.relationships.related(&request).await
    }
}
