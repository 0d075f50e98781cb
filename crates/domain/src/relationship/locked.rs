//! `LockedRelationships::apply`: the pure function that decides every change of a relationship.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{
    Edge, RelationshipChange, RelationshipEvent, RelationshipEventKind, RelationshipWrite,
};
use crate::user::{ChangeRefused, Status};
use crate::values::UserId;
use crate::write::{WriteContext, WriteError};
use crate::{Fault, Violation};

/// The stored state of some users and their relationships, while it is locked against concurrent changes.
#[derive(Debug, Clone, Default)]
pub struct LockedRelationships {
    /// The status of each user that exists.
    pub statuses: HashMap<UserId, Status>,
    /// The usernames of the users that may be blocked.
    pub names: HashMap<UserId, String>,
    /// The number of blocks of each user that may block; counting may stop at [`RelationshipWrite::MAX_BLOCKS`].
    pub block_counts: HashMap<UserId, u64>,
    /// The existing follows.
    pub follows: HashSet<Edge>,
    /// The existing blocks.
    pub blocks: HashSet<Edge>,
}

/// Why a change of a relationship was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelationshipRefused {
    /// One of the users does not exist, is deleted, or blocks the other. Callers must not be able to tell the cases
    /// apart.
    #[error("there is no such user")]
    NoSuchUser,
    /// The acting user already blocks [`RelationshipWrite::MAX_BLOCKS`] others.
    #[error("the user has reached the limit of blocks")]
    TooManyBlocks,
}

impl From<RelationshipRefused> for WriteError {
    fn from(refused: RelationshipRefused) -> Self {
        match refused {
            RelationshipRefused::NoSuchUser => Self::NotFound,
            RelationshipRefused::TooManyBlocks => {
                let most = RelationshipWrite::MAX_BLOCKS;
                let rule = format!("Must not be blocked by a user who blocks {most} others.");
                let fault = Fault::new("target", &Violation::new("too_many_blocks", rule));
                Self::Refused(ChangeRefused::Invalid(vec![fault]))
            }
        }
    }
}

/// One follow of a batch that a store is to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewFollow {
    /// The follower and the target.
    pub edge: Edge,
    /// The id of its event; unused if the follow changes nothing.
    pub event_id: Uuid,
}

/// The outcome of one follow of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FollowOutcome {
    /// The follow was created.
    Followed,
    /// The follow already existed.
    Unchanged,
    /// One of the users does not exist, is deleted, or blocks the other.
    NoSuchUser,
}

impl LockedRelationships {
    /// Applies a change, and returns the events to write, in order; none if nothing changes.
    ///
    /// A block ends the follows between the two users and prevents new ones. A user that is blocked by another can
    /// neither follow nor unfollow it, as if it did not exist.
    ///
    /// Any id can be blocked, even that of a user that blocks the acting user, is deleted or never existed. The answer
    /// to a block therefore reveals nothing about the target.
    ///
    /// # Errors
    /// [`RelationshipRefused`].
    pub fn apply(
        &mut self,
        write: &RelationshipWrite,
        context: &WriteContext,
    ) -> Result<Vec<RelationshipEvent>, RelationshipRefused> {
        let edge = write.edge;
        self.ensure_exists(edge.from())?;
        if !write.change.is_about_blocks() {
            self.ensure_exists(edge.to())?;
            if self.blocks.contains(&edge.reversed()) {
                return Err(RelationshipRefused::NoSuchUser);
            }
        }
        let mut done = Vec::with_capacity(1);
        match write.change {
            RelationshipChange::Follow => {
                if self.blocks.contains(&edge) {
                    return Err(RelationshipRefused::NoSuchUser);
                }
                if self.follows.insert(edge) {
                    done.push((RelationshipEventKind::Followed, edge));
                }
            }
            RelationshipChange::Unfollow => self.unfollow(edge, &mut done),
            RelationshipChange::Block => {
                if !self.blocks.contains(&edge) {
                    self.ensure_below_block_limit(edge.from())?;
                    self.blocks.insert(edge);
                    self.unfollow(edge, &mut done);
                    self.unfollow(edge.reversed(), &mut done);
                    done.push((RelationshipEventKind::Blocked, edge));
                }
            }
            RelationshipChange::Unblock => {
                if self.blocks.remove(&edge) {
                    done.push((RelationshipEventKind::Unblocked, edge));
                }
            }
        }
        let events = done.into_iter().zip(write.event_ids);
        Ok(events
            .map(|((kind, edge), id)| RelationshipEvent::new(kind, edge, id, context))
            .collect())
    }

    /// Applies many follows in order, and returns the outcome of each and the events to write, in order.
    pub fn follow_many(
        &mut self,
        follows: &[NewFollow],
        context: &WriteContext,
    ) -> (Vec<FollowOutcome>, Vec<RelationshipEvent>) {
        let mut events = Vec::with_capacity(follows.len());
        let outcomes = follows.iter().map(|follow| {
            let write = RelationshipWrite {
                edge: follow.edge,
                change: RelationshipChange::Follow,
                event_ids: [follow.event_id; RelationshipWrite::MAX_EVENTS],
            };
            match self.apply(&write, context) {
                Err(RelationshipRefused::NoSuchUser | RelationshipRefused::TooManyBlocks) => {
                    FollowOutcome::NoSuchUser
                }
                Ok(new) if new.is_empty() => FollowOutcome::Unchanged,
                Ok(new) => {
                    events.extend(new);
                    FollowOutcome::Followed
                }
            }
        });
        let outcomes = outcomes.collect();
        (outcomes, events)
    }

    /// Whether a user is included in follow counts.
    pub fn is_counted(&self, user: UserId) -> bool {
        let status = self.statuses.get(&user);
        status.is_some_and(|status| status.is_counted())
    }

    /// Returns the username to store with a block, under which the blocked user is listed from then on.
    ///
    /// None if the acting user could not see the target. A list of blocks therefore does not distinguish a target that
    /// blocks the acting user from one that does not exist.
    pub fn name_to_keep(&self, block: Edge) -> Option<&str> {
        self.ensure_exists(block.to()).ok()?;
        if self.blocks.contains(&block.reversed()) {
            return None;
        }
        self.names.get(&block.to()).map(String::as_str)
    }

    fn ensure_exists(&self, user: UserId) -> Result<(), RelationshipRefused> {
        match self.statuses.get(&user) {
            None | Some(Status::Deleted) => Err(RelationshipRefused::NoSuchUser),
            Some(Status::Active | Status::Suspended) => Ok(()),
        }
    }

    fn ensure_below_block_limit(&self, user: UserId) -> Result<(), RelationshipRefused> {
        match self.block_counts.get(&user) {
            Some(count) if *count >= RelationshipWrite::MAX_BLOCKS => {
                Err(RelationshipRefused::TooManyBlocks)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn unfollow(&mut self, edge: Edge, done: &mut Vec<(RelationshipEventKind, Edge)>) {
        if self.follows.remove(&edge) {
            done.push((RelationshipEventKind::Unfollowed, edge));
        }
    }
}
