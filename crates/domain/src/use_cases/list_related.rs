//! Lists the followers, followed users and blocked users of a user.

use std::sync::Arc;

use super::{FindUser, FindUserError};
use crate::Freshness;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{Relationships, UserKey};
use crate::relationship::{FollowList, RelatedList, RelatedNames, RelatedPosition};
use crate::values::UserId;
use crate::view::{UserView, public_view};

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRelated {
    /// The users in their public view.
    pub users: Vec<UserView>,
    /// The position of the last user, if there are more.
    pub next: Option<RelatedPosition>,
}

/// Lists the followers, followed users and blocked users of a user.
#[derive(Clone)]
pub struct ListRelated {
    pub(super) find_user: FindUser,
    pub(super) relationships: Arc<dyn Relationships>,
}

impl ListRelated {
    /// Checks the caller's permission for this list before its query is parsed.
    pub fn permit(caller: &Caller, user: UserId, list: RelatedList) -> Result<(), Denied> {
        let action = match list {
            RelatedList::Followers | RelatedList::Following => Action::Read,
            RelatedList::Blocks => Action::ReadRelationships(user),
        };
        permit(caller, action)
    }

    /// Returns one page of the users that a user blocks: ids, and the names that were stored with the blocks.
    ///
    /// It does not show the current state of the blocked users, so it does not reveal whether they block the user,
    /// are deleted or never existed.
    ///
    /// # Errors
    /// [`FindUserError`], also if the user is hidden from the caller.
    pub async fn blocks(
        &self,
        caller: &Caller,
        user: UserId,
        after: Option<RelatedPosition>,
        limit: u16,
        freshness: Freshness,
    ) -> Result<RelatedNames, FindUserError> {
        let list = RelatedList::Blocks;
        Self::permit(caller, user, list)?;
        let key = UserKey::Id(user);
        self.find_user
            .find_permitted(caller, &key, freshness)
            .await?;
        let request = list.request(caller, user, after, limit);
        Ok(self.relationships.related_names(&request).await?)
    }

    /// Returns one page of the followers or followed users of a user, in their public view. It fails if the user is
    /// hidden from the caller.
    pub async fn run(
        &self,
        caller: &Caller,
        (user, list): (UserId, FollowList),
        after: Option<RelatedPosition>,
        limit: u16,
        freshness: Freshness,
    ) -> Result<ListedRelated, FindUserError> {
        Self::permit(caller, user, list.into())?;
        let key = UserKey::Id(user);
        self.find_user
            .find_permitted(caller, &key, freshness)
            .await?;
        let request = list.request(caller, user, after, limit);
        let page = self.relationships.related(&request).await?;
        let related = page.related.into_iter();
        Ok(ListedRelated {
            users: related.map(|one| public_view(one.user)).collect(),
            next: page.next,
        })
    }
}
