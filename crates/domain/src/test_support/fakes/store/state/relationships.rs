use std::collections::{HashMap, HashSet};

use super::{LogEntry, State};
use crate::ports::{Perspective, RelationshipWritten};
use crate::relationship::{
    Counts, Edge, FollowList, FollowOutcome, LockedRelationships, NewFollow, Related, RelatedList,
    RelatedName, RelatedNames, RelatedPage, RelatedPosition, RelatedRequest, RelationshipEvent,
    RelationshipEventKind, RelationshipFlags, RelationshipWrite,
};
use crate::user::{Change, Status, User};
use crate::values::{Timestamp, UserId};
use crate::write::{Precondition, WriteContext, WriteError};

/// A stored block.
#[derive(Debug, Clone)]
pub(super) struct Block {
    since: Timestamp,
    name: Option<String>,
}

impl State {
    pub(in super::super) fn change_relationship(
        &mut self,
        write: &RelationshipWrite,
        context: &WriteContext,
    ) -> Result<RelationshipWritten, WriteError> {
        if self.replay(context)?.is_some() {
            return Ok(RelationshipWritten::Replayed);
        }
        let mut known = self.known();
        let name = known.name_to_keep(write.edge).map(str::to_owned);
        let events = known.apply(write, context)?;
        let actor = write.edge.from();
        self.record(actor.as_uuid(), context);
        if events.is_empty() {
            return Ok(RelationshipWritten::Unchanged);
        }
        self.write_relationships(events, name.as_deref());
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
        let (outcomes, events) = self.known().follow_many(follows, context);
        self.write_relationships(events, None);
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

    pub(in super::super) fn relationship_flags(
        &self,
        user: UserId,
        other: UserId,
        perspective: Perspective,
    ) -> Option<RelationshipFlags> {
        let edge = Edge::between(user, other);
        if edge.is_some_and(|edge| self.blocks.contains_key(&edge)) {
            return Some(RelationshipFlags::BLOCKING);
        }
        let status = self.users.get(&other)?.status();
        if status == Status::Deleted {
            return None;
        }
        let Some(edge) = edge else {
            return Some(RelationshipFlags::default());
        };
        if perspective == Perspective::Own && self.blocks.contains_key(&edge.reversed()) {
            return None;
        }
        Some(RelationshipFlags {
            following: self.follows.contains_key(&edge),
            followed_by: self.follows.contains_key(&edge.reversed()),
            blocking: false,
        })
    }

    pub(in super::super) fn related_names(&self, request: &RelatedRequest) -> RelatedNames {
        let follows = |list: FollowList| -> Vec<RelatedName> {
            let is_shown = |status| status != Status::Deleted;
            self.listed(request.user, list, request.viewer, is_shown)
                .map(|(user, since)| RelatedName {
                    id: user.id,
                    username: Some(user.username.as_str().to_owned()),
                    since,
                })
                .collect()
        };
        let names: Vec<RelatedName> = match request.list {
            RelatedList::Blocks => {
                let blocks = self.blocks.iter();
                let own = blocks.filter(|(edge, _)| edge.from() == request.user);
                own.map(|(edge, block)| RelatedName {
                    id: edge.to(),
                    username: block.name.clone(),
                    since: block.since,
                })
                .collect()
            }
            RelatedList::Followers => follows(FollowList::Followers),
            RelatedList::Following => follows(FollowList::Following),
        };
        let (names, next) = page_of(names, request, |one| (one.since, one.id));
        RelatedNames { names, next }
    }

    pub(in super::super) fn related(&self, request: &RelatedRequest<FollowList>) -> RelatedPage {
        let is_shown = Status::is_counted;
        let related: Vec<Related> = self
            .listed(request.user, request.list, request.viewer, is_shown)
            .map(|(user, since)| Related {
                user: user.clone(),
                since,
            })
            .collect();
        let (related, next) = page_of(related, request, |one| (one.since, one.user.id));
        RelatedPage { related, next }
    }

    pub(in super::super) fn counts(&self, user: UserId, viewer: Option<UserId>) -> Counts {
        let count = |list: FollowList| {
            let listed = self.listed(user, list, viewer, Status::is_counted);
            listed.map(|_| 1).sum()
        };
        Counts {
            followers: count(FollowList::Followers),
            following: count(FollowList::Following),
        }
    }

    /// Removes the relationships of an erased user.
    pub(super) fn remove_relationships(&mut self, user: UserId) {
        self.follows
            .retain(|edge, _| edge.from() != user && edge.to() != user);
        self.blocks.retain(|edge, _| edge.from() != user);
        for (edge, block) in &mut self.blocks {
            if edge.to() == user {
                block.name = None;
            }
        }
    }

    /// Returns the users of a list, unordered.
    fn listed(
        &self,
        user: UserId,
        list: FollowList,
        viewer: Option<UserId>,
        is_shown: impl Fn(Status) -> bool,
    ) -> impl Iterator<Item = (&User, Timestamp)> {
        let others = self.follows.iter().filter_map(move |(edge, since)| {
            let (own, other) = match list {
                FollowList::Followers => (edge.to(), edge.from()),
                FollowList::Following => (edge.from(), edge.to()),
            };
            (own == user).then_some((other, *since))
        });
        others.filter_map(move |(other, since)| {
            let other = self.users.get(&other)?.as_ref();
            let is_hidden = viewer.is_some_and(|viewer| self.hides(viewer, other.id));
            (is_shown(other.status()) && !is_hidden).then_some((other, since))
        })
    }

    fn hides(&self, viewer: UserId, other: UserId) -> bool {
        Edge::between(viewer, other).is_some_and(|edge| {
            self.blocks.contains_key(&edge) || self.blocks.contains_key(&edge.reversed())
        })
    }

    fn known(&self) -> LockedRelationships {
        LockedRelationships {
            statuses: self.users().map(|user| (user.id, user.status())).collect(),
            names: self
                .users()
                .map(|user| (user.id, user.username.as_str().to_owned()))
                .collect(),
            block_counts: self.blocks.keys().fold(HashMap::new(), |mut counts, edge| {
                *counts.entry(edge.from()).or_default() += 1;
                counts
            }),
            follows: self.follows.keys().copied().collect(),
            blocks: self.blocks.keys().copied().collect(),
        }
    }

    /// Applies relationship events. `name` is stored with a block.
    fn write_relationships(&mut self, events: Vec<RelationshipEvent>, name: Option<&str>) {
        for event in events {
            match event.kind {
                RelationshipEventKind::Followed => drop(self.follows.insert(event.edge, event.at)),
                RelationshipEventKind::Unfollowed => drop(self.follows.remove(&event.edge)),
                RelationshipEventKind::Blocked => {
                    let name = name.map(str::to_owned);
                    let since = event.at;
                    self.blocks.insert(event.edge, Block { since, name });
                }
                RelationshipEventKind::Unblocked => drop(self.blocks.remove(&event.edge)),
            }
            self.log(LogEntry::Relationship(event));
        }
    }
}

/// Sorts a list, cuts it to the requested page and returns the next position if more entries follow.
fn page_of<T, L>(
    mut list: Vec<T>,
    request: &RelatedRequest<L>,
    place: impl Fn(&T) -> (Timestamp, UserId),
) -> (Vec<T>, Option<RelatedPosition>) {
    list.sort_by_key(|one| std::cmp::Reverse(place(one)));
    if let Some(after) = request.after {
        list.retain(|one| place(one) < (after.since, after.id));
    }
    let has_more = list.len() > usize::from(request.limit);
    list.truncate(usize::from(request.limit));
    let next = list.last().filter(|_| has_more).map(place);
    let next = next.map(|(since, id)| RelatedPosition { since, id });
    (list, next)
}
