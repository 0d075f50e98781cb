//! Relationships between users as JSON.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use user_domain::relationship::{Counts, RelatedName};
use user_domain::use_cases::{FollowInput, FollowResult, MAX_FOLLOWS, Relationship};
use user_domain::values::{Timestamp, UserId};
use utoipa::ToSchema;

use super::RequestBody;
use super::members::{Members, owned_text};
use crate::problem::{Code, Problem, oneself};

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

/// A batch of follows.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"edges": [
    {"follower": "0199b8f2-7c1e-7000-8000-000000000000", "target": "0199b8f2-7c1e-7000-8000-000000000001"},
]}))]
pub(crate) struct FollowBatchRequest {
    #[schema(max_items = 1000)]
    edges: Vec<FollowPair>,
}

/// A follow. A malformed id is treated as unknown.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowPair {
    /// The id of the following user.
    #[schema(max_length = 1_048_576)]
    follower: String,
    /// The id of the followed user.
    #[schema(max_length = 1_048_576)]
    target: String,
}

impl RequestBody for FollowBatchRequest {
    /// The handler checks the permission before it reports the error.
    type Input = Result<Vec<FollowInput>, Problem>;

    fn read(document: Map<String, Value>) -> Result<Self::Input, Problem> {
        let mut members = Members::new(document, &[]);
        // One edge above the limit is enough for the use case to detect an oversized batch.
        let edges = members.objects("edges", MAX_FOLLOWS + 1, |edge| {
            let follower = edge.required("follower", owned_text);
            let target = edge.required("target", owned_text);
            Some(FollowInput {
                follower: follower?,
                target: target?,
            })
        });
        Ok(match members.finish(&[]) {
            faults if faults.is_empty() => Ok(edges),
            faults => Err(Problem::invalid(&faults)),
        })
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
        FollowBatchRequest::read(document).unwrap()
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
