//! What users are to each other: who follows whom, and who blocks whom.
//!
//! What may become of a relationship is decided here, by pure functions, for every store.

mod known;

use std::fmt;

use uuid::Uuid;

pub use known::{FollowOutcome, Known, NewFollow};

use crate::caller::Caller;
use crate::permissions::viewer;
use crate::user::{Actor, Status, User};
use crate::values::{Timestamp, UserId, Version};
use crate::write::WriteContext;

/// What one user is to another: they are always two.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    from: UserId,
    to: UserId,
}

/// What is to become of a relationship.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationshipChange {
    /// The one follows the other from now on.
    Follow,
    /// The one follows the other no more.
    Unfollow,
    /// The one blocks the other from now on: neither follows or finds the other any more.
    Block,
    /// The one blocks the other no more.
    Unblock,
}

/// A change of a relationship, on its way into a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationshipWrite {
    /// Who acts, and on whom.
    pub edge: Edge,
    /// What is to become of it.
    pub change: RelationshipChange,
    /// The ids of the events that it makes; those it does not need are lost.
    pub event_ids: [Uuid; RelationshipWrite::MOST_EVENTS],
}

/// What the rest of the platform is told about a relationship; it says all that a store is to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationshipEvent {
    /// Unique, for receivers that must not count an event twice.
    pub id: Uuid,
    /// What happened.
    pub kind: RelationshipEventKind,
    /// Who did it to whom; the one acts who follows or blocks.
    pub edge: Edge,
    /// Who did it.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}

/// What happened to a relationship.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationshipEventKind {
    /// The one began to follow the other.
    Followed,
    /// The one ceased to follow the other.
    Unfollowed,
    /// The one began to block the other.
    Blocked,
    /// The one ceased to block the other.
    Unblocked,
}

/// Why a relationship cannot change: one of the two is not there, is deleted, or blocks the other. Which it is nobody is
/// told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such user")]
pub struct NoSuchUser;

/// What a user is to another, and the other to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ties {
    /// It follows the other.
    pub following: bool,
    /// The other follows it.
    pub followed_by: bool,
    /// It blocks the other.
    pub blocking: bool,
}

/// How many follow a user, and how many it follows: active users only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Who follow it.
    pub followers: u64,
    /// Whom it follows.
    pub following: u64,
}

/// A list of those who have to do with one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelatedList {
    /// Who follow it.
    Followers,
    /// Whom it follows.
    Following,
    /// Whom it blocks.
    Blocks,
}

/// A place in a walk through a list: just behind this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelatedPosition {
    /// Since when the user is in the list.
    pub since: Timestamp,
    /// Who.
    pub id: UserId,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelatedRequest {
    /// Whose list.
    pub user: UserId,
    /// Which.
    pub list: RelatedList,
    /// Through whose eyes: who blocks this user, and whom it blocks, is left out. Everybody is shown if none.
    pub viewer: Option<UserId>,
    /// Behind which place; from the newest if none.
    pub after: Option<RelatedPosition>,
    /// How many at most, 1 to [`RelatedRequest::MOST`].
    pub limit: u16,
}

/// Somebody in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Who.
    pub user: User,
    /// Since when.
    pub since: Timestamp,
}

/// Some of a list, the newest first, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelatedPage {
    /// At most as many as asked for.
    pub related: Vec<Related>,
    /// The position of the last one, if others follow it.
    pub next: Option<RelatedPosition>,
}

impl Edge {
    /// Makes an edge, unless it would lead from a user to itself.
    pub fn between(from: UserId, to: UserId) -> Option<Self> {
        (from != to).then_some(Self { from, to })
    }

    /// Who acts.
    pub fn from(self) -> UserId {
        self.from
    }

    /// On whom.
    pub fn to(self) -> UserId {
        self.to
    }

    /// The edge between the same two the other way.
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
    /// Whether it may change whether the one who acts blocks anybody.
    pub fn is_of_blocks(self) -> bool {
        match self {
            Self::Follow | Self::Unfollow => false,
            Self::Block | Self::Unblock => true,
        }
    }
}

impl RelationshipWrite {
    /// The most events that one change makes: a block that ends two follows.
    pub const MOST_EVENTS: usize = 3;
}

impl RelationshipEvent {
    /// The kind of thing that it is about, in the outbox. The one who acts is its subject, the other its object.
    pub const SUBJECT_KIND: &str = "relationship";

    /// The number of the state that the change made: relationships are not counted, so it is the first.
    pub fn version(&self) -> Version {
        Version::FIRST
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
    /// The most users of a page that a caller may ask for.
    pub const MOST: u16 = 200;
    /// The most users of a list in an export; whoever wants the rest goes on from there.
    pub const EXPORTED: u16 = 1000;
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

    /// Makes the request for a page that a caller is to see. Nobody is hidden from whoever blocks it in the list that tells
    /// so.
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

    /// Whether a user of this status is in the list: who is suspended neither follows nor is followed, but stays blocked.
    pub fn shows(self, status: Status) -> bool {
        match self {
            Self::Followers | Self::Following => status.is_counted(),
            Self::Blocks => status != Status::Deleted,
        }
    }
}

#[cfg(test)]
mod tests;
