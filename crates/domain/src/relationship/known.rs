//! `Known::apply`: pure, and the only code that decides what becomes of a relationship.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{
    Edge, NoSuchUser, RelationshipChange, RelationshipEvent, RelationshipEventKind,
    RelationshipWrite,
};
use crate::user::Status;
use crate::values::UserId;
use crate::write::WriteContext;

/// What a store holds of some users and of what they are to each other, while nobody else changes it.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The status of each user that there is.
    pub statuses: HashMap<UserId, Status>,
    /// Who follows whom.
    pub follows: HashSet<Edge>,
    /// Who blocks whom.
    pub blocks: HashSet<Edge>,
}

/// One of many follows, on its way into a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewFollow {
    /// Who follows whom.
    pub edge: Edge,
    /// The id of the event that it makes; lost if it makes none.
    pub event_id: Uuid,
}

/// What became of one of many follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FollowOutcome {
    /// The one follows the other from now on.
    Followed,
    /// It did already.
    Unchanged,
    /// One of the two is not there, is deleted, or blocks the other.
    NoSuchUser,
}

impl Known {
    /// Applies a change, and gives what is to be written and told, in order; nothing if nothing changes.
    ///
    /// A block ends what follows there are between the two; while there is one, none begins. Who is blocked by another
    /// may do nothing to it, as if it were not there; who blocks another may cease to, and may end what is not there.
    ///
    /// # Errors
    /// [`NoSuchUser`].
    pub fn apply(
        &mut self,
        write: &RelationshipWrite,
        context: &WriteContext,
    ) -> Result<Vec<RelationshipEvent>, NoSuchUser> {
        let edge = write.edge;
        self.expect_there(edge.from())?;
        self.expect_there(edge.to())?;
        if self.blocks.contains(&edge.reversed()) {
            return Err(NoSuchUser);
        }
        let mut done = Vec::with_capacity(1);
        match write.change {
            RelationshipChange::Follow => {
                if self.blocks.contains(&edge) {
                    return Err(NoSuchUser);
                }
                if self.follows.insert(edge) {
                    done.push((RelationshipEventKind::Followed, edge));
                }
            }
            RelationshipChange::Unfollow => self.unfollow(edge, &mut done),
            RelationshipChange::Block => {
                if self.blocks.insert(edge) {
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
        let told = done.into_iter().zip(write.event_ids);
        Ok(told
            .map(|((kind, edge), id)| RelationshipEvent::new(kind, edge, id, context))
            .collect())
    }

    /// Applies many follows, a later one seeing what an earlier one did; gives what became of each, and what is to be
    /// written and told, in order.
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
                event_ids: [follow.event_id; RelationshipWrite::MOST_EVENTS],
            };
            match self.apply(&write, context) {
                Err(NoSuchUser) => FollowOutcome::NoSuchUser,
                Ok(told) if told.is_empty() => FollowOutcome::Unchanged,
                Ok(told) => {
                    events.extend(told);
                    FollowOutcome::Followed
                }
            }
        });
        let outcomes = outcomes.collect();
        (outcomes, events)
    }

    /// Tells whether a user is counted among those who follow others and are followed.
    pub fn is_counted(&self, user: UserId) -> bool {
        let status = self.statuses.get(&user);
        status.is_some_and(|status| status.is_counted())
    }

    fn expect_there(&self, user: UserId) -> Result<(), NoSuchUser> {
        match self.statuses.get(&user) {
            None | Some(Status::Deleted) => Err(NoSuchUser),
            Some(Status::Active | Status::Suspended) => Ok(()),
        }
    }

    fn unfollow(&mut self, edge: Edge, done: &mut Vec<(RelationshipEventKind, Edge)>) {
        if self.follows.remove(&edge) {
            done.push((RelationshipEventKind::Unfollowed, edge));
        }
    }
}
