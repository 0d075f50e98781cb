//! Relationships between users as JSON.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use user_domain::relationship::{Counts, RelatedName};
use user_domain::use_cases::{FollowInput, FollowResult, MAX_FOLLOWS, Relationship};
use user_domain::values::{Timestamp, UserId};
use user_domain::{Fault, Violation};

use crate::problem::{Code, MAX_FAULTS, Problem, oneself};

/// The number of followers of a user, and of users that it follows.
#[derive(Serialize)]
pub(crate) struct CountsBody {
    followers: u64,
    following: u64,
}

/// The relationships of a user to others in request order; `null` for an id without a visible user.
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

/// A page of blocked users.
#[derive(Serialize)]
pub(crate) struct RelatedNamesPage<'a> {
    users: Vec<RelatedBody<'a>>,
    next_cursor: Option<&'a str>,
}

/// A user in a list of blocks, or of an export.
#[derive(Serialize)]
pub(crate) struct RelatedBody<'a> {
    id: UserId,
    username: Option<&'a str>,
    since: Timestamp,
}

/// The results of a batch of follows, in request order.
#[derive(Serialize)]
pub(crate) struct FollowResults {
    results: Vec<FollowResultBody>,
}

/// The result of one follow: the same as the response to a single request.
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

/// Decodes the follower and target ids of a batch of follows.
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
    // One edge above the limit is enough for the use case to detect an oversized batch. Further edges are not read.
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

/// Decodes one edge. `None` if it is invalid; the reason is added to `faults`.
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
        let slot = match name.as_str() {
            "follower" => &mut follower,
            "target" => &mut target,
            _ => {
                faults.unknown(path(&[&name]));
                continue;
            }
        };
        *slot = Some(value);
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

/// Validation errors, at most [`MAX_FAULTS`].
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
        let body = |one: Relationship| RelationshipBody {
            id: one.id,
            following: one.flags.following,
            followed_by: one.flags.followed_by,
            blocking: one.flags.blocking,
        };
        let relationships = relationships.into_iter().map(|one| one.map(body));
        Self {
            relationships: relationships.collect(),
        }
    }
}

impl<'a> RelatedNamesPage<'a> {
    /// Creates a page of names with the cursor of the next page.
    pub(crate) fn new(names: &'a [RelatedName], next_cursor: Option<&'a str>) -> Self {
        Self {
            users: names.iter().map(RelatedBody::from).collect(),
            next_cursor,
        }
    }
}

impl<'a> From<&'a RelatedName> for RelatedBody<'a> {
    fn from(related: &'a RelatedName) -> Self {
        Self {
            id: related.id,
            username: related.username.as_deref(),
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
                detail: "The user does not exist.",
            }
            .serialize(serializer),
            FollowResult::SameUser => {
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
            panic!("{value} is not an object")
        };
        decode_edges(document)
    }

    #[test]
    fn edges_keep_their_order_and_spelling() {
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
    fn at_most_one_edge_above_the_limit_is_decoded() {
        let edge = json!({"follower": "a", "target": "b"});
        let edges = decoded(json!({"edges": vec![edge; 2000]})).unwrap();
        assert_eq!(edges.len(), MAX_FOLLOWS + 1);
    }
}
