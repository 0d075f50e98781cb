//! The schemas of relationships.

use utoipa::ToSchema;

/// Data that can be returned in addition to a user.
#[derive(ToSchema)]
pub(crate) enum Included {
    #[schema(rename = "counts")]
    Counts,
}

/// The number of followers and of followed users that the caller would see in the lists. Returned with
/// `include=counts`.
#[derive(ToSchema)]
#[schema(example = json!({"followers": 3, "following": 7}))]
pub(crate) struct Counts {
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    followers: i64,
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    following: i64,
}

/// The relationships of a user to other users.
#[derive(ToSchema)]
#[schema(example = json!({"relationships": [
    {"id": "0199b8f2-7c1e-7000-8000-000000000000", "following": true, "followed_by": false, "blocking": false}, null,
]}))]
pub(crate) struct RelationshipList {
    /// In request order. `null` for an id that is malformed, unknown or of a deleted user. To the user itself also
    /// `null` for a user that blocks it. Never `null` for a user that it blocks.
    #[schema(max_items = 200)]
    relationships: Vec<Option<Relationship>>,
}

/// The relationship of a user to another user.
#[derive(ToSchema)]
pub(crate) struct Relationship {
    /// The id of the other user.
    #[schema(value_type = String, format = Uuid)]
    id: (),
    /// Whether the user follows the other.
    following: bool,
    /// Whether the other follows the user.
    followed_by: bool,
    /// Whether the user blocks the other.
    blocking: bool,
}

/// The followers, followed users and blocked users of a user.
#[derive(ToSchema)]
pub(crate) struct RelatedUsers {
    #[schema(nullable = false)]
    counts: Option<Counts>,
    #[schema(nullable = false)]
    followers: Option<RelatedUserList>,
    #[schema(nullable = false)]
    following: Option<RelatedUserList>,
    #[schema(nullable = false)]
    blocks: Option<RelatedUserList>,
}

/// The newest users of a list, including suspended users.
#[derive(ToSchema)]
pub(crate) struct RelatedUserList {
    #[schema(max_items = 1000)]
    users: Vec<RelatedUser>,
    /// The cursor of the next page, valid for the export and for the list itself; `null` on the last page.
    #[schema(max_length = 1024, required = true)]
    next_cursor: Option<String>,
}

/// The users that a user blocks, newest first, with their usernames at the time of the block.
#[derive(ToSchema)]
pub(crate) struct BlockedUserList {
    #[schema(max_items = 200)]
    users: Vec<RelatedUser>,
    /// The `cursor` of the next page; `null` on the last page.
    #[schema(max_length = 1024, required = true)]
    next_cursor: Option<String>,
}

/// A user in a list.
#[derive(ToSchema)]
pub(crate) struct RelatedUser {
    #[schema(value_type = String, format = Uuid)]
    id: (),
    /// `null` for a blocked user that was not visible to the user at the time of the block, or that is erased.
    #[schema(max_length = 32, required = true)]
    username: Option<String>,
    /// The start of the relationship; UTC, with six fractional digits.
    #[schema(format = DateTime)]
    since: String,
}

/// The results of a batch of follows.
#[derive(ToSchema)]
#[schema(example = json!({"results": [
    {"status": 204, "changed": true},
    {"status": 404, "code": "user_not_found", "detail": "The user does not exist."},
    {"status": 422, "code": "oneself", "detail": "Must be another user."},
]}))]
pub(crate) struct FollowBatchResponse {
    /// In request order.
    #[schema(max_items = 1000)]
    results: Vec<FollowResult>,
}

/// The result of one follow, the same as the response to a single request.
#[derive(ToSchema)]
pub(crate) struct FollowResult {
    /// 204: the follow exists. 404: one of the users does not exist, is deleted, or blocks the other. 422: both ids are
    /// of the same user.
    #[schema(minimum = 204, maximum = 422)]
    status: u16,
    /// Only with 204: whether the follow is new.
    #[schema(nullable = false)]
    changed: Option<bool>,
    /// Only with 404 and 422: the machine-readable error code.
    #[schema(pattern = "^[a-z0-9_]+$", max_length = 64, nullable = false)]
    code: Option<String>,
    /// Only with 404 and 422: a description of the error.
    #[schema(max_length = 1024, nullable = false)]
    detail: Option<String>,
}
