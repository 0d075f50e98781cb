//! Exports all stored data of a user (GDPR, articles 15 and 20).

use std::collections::HashSet;
use std::sync::Arc;

use super::{FindUser, FindUserError, Ports};
use crate::caller::Caller;
use crate::lockout::AccountAttempts;
use crate::permissions::{Action, Denied, permit, viewer};
use crate::ports::{
    ChangeLog, Clock, EventPage, EventPosition, EventsRequest, LoginAttempts, Perspective,
    Relationships, StoredRecords, UserEvent, UserKey, UserRecords,
};
use crate::relationship::{Counts, RelatedList, RelatedNames, RelatedPosition, RelatedRequest};
use crate::values::UserId;
use crate::view::UserView;
use crate::{Freshness, StoreError};

/// The positions from which the lists of an export continue. Without any position the export is complete and each list
/// starts at its newest entry. With one or more it contains only those lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each is the list of the same name")]
pub struct ExportPositions {
    pub events: Option<EventPosition>,
    pub followers: Option<RelatedPosition>,
    pub following: Option<RelatedPosition>,
    pub blocks: Option<RelatedPosition>,
}

/// The stored data of a user: of each list the newest [`RelatedRequest::EXPORT_LIMIT`] entries after its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserExport {
    /// The view of the user for the caller.
    pub user: UserView,
    /// The data besides the lists; none if the export continues an earlier one.
    pub records: Option<ExportedRecords>,
    /// The events about the user and its relationships, newest first.
    pub events: Option<EventPage>,
    /// Its followers.
    pub followers: Option<RelatedNames>,
    /// The users that it follows.
    pub following: Option<RelatedNames>,
    /// The users that it blocks.
    pub blocks: Option<RelatedNames>,
}

/// The stored data of a user besides its lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedRecords {
    /// The counters of login attempts.
    pub login_attempts: AccountAttempts,
    /// Its reserved names and idempotency records.
    pub records: StoredRecords,
    /// The numbers of its followers and followed users.
    pub counts: Counts,
}

/// Exports all stored data of a user.
#[derive(Clone)]
pub struct ExportUser {
    find_user: FindUser,
    change_log: Arc<dyn ChangeLog>,
    relationships: Arc<dyn Relationships>,
    attempts: Arc<dyn LoginAttempts>,
    records: Arc<dyn UserRecords>,
    clock: Arc<dyn Clock>,
}

impl ExportPositions {
    fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

impl ExportUser {
    pub(super) fn new(
        ports: &Ports,
        find_user: FindUser,
        relationships: Arc<dyn Relationships>,
    ) -> Self {
        Self {
            find_user,
            change_log: ports.change_log.clone(),
            relationships,
            attempts: ports.login_attempts.clone(),
            records: ports.records.clone(),
            clock: ports.clock.clone(),
        }
    }

    /// Returns the export. A user may export only its own data.
    ///
    /// # Errors
    /// [`FindUserError`]. Without permission the error does not reveal whether the user exists.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        from: &ExportPositions,
    ) -> Result<UserExport, FindUserError> {
        Self::permit(caller, id)?;
        let key = UserKey::Id(id);
        let found = self
            .find_user
            .find_permitted(caller, &key, Freshness::Current);
        let user = found.await?.view;
        let records = if from.are_none() {
            Some(self.records(caller, id).await?)
        } else {
            None
        };
        let includes = |has_position: bool| records.is_some() || has_position;
        let events = if includes(from.events.is_some()) {
            let limit = RelatedRequest::EXPORT_LIMIT;
            Some(self.events(caller, id, from.events, limit).await?)
        } else {
            None
        };
        let [followers, following, blocks] = [
            (RelatedList::Followers, from.followers),
            (RelatedList::Following, from.following),
            (RelatedList::Blocks, from.blocks),
        ]
        .map(|(list, after)| {
            includes(after.is_some())
                .then(|| list.request(caller, id, after, RelatedRequest::EXPORT_LIMIT))
        });
        Ok(UserExport {
            user,
            events,
            followers: self.list(followers).await?,
            following: self.list(following).await?,
            blocks: self.list(blocks).await?,
            records,
        })
    }

    /// Checks the caller's permission before its query is parsed.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn permit(caller: &Caller, id: UserId) -> Result<(), Denied> {
        permit(caller, Action::Export(id))
    }

    /// Returns one page of the events of an export, newest first.
    ///
    /// # Errors
    /// [`FindUserError`], as for an export.
    pub async fn history(
        &self,
        caller: &Caller,
        id: UserId,
        before: Option<EventPosition>,
        limit: u16,
    ) -> Result<EventPage, FindUserError> {
        Self::permit(caller, id)?;
        let key = UserKey::Id(id);
        let found = self
            .find_user
            .find_permitted(caller, &key, Freshness::Current);
        found.await?;
        Ok(self.events(caller, id, before, limit).await?)
    }

    async fn records(&self, caller: &Caller, id: UserId) -> Result<ExportedRecords, StoreError> {
        let viewer = viewer(caller).map(|viewer| viewer.id);
        let counts = self.relationships.counts(&[id], viewer).await?;
        Ok(ExportedRecords {
            login_attempts: self.attempts.of_user(id, self.clock.now()).await?,
            records: self.records.records_of(id).await?,
            counts: counts.first().copied().unwrap_or_default(),
        })
    }

    async fn events(
        &self,
        caller: &Caller,
        id: UserId,
        before: Option<EventPosition>,
        limit: u16,
    ) -> Result<EventPage, StoreError> {
        let request = EventsRequest {
            user: id,
            before,
            limit,
        };
        let mut page = self.change_log.about(&request).await?;
        if viewer(caller).is_some() {
            let hidden = self.hidden_from(id, &page).await?;
            page.events.retain(|event| is_shown(event, &hidden));
        }
        Ok(page)
    }

    /// Returns the users in the events that block the user. Deleted users and users that the user blocks itself are
    /// included, so that the cases cannot be told apart.
    async fn hidden_from(
        &self,
        id: UserId,
        page: &EventPage,
    ) -> Result<HashSet<UserId>, StoreError> {
        let others = page.events.iter().filter_map(|event| match event {
            UserEvent::User(_) => None,
            UserEvent::Relationship(event) => Some(event.edge.to()),
        });
        let others: HashSet<UserId> = others.collect();
        let others: Vec<UserId> = others.into_iter().collect();
        if others.is_empty() {
            return Ok(HashSet::new());
        }
        let flags = self
            .relationships
            .relationship_flags(id, &others, Perspective::Own)
            .await?;
        let hidden = others.into_iter().zip(flags);
        Ok(hidden
            .filter(|(_, flags)| flags.is_none_or(|flags| flags.blocking))
            .map(|(other, _)| other)
            .collect())
    }

    async fn list(
        &self,
        request: Option<RelatedRequest>,
    ) -> Result<Option<RelatedNames>, StoreError> {
        match request {
            None => Ok(None),
            Some(request) => self.relationships.related_names(&request).await.map(Some),
        }
    }
}

/// Whether a user sees an event about itself. The end of a follow by another user's block is hidden, because it would
/// reveal the block.
fn is_shown(event: &UserEvent, hidden: &HashSet<UserId>) -> bool {
    let UserEvent::Relationship(event) = event else {
        return true;
    };
    event.kind.is_about_blocks()
        || !(hidden.contains(&event.edge.to()) || event.actor.is_user_other_than(event.edge.from()))
}
