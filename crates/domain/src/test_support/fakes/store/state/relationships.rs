use std::collections::HashSet;

use super::{State, Told};
use crate::ports::{Eyes, RelationshipWritten};
use crate::relationship::{
    Counts, Edge, FollowOutcome, Known, NewFollow, Related, RelatedList, RelatedPage,
    RelatedPosition, RelatedRequest, RelationshipEvent, RelationshipEventKind, RelationshipWrite,
    Ties,
};
use crate::user::{Change, Status, User};
use crate::values::{Timestamp, UserId};
use crate::write::{Precondition, WriteContext, WriteError};

impl State {
    pub(in super::super) fn change_relationship(
        &mut self,
        write: &RelationshipWrite,
        context: &WriteContext,
    ) -> Result<RelationshipWritten, WriteError> {
        if self.replay(context)?.is_some() {
            return Ok(RelationshipWritten::Replayed);
        }
        let told = self.known().apply(write, context);
        let told = told.map_err(|_| WriteError::NotFound)?;
        let actor = write.edge.from();
        self.record(actor, context);
        if told.is_empty() {
            return Ok(RelationshipWritten::Unchanged);
        }
        self.write_relationships(told);
        let has_blocks = self.blocks.keys().any(|edge| edge.from() == actor);
        let user = self.current(actor)?;
        let context = WriteContext {
            precondition: Precondition::None,
            idempotency: None,
            ..context.clone()
        };
        let applied = user.apply(&Change::SetHasBlocks(has_blocks), &context)?;
        if let Some(applied) = &applied {
            self.store(applied, &context);
        }
        let user = applied.map(|applied| applied.user);
        Ok(RelationshipWritten::Applied(user))
    }

    pub(in super::super) fn follow_many(
        &mut self,
        follows: &[NewFollow],
        context: &WriteContext,
    ) -> Vec<FollowOutcome> {
        let (outcomes, told) = self.known().follow_many(follows, context);
        self.write_relationships(told);
        outcomes
    }

    pub(in super::super) fn hidden_from(
        &self,
        viewer: UserId,
        others: &[UserId],
    ) -> HashSet<UserId> {
        let others = others.iter().copied();
        others.filter(|other| self.hides(viewer, *other)).collect()
    }

    pub(in super::super) fn ties(&self, user: UserId, other: UserId, eyes: Eyes) -> Option<Ties> {
        let status = self.users.get(&other)?.status();
        if status == Status::Deleted {
            return None;
        }
        let Some(edge) = Edge::between(user, other) else {
            return Some(Ties::default());
        };
        let blocking = self.blocks.contains_key(&edge);
        if eyes == Eyes::Own && self.blocks.contains_key(&edge.reversed()) {
            return None;
        }
        Some(Ties {
            following: self.follows.contains_key(&edge),
            followed_by: self.follows.contains_key(&edge.reversed()),
            blocking,
        })
    }

    pub(in super::super) fn related(&self, request: &RelatedRequest) -> RelatedPage {
        let mut related: Vec<Related> = self
            .listed(request.user, request.list, request.viewer)
            .map(|(user, since)| Related {
                user: user.clone(),
                since,
            })
            .collect();
        related.sort_by_key(|one| std::cmp::Reverse((one.since, one.user.id)));
        if let Some(after) = request.after {
            related.retain(|one| (one.since, one.user.id) < (after.since, after.id));
        }
        let has_more = related.len() > usize::from(request.limit);
        related.truncate(usize::from(request.limit));
        let last = related.last().filter(|_| has_more);
        let next = last.map(|last| RelatedPosition {
            since: last.since,
            id: last.user.id,
        });
        RelatedPage { related, next }
    }

    pub(in super::super) fn counts(&self, user: UserId, viewer: Option<UserId>) -> Counts {
        let count = |list| self.listed(user, list, viewer).map(|_| 1).sum();
        Counts {
            followers: count(RelatedList::Followers),
            following: count(RelatedList::Following),
        }
    }

    /// Removes what a user that is erased was to others.
    pub(super) fn forget_relationships(&mut self, user: UserId) {
        let is_anothers = |edge: &Edge| edge.from() != user && edge.to() != user;
        self.follows.retain(|edge, _| is_anothers(edge));
        self.blocks.retain(|edge, _| is_anothers(edge));
    }

    /// Gives those in a list, in no order.
    fn listed(
        &self,
        user: UserId,
        list: RelatedList,
        viewer: Option<UserId>,
    ) -> impl Iterator<Item = (&User, Timestamp)> {
        let edges = match list {
            RelatedList::Followers | RelatedList::Following => &self.follows,
            RelatedList::Blocks => &self.blocks,
        };
        let others = edges.iter().filter_map(move |(edge, since)| {
            let (own, other) = match list {
                RelatedList::Followers => (edge.to(), edge.from()),
                RelatedList::Following | RelatedList::Blocks => (edge.from(), edge.to()),
            };
            (own == user).then_some((other, *since))
        });
        others.filter_map(move |(other, since)| {
            let other = self.users.get(&other)?.as_ref();
            let is_hidden = viewer.is_some_and(|viewer| self.hides(viewer, other.id));
            (list.shows(other.status()) && !is_hidden).then_some((other, since))
        })
    }

    fn hides(&self, viewer: UserId, other: UserId) -> bool {
        Edge::between(viewer, other).is_some_and(|edge| {
            self.blocks.contains_key(&edge) || self.blocks.contains_key(&edge.reversed())
        })
    }

    fn known(&self) -> Known {
        Known {
            statuses: self.users().map(|user| (user.id, user.status())).collect(),
            follows: self.follows.keys().copied().collect(),
            blocks: self.blocks.keys().copied().collect(),
        }
    }

    fn write_relationships(&mut self, told: Vec<RelationshipEvent>) {
        for event in told {
            match event.kind {
                RelationshipEventKind::Followed => drop(self.follows.insert(event.edge, event.at)),
                RelationshipEventKind::Unfollowed => drop(self.follows.remove(&event.edge)),
                RelationshipEventKind::Blocked => drop(self.blocks.insert(event.edge, event.at)),
                RelationshipEventKind::Unblocked => drop(self.blocks.remove(&event.edge)),
            }
            self.number(Told::Relationship(event));
        }
    }
}
