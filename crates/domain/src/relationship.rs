//! Follows and blocks between users.
//!
//! The rules are pure functions that every store uses.

mod locked;

use std::fmt;

use uuid::Uuid;

pub use locked::{FollowOutcome, LockedRelationships, NewFollow, RelationshipRefused};

use crate::caller::Caller;
use crate::permissions::viewer;
use crate::user::{Actor, User};
use crate::values::{Revision, Timestamp, UserId};
use crate::write::WriteContext;

/// A directed pair of two different users.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    from: UserId,
    to: UserId,
}

/// A requested change of a relationship.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationshipChange {
    /// Start to follow.
    Follow,
    /// Stop following.
    Unfollow,
    /// Start to block. The two users no longer follow or find each other.
    Block,
    /// Stop blocking.
    Unblock,
}

/// A change of a relationship that a store is to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationshipWrite {
    /// The acting user and the target.
    pub edge: Edge,
    /// The change.
    pub change: RelationshipChange,
    /// The ids for its events; unused ids are discarded.
    pub event_ids: [Uuid; RelationshipWrite::MAX_EVENTS],
}

/// An event about a relationship, for the outbox. It contains everything that a store has to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationshipEvent {
    /// The unique id, by which receivers detect duplicates.
    pub id: Uuid,
    /// What happened.
    pub kind: RelationshipEventKind,
    /// The user that follows or blocks, and the target.
    pub edge: Edge,
    /// The actor of the write.
    pub actor: Actor,
    /// The time of the write.
    pub at: Timestamp,
}

/// What happened to a relationship.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationshipEventKind {
    /// A user started to follow the target.
    Followed,
    /// A follow ended.
    Unfollowed,
    /// A user started to block the target.
    Blocked,
    /// A block ended.
    Unblocked,
}

/// The relationship of a user to another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelationshipFlags {
    /// Whether the user follows the other.
    pub following: bool,
    /// Whether the other follows the user.
    pub followed_by: bool,
    /// Whether the user blocks the other.
    pub blocking: bool,
}

/// The numbers of followers and followed users of a user, active users only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// The number of its followers.
    pub followers: u64,
    /// The number of users that it follows.
    pub following: u64,
}

/// A list of the users that are related to one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelatedList {
    /// The followers of the user.
    Followers,
    /// The users that it follows.
    Following,
    /// The users that it blocks.
    Blocks,
}

/// A list that shows the current state of its users. Blocks are not such a list: a user must not see the current state
/// of the users that it blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FollowList {
    /// The followers of a user.
    Followers,
    /// The users that it follows.
    Following,
}

/// A position in a list: directly after this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelatedPosition {
    /// When the user was added to the list.
    pub since: Timestamp,
    /// The user's id.
    pub id: UserId,
}

/// The request for one page of a list; of a [`FollowList`] if the page shows the current state of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelatedRequest<L = RelatedList> {
    /// The user whose list is read.
    pub user: UserId,
    /// The list.
    pub list: L,
    /// The user that sees the page: users that block it or are blocked by it are omitted. If none, no user is omitted.
    pub viewer: Option<UserId>,
    /// The position after which the page starts; the newest entry if none.
    pub after: Option<RelatedPosition>,
    /// The maximum number of users, 1 to [`RelatedRequest::MAX_LIMIT`].
    pub limit: u16,
}

/// A user in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// The user.
    pub user: User,
    /// When the user was added to the list.
    pub since: Timestamp,
}

/// A user in a list, without its profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelatedName {
    /// The user's id.
    pub id: UserId,
    /// The username as typed; for a blocked user the name that was stored with the block
    /// ([`LockedRelationships::name_to_keep`]), if any.
    pub username: Option<String>,
    /// When the user was added to the list.
    pub since: Timestamp,
}

/// One page of a list, newest first, with names only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelatedNames {
    /// The entries, at most as many as requested.
    pub names: Vec<RelatedName>,
    /// The position of the last entry, if there are more.
    pub next: Option<RelatedPosition>,
}

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelatedPage {
    /// The entries, at most as many as requested.
    pub related: Vec<Related>,
    /// The position of the last entry, if there are more.
    pub next: Option<RelatedPosition>,
}

impl RelationshipFlags {
    /// The relationship to a blocked user: a block ends every follow between the two.
    pub const BLOCKING: Self = Self {
        following: false,
        followed_by: false,
        blocking: true,
    };
}

impl Edge {
    /// Creates an edge; none if both users are the same.
    pub fn between(from: UserId, to: UserId) -> Option<Self> {
        (from != to).then_some(Self { from, to })
    }

    /// The acting user.
    pub fn from(self) -> UserId {
        self.from
    }

    /// The target.
    pub fn to(self) -> UserId {
        self.to
    }

    /// The edge in the opposite direction.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
        }
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}→{}", self.from, self.to)
    }
}

impl RelationshipChange {
    /// Whether the change is about blocks, and so may change `has_blocks` of the acting user.
    pub fn is_about_blocks(self) -> bool {
        match self {
            Self::Follow | Self::Unfollow => false,
            Self::Block | Self::Unblock => true,
        }
    }
}

impl RelationshipWrite {
    /// The maximum number of users that one user may block.
    pub const MAX_BLOCKS: u64 = 10_000;
    /// The maximum number of events of one change: a block that ends two follows.
    pub const MAX_EVENTS: usize = 3;
}

impl RelationshipEvent {
    /// The subject kind in the outbox. The acting user is the subject, the target the object.
    pub const SUBJECT_KIND: &str = "relationship";

    /// The revision after the change. Relationships have no revisions, so it is always the first.
    pub fn revision(&self) -> Revision {
        Revision::FIRST
    }

    fn new(kind: RelationshipEventKind, edge: Edge, id: Uuid, context: &WriteContext) -> Self {
        Self {
            id,
            kind,
            edge,
            actor: context.actor.clone(),
            at: context.at,
        }
    }
}

impl RelationshipEventKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::Followed,
        Self::Unfollowed,
        Self::Blocked,
        Self::Unblocked,
    ];

    /// Finds an event kind by its type.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether the event is about a block.
    pub fn is_about_blocks(self) -> bool {
        match self {
            Self::Followed | Self::Unfollowed => false,
            Self::Blocked | Self::Unblocked => true,
        }
    }

    /// The event's type on the wire and in the outbox.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Followed => "user.followed",
            Self::Unfollowed => "user.unfollowed",
            Self::Blocked => "user.blocked",
            Self::Unblocked => "user.unblocked",
        }
    }
}

impl RelatedRequest {
    /// The maximum page size that a caller may request.
    pub const MAX_LIMIT: u16 = 200;
    /// The maximum number of users or events of one list in an export; the rest is read by cursor.
    pub const EXPORT_LIMIT: u16 = 1000;
}

impl RelatedList {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Followers => "followers",
            Self::Following => "following",
            Self::Blocks => "blocks",
        }
    }

    /// Creates the request for a page that a caller sees. The list of blocks omits no user.
    pub fn request(
        self,
        caller: &Caller,
        user: UserId,
        after: Option<RelatedPosition>,
        limit: u16,
    ) -> RelatedRequest {
        let viewer = match self {
            Self::Followers | Self::Following => viewer(caller).map(|viewer| viewer.id),
            Self::Blocks => None,
        };
        RelatedRequest {
            user,
            list: self,
            viewer,
            after,
            limit,
        }
    }
}

impl FollowList {
    /// Creates the request for a page that a caller sees, as [`RelatedList::request`] does.
    pub fn request(
        self,
        caller: &Caller,
        user: UserId,
        after: Option<RelatedPosition>,
        limit: u16,
    ) -> RelatedRequest<Self> {
        let request = RelatedList::from(self).request(caller, user, after, limit);
        RelatedRequest {
            user,
            list: self,
            viewer: request.viewer,
            after,
            limit,
        }
    }
}

impl From<FollowList> for RelatedList {
    fn from(list: FollowList) -> Self {
        match list {
            FollowList::Followers => Self::Followers,
            FollowList::Following => Self::Following,
        }
    }
}

impl From<&RelatedRequest<FollowList>> for RelatedRequest {
    fn from(request: &RelatedRequest<FollowList>) -> Self {
        Self {
            user: request.user,
            list: request.list.into(),
            viewer: request.viewer,
            after: request.after,
            limit: request.limit,
        }
    }
}

#[cfg(test)]
mod tests;
