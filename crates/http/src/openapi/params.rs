//! Parameters, described once for all routes that take them.

#![expect(
    dead_code,
    reason = "these types are read by the derive only: the extractors read the requests"
)]

use utoipa::IntoParams;

use super::schemas::{FieldName, Included, SortOrder, Status};

/// The user of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct IdPath {
    /// The user's id: a UUID of 36 characters. A malformed id is nobody's: 404.
    #[param(value_type = String, format = Uuid)]
    id: (),
}

/// The user of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UsernamePath {
    /// The username, in any case and spelling that means the same name.
    #[param(example = "Alice.Smith")]
    username: String,
}

/// The user of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ExternalIdPath {
    /// The id by which the platform's older systems know the user, taken exactly.
    #[param(example = "10042")]
    external_id: String,
}

/// The token of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TokenIdPath {
    /// The token's id: a UUID of 36 characters. A malformed id is no token's: 404.
    #[param(value_type = String, format = Uuid)]
    id: (),
}

/// What of a user is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FieldsQuery {
    /// Only these fields, with commas between; `id` is always there, and a field outside the caller's view never.
    /// The answer then has no `ETag`.
    #[param(style = Form, explode = false, min_items = 1, required = false, nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// What is wanted with a user that is not part of it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct IncludeQuery {
    /// `counts`: how many follow the user, and how many it follows, as `counts`. The answer then has no `ETag`, and
    /// `If-None-Match` makes no 304.
    #[param(required = false, nullable = false)]
    include: Option<Included>,
}

/// The users of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PairPath {
    /// The id of the user who acts: a UUID of 36 characters. A malformed id is nobody's: 404.
    #[param(value_type = String, format = Uuid)]
    id: (),
    /// The id of the other. A malformed id is nobody's: 404.
    #[param(value_type = String, format = Uuid)]
    target: (),
}

/// Which page of a list is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RelatedPageQuery {
    /// The `next_cursor` of the page before, or of an export: of the same list of the same user.
    #[param(required = false, nullable = false)]
    cursor: Option<String>,
    /// The most users on a page.
    #[param(
        minimum = 1,
        maximum = 200,
        default = 50,
        required = false,
        nullable = false
    )]
    limit: Option<u16>,
}

/// Whose relationships to a user are wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WithQuery {
    /// The ids of up to 200 others, with commas between.
    #[param(style = Form, explode = false, max_items = 200)]
    with: Vec<String>,
}

/// Whether to delete for good.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EraseQuery {
    /// `true` removes the user and all that is kept about it at once and for good; services and administrators only.
    #[param(required = false, nullable = false, default = false)]
    erase: Option<bool>,
}

/// Which users are meant; a user must pass every filter that is given.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterQuery {
    /// One or several statuses with commas between; active and suspended if not given.
    #[param(style = Form, explode = false, min_items = 1, required = false, nullable = false)]
    status: Option<Vec<Status>>,
    /// Users who hold this role.
    #[param(pattern = "^[a-z0-9:_-]{1,64}$", required = false, nullable = false)]
    role: Option<String>,
    /// Users made at this moment (RFC 3339) or later.
    #[param(format = DateTime, required = false, nullable = false)]
    created_since: Option<String>,
    /// Users changed at this moment (RFC 3339) or later.
    #[param(format = DateTime, required = false, nullable = false)]
    updated_since: Option<String>,
    /// The user with this email address.
    #[param(
        format = "idn-email",
        max_length = 254,
        required = false,
        nullable = false
    )]
    email: Option<String>,
    /// The user whom the platform's older systems know by this id.
    #[param(pattern = "^[!-~]{1,255}$", required = false, nullable = false)]
    external_id: Option<String>,
    /// Users whose name begins so, in any case: 1 to 32 characters.
    #[param(min_length = 1, max_length = 32, required = false, nullable = false)]
    username_prefix: Option<String>,
    /// Users whose username or name has this part, in any case: 2 to 64 characters, no wildcards.
    #[param(min_length = 2, max_length = 64, required = false, nullable = false)]
    q: Option<String>,
}

/// Which page of a walk is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// The `next_cursor` of the page before, with the same filter and order.
    #[param(required = false, nullable = false)]
    cursor: Option<String>,
    /// The most users on a page.
    #[param(
        minimum = 1,
        maximum = 200,
        default = 50,
        required = false,
        nullable = false
    )]
    limit: Option<u16>,
    /// The order. A walk by `created_at`, either way, sees every user that lasts through it exactly once.
    #[param(required = false, nullable = false)]
    sort: Option<SortOrder>,
}

/// The version that the write is meant for.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfMatchHeader {
    /// `*`, or one or several entity tags with commas between. Their versions count, not their views; a weak tag
    /// never matches.
    #[param(
        rename = "If-Match",
        example = "\"3-own\"",
        required = false,
        nullable = false
    )]
    if_match: Option<String>,
}

/// The version that the replacement is meant for; without it, a 428.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct RequiredIfMatchHeader {
    /// `*`, or one or several entity tags with commas between. Their versions count, not their views; a weak tag
    /// never matches. Without it, a 428.
    #[param(rename = "If-Match", example = "\"3-own\"")]
    if_match: String,
}

/// The representations that the client has.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfNoneMatchHeader {
    /// `*`, or one or several entity tags with commas between: a 304 if the answer would have one of them.
    #[param(
        rename = "If-None-Match",
        example = "\"3-own\"",
        required = false,
        nullable = false
    )]
    if_none_match: Option<String>,
}

/// How young the answer must be.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct CacheControlHeader {
    /// `no-cache`, or `max-age=0`: the database is asked, whatever is cached; otherwise the answer may be up to a second
    /// old. `Pragma: no-cache` counts where there is no `Cache-Control`.
    #[param(
        rename = "Cache-Control",
        example = "no-cache",
        required = false,
        nullable = false
    )]
    cache_control: Option<String>,
}

/// The name of this write.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IdempotencyKeyHeader {
    /// 1 to 255 visible ASCII characters, unique among the caller's writes of 24 hours, such as a random UUID.
    #[param(
        rename = "Idempotency-Key",
        pattern = "^[!-~]{1,255}$",
        example = "5f0c5c2e-8a1b-4a53-9c6d-3f5c0a4b8a11",
        required = false,
        nullable = false
    )]
    idempotency_key: Option<String>,
}
