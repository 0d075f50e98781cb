//! Walks who follow a user, whom it follows, and whom it blocks.

use std::sync::Arc;

use super::{FindUser, FindUserError};
use crate::Freshness;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{Relationships, UserKey};
use crate::relationship::{RelatedList, RelatedPosition};
use crate::values::UserId;
use crate::view::{UserView, public_view};

/// Some of a list, the newest first, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRelated {
    /// The users, as everybody may see them.
    pub users: Vec<UserView>,
    /// The place to go on from, if there are more.
    pub next: Option<RelatedPosition>,
}

/// Walks who follow a user, whom it follows, and whom it blocks.
#[derive(Clone)]
pub struct ListRelated {
    pub(super) find_user: FindUser,
    pub(super) relationships: Arc<dyn Relationships>,
}

impl ListRelated {
    /// Tells whether the caller may walk this list of a user at all, before its query is looked at.
    pub fn permit(caller: &Caller, user: UserId, list: RelatedList) -> Result<(), Denied> {
        let action = match list {
            RelatedList::Followers | RelatedList::Following => Action::Read,
            RelatedList::Blocks => Action::ReadRelationships(user),
        };
        permit(caller, action)
    }

    /// Gives one page; of a user that the caller does not find there is none.
    pub async fn run(
        &self,
        caller: &Caller,
        (user, list): (UserId, RelatedList),
        after: Option<RelatedPosition>,
        limit: u16,
        freshness: Freshness,
    ) -> Result<ListedRelated, FindUserError> {
        Self::permit(caller, user, list)?;
        let key = UserKey::Id(user);
        self.find_user.shown(caller, &key, freshness).await?;
        let request = list.request(caller, user, after, limit);
        let page = self.relationships.related(&request).await?;
        let related = page.related.into_iter();
        Ok(ListedRelated {
            users: related.map(|one| public_view(one.user)).collect(),
            next: page.next,
        })
    }
}
