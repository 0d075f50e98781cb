//! The schemas of responses.

use serde_json::{Value, json};
use utoipa::ToSchema;

use super::parts::{code, private_metadata, public_metadata, user_example, user_metadata};
use super::{Counts, FieldPath, Profile, RelatedUsers, RoleName};

/// Whether a user may sign in. `deleted` is returned only by lists with `status=deleted`, to services and
/// administrators.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Status {
    Active,
    Suspended,
    Deleted,
}

/// A writable status. Use DELETE to delete a user.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum WritableStatus {
    Active,
    Suspended,
}

/// The order of a list.
#[derive(ToSchema)]
#[schema(default = "-created_at")]
pub(crate) enum SortOrder {
    #[schema(rename = "-created_at")]
    NewestFirst,
    #[schema(rename = "created_at")]
    OldestFirst,
    #[schema(rename = "username")]
    Username,
    #[schema(rename = "updated_at")]
    LongestUnchangedFirst,
}

/// A user in the view of the caller. Members that are not required belong to the own and the full view. A request with
/// `fields` gets only the selected members, also of those that are required.
#[derive(ToSchema)]
#[schema(example = user_example)]
pub(crate) struct User {
    /// A UUID (RFC 9562), version 7 if this service created it. It never changes.
    #[schema(value_type = String, format = Uuid)]
    id: (),
    /// As typed. Unique among users, ignoring case and look-alike characters.
    #[schema(min_length = 3, max_length = 32)]
    username: String,
    status: Status,
    /// 1 at creation, incremented by each change that is visible in a view. Sign-outs, passwords and blocks do not
    /// change it.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    version: i64,
    profile: Profile,
    metadata: Metadata,
    /// As typed. Unique among users, ignoring case.
    #[schema(max_length = 254, nullable = false)]
    email: Option<String>,
    /// Whether the address was verified. A change of the address sets it to `false`.
    #[schema(nullable = false)]
    email_verified: Option<bool>,
    /// E.164: `+` and 7 to 15 digits.
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$", max_length = 16, required = false)]
    phone_number: Option<String>,
    /// Whether the number was verified. A change of the number sets it to `false`.
    #[schema(nullable = false)]
    phone_number_verified: Option<bool>,
    /// The id of the user in the older systems of the platform. Unique; cannot be changed once set.
    #[schema(min_length = 1, max_length = 255, required = false)]
    external_id: Option<String>,
    /// The roles in ascending order; at most 32.
    #[schema(max_items = 32, nullable = false)]
    roles: Option<Vec<RoleName>>,
    /// UTC, with six fractional digits.
    #[schema(format = DateTime)]
    created_at: String,
    /// UTC, with six fractional digits.
    #[schema(format = DateTime, nullable = false)]
    updated_at: Option<String>,
    /// UTC, with six fractional digits. `null` unless the status is `deleted`.
    #[schema(format = DateTime, required = false)]
    deleted_at: Option<String>,
    /// The reason and end of the suspension; `null` unless the user is suspended. Full view only.
    #[schema(required = false)]
    suspension: Option<Suspension>,
    /// Only with `include=counts`.
    #[schema(nullable = false)]
    counts: Option<Counts>,
}

/// The reason and end of a suspension, if they were given.
#[derive(ToSchema)]
pub(crate) struct Suspension {
    /// Plain text of one or more lines. Clients must escape it for display.
    #[schema(min_length = 1, max_length = 500, required = true)]
    reason: Option<String>,
    /// The time at which the user becomes active again; `null` if only an activation ends the suspension. UTC, with six
    /// fractional digits.
    #[schema(format = DateTime, required = true)]
    until: Option<String>,
}

/// Custom data: three JSON objects, each of at most 16 KiB and 16 levels.
#[derive(ToSchema)]
pub(crate) struct Metadata {
    #[schema(schema_with = public_metadata)]
    public: (),
    #[schema(schema_with = user_metadata, required = false)]
    user: (),
    #[schema(schema_with = private_metadata, required = false)]
    private: (),
}

/// A page of a list.
#[derive(ToSchema)]
pub(crate) struct UserPage {
    #[schema(max_items = 200)]
    users: Vec<User>,
    /// The `cursor` of the next page; `null` on the last page.
    #[schema(max_length = 1024, required = true)]
    next_cursor: Option<String>,
}

fn batch_example() -> Value {
    json!({"users": [user_example(), null]})
}

/// The number of users that match a filter.
#[derive(ToSchema)]
pub(crate) struct Count {
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 1284)]
    count: i64,
}

/// The users in request order.
#[derive(ToSchema)]
#[schema(example = batch_example)]
pub(crate) struct BatchGetResponse {
    /// `null` for a key that is malformed, unknown, or belongs to a user that is deleted or hidden by a block.
    #[schema(max_items = 500)]
    users: Vec<Option<User>>,
}

/// All stored data about a user that the caller may see. With cursors in the request, only the user and the lists of
/// these cursors are present.
#[derive(ToSchema)]
pub(crate) struct Export {
    user: User,
    /// The credentials of the user, without their values.
    #[schema(max_items = 16, nullable = false)]
    credentials: Option<Vec<CredentialKind>>,
    /// The last sign-out. Tokens issued before it are invalid. UTC, with six fractional digits.
    #[schema(format = DateTime, required = false)]
    signed_out_at: Option<String>,
    #[schema(nullable = false)]
    login_attempts: Option<LoginAttempts>,
    /// The former usernames that are reserved for the user. Data of earlier releases may contain more than three.
    #[schema(max_items = 1000, nullable = false)]
    released_usernames: Option<Vec<ReleasedUsername>>,
    /// The number of stored idempotency keys of the user's own writes. Counting stops at 1,000.
    #[schema(minimum = 0, maximum = 1000, nullable = false)]
    idempotency_keys: Option<u64>,
    /// The newest events of the user and of the relationships that it started or ended, oldest first.
    #[schema(max_items = 1000, nullable = false)]
    events: Option<Vec<Event>>,
    /// The `events_cursor` of older events; `null` if there are none.
    #[schema(max_length = 1024, required = false)]
    events_cursor: Option<String>,
    /// The related users.
    relationships: RelatedUsers,
}

/// The stored login attempts for a user.
#[derive(ToSchema)]
pub(crate) struct LoginAttempts {
    /// The number of consecutive failures from all sources.
    #[schema(minimum = 0, maximum = 4_294_967_295_i64)]
    failures: u32,
    /// The time of the last failure.
    #[schema(value_type = Option<String>, format = DateTime)]
    failed_at: Option<()>,
    /// The time until which logins are refused, except from sources with an earlier success.
    #[schema(value_type = Option<String>, format = DateTime)]
    blocked_until: Option<()>,
    /// The time of the last stored success.
    #[schema(value_type = Option<String>, format = DateTime)]
    succeeded_at: Option<()>,
    /// The number of stored sources, each kept as a digest.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    sources: u64,
    /// The number of sources that are refused at present.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    blocked_sources: u64,
}

/// A former username.
#[derive(ToSchema)]
pub(crate) struct ReleasedUsername {
    /// The username in its normalised form.
    #[schema(max_length = 255, required = true)]
    username: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    released_at: (),
    /// The time until which no other user may take it.
    #[schema(value_type = String, format = DateTime)]
    reserved_until: (),
}

/// A credential of a user, without its value.
#[derive(ToSchema)]
pub(crate) struct CredentialKind {
    /// `password`.
    #[schema(max_length = 64)]
    r#type: String,
    #[schema(value_type = String, format = DateTime)]
    changed_at: (),
}

/// The stored failed logins for a user.
#[derive(ToSchema)]
#[schema(example = json!({"failures": 7, "failed_at": "2026-11-23T00:45:12.123456Z", "blocked_until": "2026-11-23T00:45:22.123456Z", "blocked_sources": 0}))]
pub(crate) struct Lockout {
    /// The number of consecutive failures from all sources.
    #[schema(minimum = 0, maximum = 4_294_967_295_i64)]
    failures: u32,
    /// The time of the last failure.
    #[schema(value_type = Option<String>, format = DateTime)]
    failed_at: Option<()>,
    /// The time until which logins are refused, except from sources with an earlier success.
    #[schema(value_type = Option<String>, format = DateTime)]
    blocked_until: Option<()>,
    /// The number of sources that are refused at present.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    blocked_sources: u64,
}

/// A change of a user, or of a relationship that it started or ended.
#[derive(ToSchema)]
pub(crate) struct Event {
    #[schema(value_type = String, format = Uuid)]
    id: (),
    /// The type of the event, such as `user.updated` or `user.followed`.
    #[schema(max_length = 64)]
    r#type: String,
    /// The kind of the subject: `user` or `relationship`.
    #[schema(max_length = 64)]
    subject_kind: String,
    #[schema(value_type = String, format = Uuid)]
    subject_id: (),
    /// The other user of a relationship.
    #[schema(value_type = Option<String>, format = Uuid, required = false, nullable = false)]
    object_id: Option<()>,
    /// The version after the change. An internal change (a sign-out, a password, a first block) does not increment it.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    version: i64,
    /// The dotted paths of the changed fields, without their values.
    #[schema(inline, max_items = 64)]
    changed: Vec<FieldPath>,
    /// The actor: `user:<id>`, `service:<name>`, `operator`, `retention` or `schedule`.
    #[schema(max_length = 128)]
    actor: String,
    /// UTC, with six fractional digits.
    #[schema(format = DateTime)]
    at: String,
}

/// The paths of the documentation.
#[derive(ToSchema)]
pub(crate) struct ServiceIndex {
    #[schema(max_length = 64, example = "user-service")]
    service: String,
    /// The path of the documentation page.
    #[schema(max_length = 1024, example = "/docs")]
    documentation: String,
    /// The path of the guide for callers.
    #[schema(max_length = 1024, example = "/docs/guide")]
    guide: String,
    /// The path of the OpenAPI 3.1 document.
    #[schema(max_length = 1024, example = "/openapi.json")]
    openapi: String,
    /// The path of the OpenAPI 3.0 document.
    #[schema(max_length = 1024, example = "/openapi-3.0.json")]
    openapi_3_0: String,
    /// The path of the AsyncAPI document.
    #[schema(max_length = 1024, example = "/asyncapi.json")]
    asyncapi: String,
}

/// The process is running.
#[derive(ToSchema)]
pub(crate) struct Liveness {
    #[schema(max_length = 16, example = "ok")]
    status: String,
}

/// The process is ready for requests.
#[derive(ToSchema)]
pub(crate) struct ReadinessState {
    #[schema(max_length = 16, example = "ok")]
    status: String,
    checks: ReadinessChecks,
}

/// The checks of the readiness probe.
#[derive(ToSchema)]
pub(crate) struct ReadinessChecks {
    #[schema(max_length = 16, example = "ok")]
    database: String,
    #[schema(max_length = 16, example = "ok")]
    schema: String,
}

/// An error (RFC 9457).
#[derive(ToSchema)]
pub(crate) struct Problem {
    /// `urn:user-service:problem:` followed by the code.
    #[schema(format = "uri", max_length = 128)]
    r#type: String,
    /// A short description of the error, the same for each code.
    #[schema(max_length = 128)]
    title: String,
    /// The HTTP status of the response.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A description of this occurrence of the error.
    #[schema(max_length = 1024)]
    detail: String,
    #[schema(schema_with = code)]
    code: (),
    /// The id of the request in the log of the service, as in `X-Request-Id`.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$", max_length = 64)]
    request_id: String,
    /// The scope that the token lacks; only with `insufficient_scope`.
    #[schema(max_length = 64, nullable = false)]
    required_scope: Option<String>,
    /// The validation errors, at most 100.
    #[schema(min_items = 1, max_items = 100, nullable = false)]
    errors: Option<Vec<FieldError>>,
}

/// A validation error and its location.
#[derive(ToSchema)]
pub(crate) struct FieldError {
    /// The location in the body: a JSON pointer (RFC 6901).
    #[schema(max_length = 16_384, nullable = false)]
    pointer: Option<String>,
    /// The name of the query or path parameter.
    #[schema(max_length = 256, nullable = false)]
    parameter: Option<String>,
    /// The machine-readable code of the violated rule. Later releases may add codes.
    #[schema(pattern = "^[a-z0-9_]+$", max_length = 64)]
    code: String,
    /// The violated rule in words.
    #[schema(max_length = 1024)]
    detail: String,
}
