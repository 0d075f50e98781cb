//! What users are to each other, as JSON.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use user_domain::relationship::{Counts, Related, RelatedList, RelatedPage, RelatedPosition};
use user_domain::use_cases::{
    ExportedRelationships, FollowInput, FollowResult, MAX_FOLLOWS, Relationship,
};
use user_domain::values::{Timestamp, UserId};
use user_domain::{Fault, Violation};

use crate::problem::{Code, MAX_FAULTS, Problem, oneself};

/// How many follow a user, and how many it follows.
#[derive(Serialize)]
pub(crate) struct CountsBody {
    followers: u64,
    following: u64,
}

/// What others are to a user, in the order asked; null where there is nobody.
#[derive(Serialize)]
pub(crate) struct Relationships {
    relationships: Vec<Option<RelationshipBody>>,
}

#[derive(Serialize)]
struct RelationshipBody {
    id: UserId,
    following: bool,
    followed_by: bool,
    blocking: bool,
}

/// Those who have to do with a user, in an export.
#[derive(Serialize)]
pub(crate) struct RelatedLists<'a> {
    counts: CountsBody,
    followers: RelatedListBody<'a>,
    following: RelatedListBody<'a>,
    blocks: RelatedListBody<'a>,
}

#[derive(Serialize)]
struct RelatedListBody<'a> {
    users: Vec<RelatedBody<'a>>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct RelatedBody<'a> {
    id: UserId,
    username: &'a str,
    since: Timestamp,
}

/// What became of many follows, in their order.
#[derive(Serialize)]
pub(crate) struct FollowResults {
    results: Vec<FollowResultBody>,
}

/// What became of one follow, as a call for it alone would have been answered.
struct FollowResultBody(FollowResult);

#[derive(Serialize)]
struct Done {
    status: u16,
    changed: bool,
}

#[derive(Serialize)]
struct Refused<'a> {
    status: u16,
    code: &'a str,
    detail: &'a str,
}

/// Reads who is to follow whom.
pub(crate) fn decode_edges(document: Map<String, Value>) -> Result<Vec<FollowInput>, Problem> {
    let mut edges = None;
    let mut faults = Faults::default();
    for (name, value) in document {
        match (name.as_str(), value) {
            ("edges", Value::Array(items)) => edges = Some(items),
            ("edges", _) => faults.mistyped(vec![name], "Must be an array of objects."),
            _ => faults.unknown(vec![name]),
        }
    }
    if edges.is_none() && faults.0.is_empty() {
        faults.missing(vec!["edges".to_owned()]);
    }
    // One more than are done tells that there are too many; the others are not looked at.
    let items = edges.into_iter().flatten().take(MAX_FOLLOWS + 1);
    let read = items.enumerate();
    let edges = read
        .filter_map(|(index, item)| edge(index, item, &mut faults))
        .collect();
    if faults.0.is_empty() {
        Ok(edges)
    } else {
        Err(Problem::invalid(&faults.0))
    }
}

/// Reads one edge; none if it has a fault.
fn edge(index: usize, item: Value, faults: &mut Faults) -> Option<FollowInput> {
    let path = |steps: &[&str]| {
        let steps = steps.iter().map(|step| (*step).to_owned());
        ["edges".to_owned(), index.to_string()]
            .into_iter()
            .chain(steps)
            .collect()
    };
    let Value::Object(members) = item else {
        faults.mistyped(path(&[]), "Must be an object.");
        return None;
    };
    let (mut follower, mut target) = (None, None);
    for (name, value) in members {
        let place = match name.as_str() {
            "follower" => &mut follower,
            "target" => &mut target,
            _ => {
                faults.unknown(path(&[&name]));
                continue;
            }
        };
        *place = Some(value);
    }
    let mut text = |name: &str, value: Option<Value>| match value {
        Some(Value::String(text)) => Some(text),
        Some(_) => {
            faults.mistyped(path(&[name]), "Must be a string.");
            None
        }
        None => {
            faults.missing(path(&[name]));
            None
        }
    };
    let (follower, target) = (text("follower", follower), text("target", target));
    Some(FollowInput {
        follower: follower?,
        target: target?,
    })
}

/// As many faults as a problem shows.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, path: Vec<String>, code: &'static str, rule: &'static str) {
        if self.0.len() < MAX_FAULTS {
            self.0.push(Fault::at(path, &Violation::new(code, rule)));
        }
    }

    fn unknown(&mut self, path: Vec<String>) {
        self.add(path, "unknown_field", "Is not a field.");
    }

    fn mistyped(&mut self, path: Vec<String>, rule: &'static str) {
        self.add(path, "type", rule);
    }

    fn missing(&mut self, path: Vec<String>) {
        self.add(path, "required", "Is required.");
    }
}

impl From<Counts> for CountsBody {
    fn from(counts: Counts) -> Self {
        Self {
            followers: counts.followers,
            following: counts.following,
        }
    }
}

impl From<Vec<Option<Relationship>>> for Relationships {
    fn from(relationships: Vec<Option<Relationship>>) -> Self {
        let shown = |one: Relationship| RelationshipBody {
            id: one.id,
            following: one.ties.following,
            followed_by: one.ties.followed_by,
            blocking: one.ties.blocking,
        };
        let relationships = relationships.into_iter().map(|one| one.map(shown));
        Self {
            relationships: relationships.collect(),
        }
    }
}

impl<'a> RelatedLists<'a> {
    pub(super) fn new(
        exported: &'a ExportedRelationships,
        cursor: impl Fn(RelatedList, &RelatedPosition) -> String,
    ) -> Self {
        let shown = |list: RelatedList, page: &'a RelatedPage| RelatedListBody {
            users: page.related.iter().map(RelatedBody::from).collect(),
            next_cursor: page.next.as_ref().map(|place| cursor(list, place)),
        };
        Self {
            counts: exported.counts.into(),
            followers: shown(RelatedList::Followers, &exported.followers),
            following: shown(RelatedList::Following, &exported.following),
            blocks: shown(RelatedList::Blocks, &exported.blocks),
        }
    }
}

impl<'a> From<&'a Related> for RelatedBody<'a> {
    fn from(related: &'a Related) -> Self {
        Self {
            id: related.user.id,
            username: related.user.username.as_str(),
            since: related.since,
        }
    }
}

impl From<Vec<FollowResult>> for FollowResults {
    fn from(results: Vec<FollowResult>) -> Self {
        Self {
            results: results.into_iter().map(FollowResultBody).collect(),
        }
    }
}

impl Serialize for FollowResultBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let done = |changed| Done {
            status: 204,
            changed,
        };
        match self.0 {
            FollowResult::Followed => done(true).serialize(serializer),
            FollowResult::Unchanged => done(false).serialize(serializer),
            FollowResult::NoSuchUser => Refused {
                status: 404,
                code: Code::UserNotFound.as_str(),
                detail: "There is no such user.",
            }
            .serialize(serializer),
            FollowResult::Oneself => {
                let violation = oneself();
                Refused {
                    status: 422,
                    code: violation.code(),
                    detail: violation.detail(),
                }
                .serialize(serializer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoded(value: Value) -> Result<Vec<FollowInput>, Problem> {
        let Value::Object(document) = value else {
            panic!("{value} is no object")
        };
        decode_edges(document)
    }

    #[test]
    fn edges_keep_their_order_and_their_words() {
        let edges = decoded(json!({"edges": [
            {"follower": "a", "target": "b"}, {"target": "", "follower": "a"},
        ]}));
        let texts: Vec<(String, String)> = edges
            .unwrap()
            .into_iter()
            .map(|edge| (edge.follower, edge.target))
            .collect();
        let expected = [("a", "b"), ("a", "")];
        assert_eq!(texts, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(decoded(json!({"edges": []})).unwrap(), []);
    }

    #[test]
    fn one_edge_more_than_are_done_is_looked_at() {
        let edge = json!({"follower": "a", "target": "b"});
        let edges = decoded(json!({"edges": vec![edge; 2000]})).unwrap();
        assert_eq!(edges.len(), MAX_FOLLOWS + 1);
    }
}
