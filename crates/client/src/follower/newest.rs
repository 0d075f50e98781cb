//! Leaves out events that are not newer than what was applied.

use std::collections::HashMap;

use user_domain::values::{Revision, UserId};

use crate::events::CloudEvent;

/// The maximum number of users, and of relationships, to remember.
const MAX_REMEMBERED: usize = 100_000;

/// Remembers the newest event of each user and of each relationship, for consumers that can receive events again, such
/// as those of RabbitMQ.
///
/// It remembers 100,000 of each, and then starts again, so it saves work and is no proof: a consumer that must not apply
/// an old event also stores the revision with its copy.
#[derive(Debug, Default)]
pub struct NewestOnly {
    users: HashMap<UserId, Revision>,
    relationships: HashMap<(UserId, UserId), String>,
}

impl NewestOnly {
    /// Whether an event is newer than those that were recorded of its user or relationship.
    pub fn is_newer(&self, event: &CloudEvent) -> bool {
        match (event.data.revision, event.data.object) {
            (Some(_), _) => event.is_newer_than(self.users.get(&event.subject).copied()),
            (None, Some(object)) => {
                let known = self.relationships.get(&(event.subject, object));
                known.is_none_or(|known| event.sequence > *known)
            }
            (None, None) => true,
        }
    }

    /// Records that an event was applied.
    pub fn record(&mut self, event: &CloudEvent) {
        if !self.is_newer(event) {
            return;
        }
        if let Some(revision) = event.data.revision {
            bound(&mut self.users);
            self.users.insert(event.subject, revision);
        } else if let Some(object) = event.data.object {
            bound(&mut self.relationships);
            self.relationships
                .insert((event.subject, object), event.sequence.clone());
        }
    }
}

fn bound<K, V>(map: &mut HashMap<K, V>) {
    if map.len() >= MAX_REMEMBERED {
        map.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(sequence: &str, revision: Option<i64>, object: Option<&str>) -> CloudEvent {
        let event = json!({"id": "e", "source": "s", "type": "user.updated",
            "subject": "0199b8f2-7c1e-7000-8000-000000000000", "time": "2026-11-23T00:45:12.123456Z",
            "sequence": sequence,
            "data": {"revision": revision, "version": revision, "changed": [], "actor": null, "object": object, "user": null}});
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn an_older_or_repeated_event_of_a_user_is_not_newer() {
        let mut newest = NewestOnly::default();
        newest.record(&event("02", Some(2), None));
        assert!(!newest.is_newer(&event("01", Some(1), None)));
        assert!(!newest.is_newer(&event("03", Some(2), None)));
        assert!(newest.is_newer(&event("01", Some(3), None)));
        newest.record(&event("01", Some(1), None));
        assert!(!newest.is_newer(&event("03", Some(2), None)));
    }

    #[test]
    fn events_of_a_relationship_are_compared_by_their_sequence() {
        let object = Some("0199b8f2-7c1e-7000-8000-000000000001");
        let mut newest = NewestOnly::default();
        newest.record(&event("0010", None, object));
        assert!(!newest.is_newer(&event("0009", None, object)));
        assert!(newest.is_newer(&event("0011", None, object)));
        assert!(newest.is_newer(&event("0001", Some(1), None)));
    }
}
