//! What users are to each other.

use utoipa::ToSchema;

/// What can be had with a user that is not part of it.
#[derive(ToSchema)]
pub(crate) enum Included {
    #[schema(rename = "counts")]
    Counts,
}

/// How many follow a user, and how many it follows; as many as the caller would find in the lists. With `include=counts`.
#[derive(ToSchema)]
#[schema(example = json!({"followers": 3, "following": 7}))]
pub(crate) struct Counts {
    #[schema(minimum = 0)]
    followers: i64,
    #[schema(minimum = 0)]
    following: i64,
}

/// What others are to a user.
#[derive(ToSchema)]
#[schema(example = json!({"relationships": [
    {"id": "0199b8f2-7c1e-7000-8000-000000000000", "following": true, "followed_by": false, "blocking": false}, null,
]}))]
pub(crate) struct RelationshipList {
    /// In the order asked. Null for an id that is malformed, unknown, or a deleted user's, and to the user itself for
    /// somebody who blocks it.
    #[schema(max_items = 200)]
    relationships: Vec<Option<Relationship>>,
}

/// What another is to a user.
#[derive(ToSchema)]
pub(crate) struct Relationship {
    /// The other's id.
    #[schema(value_type = String, format = Uuid)]
    id: (),
    /// The user follows the other.
    following: bool,
    /// The other follows the user.
    followed_by: bool,
    /// The user blocks the other.
    blocking: bool,
}

/// Those who have to do with a user.
#[derive(ToSchema)]
pub(crate) struct RelatedUsers {
    counts: Counts,
    followers: RelatedUserList,
    following: RelatedUserList,
    blocks: RelatedUserList,
}

/// The newest users of a list.
#[derive(ToSchema)]
pub(crate) struct RelatedUserList {
    #[schema(max_items = 1000)]
    users: Vec<RelatedUser>,
    /// The `cursor` with which the list's own call goes on; null if these are all.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// Somebody in a list.
#[derive(ToSchema)]
pub(crate) struct RelatedUser {
    #[schema(value_type = String, format = Uuid)]
    id: (),
    username: String,
    /// Since when; UTC, always with six digits behind the second.
    #[schema(format = DateTime)]
    since: String,
}

/// Who is to follow whom.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"edges": [
    {"follower": "0199b8f2-7c1e-7000-8000-000000000000", "target": "0199b8f2-7c1e-7000-8000-000000000001"},
]}))]
pub(crate) struct FollowBatch {
    #[schema(max_items = 1000)]
    edges: Vec<NewEdge>,
}

/// A follow; an id that is malformed is nobody's.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEdge {
    /// The id of the one who is to follow.
    follower: String,
    /// The id of the one who is to be followed.
    target: String,
}

/// What became of many follows.
#[derive(ToSchema)]
#[schema(example = json!({"results": [
    {"status": 204, "changed": true},
    {"status": 404, "code": "user_not_found", "detail": "There is no such user."},
    {"status": 422, "code": "oneself", "detail": "Must be another user."},
]}))]
pub(crate) struct FollowBatchAnswer {
    /// In the order given.
    #[schema(max_items = 1000)]
    results: Vec<FollowResult>,
}

/// What became of one follow, as a call for it alone would have been answered.
#[derive(ToSchema)]
pub(crate) struct FollowResult {
    /// 204: the one follows the other. 404: one of the two is not there, is deleted, or blocks the other. 422: the two are
    /// one.
    #[schema(minimum = 204, maximum = 422)]
    status: u16,
    /// With a 204: whether the one did not follow the other before.
    #[schema(nullable = false)]
    changed: Option<bool>,
    /// With any other: what went wrong, for programs.
    #[schema(nullable = false)]
    code: Option<String>,
    /// With any other: what went wrong, for people.
    #[schema(nullable = false)]
    detail: Option<String>,
}
