//! The parameters of routes, described once.
//!
//! `Idempotency-Key` and `If-Match` have no example: a reader would send the same key with every write, and unintended
//! conditions. The other parameters have one. `super::finish` moves that of an optional parameter to a place from which
//! no documentation page fills it in.

#![expect(
    dead_code,
    reason = "these types exist only for the derive; the extractors parse the requests"
)]

mod pages;

use utoipa::IntoParams;

use super::schemas::{FieldName, IdInQuery, Included, RoleName, Status};
pub(crate) use pages::*;

/// The user of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct IdPath {
    /// The id of the user: a UUID of 36 characters. A malformed id is a 404.
    #[param(value_type = String, format = Uuid, example = "0199b8f2-7c1e-7000-8000-000000000000")]
    id: (),
}

/// The user of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UsernamePath {
    /// The username. Case and equivalent spellings are ignored.
    #[param(max_length = 1024, example = "Alice.Smith")]
    username: String,
}

/// The user of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ExternalIdPath {
    /// The id of the user in the older systems of the platform. The match is exact.
    #[param(max_length = 1024, example = "10042")]
    external_id: String,
}

/// The token of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TokenIdPath {
    /// The id of the token: a UUID of 36 characters. A malformed id is a 404.
    #[param(value_type = String, format = Uuid, example = "0199b8f2-7c1e-7000-8000-00000000000a")]
    id: (),
}

/// The consumer of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ConsumerNamePath {
    /// The name of the consumer: 1 to 64 characters of `a-z`, `0-9`, `_` and `-`.
    #[param(pattern = "^[a-z0-9_-]{1,64}$", max_length = 64, example = "posts")]
    name: String,
}

/// The erased user and the consumer of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct AcknowledgementPath {
    /// The id that the user had: a UUID of 36 characters. A malformed id is a 404.
    #[param(value_type = String, format = Uuid, example = "0199b8f2-7c1e-7000-8000-000000000000")]
    id: (),
    /// The name of the consumer.
    #[param(pattern = "^[a-z0-9_-]{1,64}$", max_length = 64, example = "posts")]
    consumer: String,
}

/// The selected fields of a user.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FieldsQuery {
    /// Returns only these fields. Separate them by commas or repeat the parameter. `id` is always included; a field
    /// outside the caller's view never is. The response has no `ETag`.
    #[param(style = Form, explode = false, min_items = 1, max_items = 200, example = json!(["username", "profile.name"]), required = false, nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Data to return in addition to the user.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct IncludeQuery {
    /// `counts`: adds the number of followers and of followed users as `counts`. The response has no `ETag`, and
    /// `If-None-Match` is ignored.
    #[param(example = "counts", required = false, nullable = false)]
    include: Option<Included>,
}

/// The users of the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PairPath {
    /// The id of the acting user: a UUID of 36 characters. A malformed id is a 404.
    #[param(value_type = String, format = Uuid, example = "0199b8f2-7c1e-7000-8000-000000000000")]
    id: (),
    /// The id of the other user: a UUID of 36 characters. A malformed id is a 404.
    #[param(value_type = String, format = Uuid, example = "0199b8f2-7c1e-7000-8000-000000000001")]
    target: (),
}

/// The other users of the relationships.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WithQuery {
    /// The ids of up to 200 other users. Separate them by commas or repeat the parameter.
    #[param(inline, style = Form, explode = false, max_items = 200, example = json!(["0199b8f2-7c1e-7000-8000-000000000001"]))]
    with: Vec<IdInQuery>,
}

/// Whether to delete permanently.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EraseQuery {
    /// `true` deletes the user and all stored data about it immediately and permanently. For services and
    /// administrators only.
    #[param(required = false, nullable = false, default = false, example = false)]
    erase: Option<bool>,
}

/// The filters of users. A user must match every filter.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterQuery {
    /// Users with one of these statuses; active and suspended by default. Separate them by commas or repeat the
    /// parameter.
    #[param(style = Form, explode = false, min_items = 1, max_items = 200, example = json!(["suspended"]), required = false, nullable = false)]
    status: Option<Vec<Status>>,
    /// Users with one of these roles; requires `users:read_private`. Separate them by commas or repeat the parameter.
    #[param(style = Form, explode = false, min_items = 1, max_items = 32, example = json!(["moderator"]), required = false, nullable = false)]
    role: Option<Vec<RoleName>>,
    /// Users created at or after this time. RFC 3339; an offset like `+0000`, a space instead of `T`, and a date alone
    /// (midnight UTC) are accepted too.
    #[param(format = DateTime, max_length = 64, example = "2026-11-01T00:00:00Z", required = false, nullable = false)]
    created_since: Option<String>,
    /// Users created before this time.
    #[param(format = DateTime, max_length = 64, example = "2026-12-01T00:00:00Z", required = false, nullable = false)]
    created_until: Option<String>,
    /// Users last changed at or after this time; requires `users:read_private`.
    #[param(format = DateTime, max_length = 64, example = "2026-11-01T00:00:00Z", required = false, nullable = false)]
    updated_since: Option<String>,
    /// Users last changed before this time; requires `users:read_private`.
    #[param(format = DateTime, max_length = 64, example = "2026-12-01T00:00:00Z", required = false, nullable = false)]
    updated_until: Option<String>,
    /// The user with this email address; requires `users:read_private`.
    #[param(
        format = "idn-email",
        max_length = 254,
        example = "alice@example.org",
        required = false,
        nullable = false
    )]
    email: Option<String>,
    /// The user with this id in the older systems of the platform.
    #[param(
        pattern = "^[!-~]{1,255}$",
        max_length = 255,
        example = "10042",
        required = false,
        nullable = false
    )]
    external_id: Option<String>,
    /// Users with a username that starts with this text, ignoring case: 1 to 32 characters.
    #[param(
        min_length = 1,
        max_length = 32,
        example = "ali",
        required = false,
        nullable = false
    )]
    username_prefix: Option<String>,
    /// Users with this text in the username or name, ignoring case: 2 to 64 characters, no wildcards. One character of
    /// Han, Hangul, Hiragana or Katakana is enough.
    #[param(
        min_length = 1,
        max_length = 64,
        example = "smith",
        required = false,
        nullable = false
    )]
    q: Option<String>,
}

/// The expected version of the user.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfMatchHeader {
    /// `*`, or entity tags separated by commas; `"<version>"` is accepted too. Only the version is compared, not the
    /// view. The tag of another user and a weak tag never match.
    #[param(
        rename = "If-Match",
        max_length = 8192,
        required = false,
        nullable = false
    )]
    if_match: Option<String>,
}

/// The expected version of the user; required.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct RequiredIfMatchHeader {
    /// `*`, or entity tags separated by commas; `"<version>"` is accepted too. Only the version is compared, not the
    /// view. The tag of another user and a weak tag never match. A request without it is a 428.
    #[param(rename = "If-Match", max_length = 8192)]
    if_match: String,
}

/// The representations that the client has stored.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfNoneMatchHeader {
    /// `*`, or entity tags separated by commas. If one of them is the `ETag` of the response, the response is a 304.
    #[param(
        rename = "If-None-Match",
        max_length = 8192,
        example = "\"3-full-8c2f0d51a76be9432b6a10fe\"",
        required = false,
        nullable = false
    )]
    if_none_match: Option<String>,
}

/// The required freshness of the response.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct CacheControlHeader {
    /// `no-cache` or `max-age=0`: reads the database. Otherwise the response may be up to 1 second old. Without
    /// `Cache-Control`, `Pragma: no-cache` has the same effect.
    #[param(
        rename = "Cache-Control",
        max_length = 16384,
        example = "no-cache",
        required = false,
        nullable = false
    )]
    cache_control: Option<String>,
}

/// The key that makes a retry of this write safe.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IdempotencyKeyHeader {
    /// 1 to 255 visible ASCII characters, such as a random UUID; unique among the writes of the caller within 24 hours.
    #[param(
        rename = "Idempotency-Key",
        pattern = "^[!-~]{1,255}$",
        max_length = 255,
        required = false,
        nullable = false
    )]
    idempotency_key: Option<String>,
}
