//! The schemas of requests.

use serde_json::json;
use utoipa::openapi::schema::{AnyOfBuilder, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::outputs::{Metadata, Status, User, WritableStatus};
use super::parts::{
    object, private_metadata_or_null, public_metadata_or_null, roles, user_metadata_or_null,
    without_required,
};
use super::{Counts, NamedSchemas, Profile, ProfileFields};
use crate::bodies::field_paths;

/// The writable fields of a user. Texts are trimmed and normalised to NFC before their length is checked.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct UserFields {
    /// 3 to 32 letters, digits, `.`, `_` and `-`; the first and last character is a letter or digit. Not a reserved
    /// name.
    #[schema(min_length = 3, max_length = 32)]
    username: String,
    /// At most 254 bytes.
    #[schema(format = "idn-email", max_length = 254)]
    email: String,
    /// `true` requires the stored address in the same request, or `If-Match`. Not writable by the user.
    email_verified: Option<bool>,
    /// E.164: `+` and 7 to 15 digits.
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$")]
    phone_number: Option<String>,
    /// `true` requires the stored number in the same request, or `If-Match`. Not writable by the user.
    phone_number_verified: Option<bool>,
    /// 1 to 255 visible ASCII characters. Cannot be changed once set. Not writable by the user.
    #[schema(pattern = "^[!-~]{1,255}$")]
    external_id: Option<String>,
    /// Not writable by the user.
    #[schema(nullable = false)]
    status: Option<WritableStatus>,
    #[schema(schema_with = roles, required = false)]
    roles: (),
    #[schema(nullable = true)]
    profile: Option<ProfileFields>,
    #[schema(nullable = true)]
    metadata: Option<MetadataFields>,
}

/// The writable metadata. `null` clears an object, or all three. Each object has at most 16 KiB as compact JSON and 16
/// levels.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct MetadataFields {
    #[schema(schema_with = public_metadata_or_null, required = false)]
    public: (),
    #[schema(schema_with = user_metadata_or_null, required = false)]
    user: (),
    #[schema(schema_with = private_metadata_or_null, required = false)]
    private: (),
}

/// The keys of a batch: exactly one kind of key, at most 500. Duplicates are kept.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum BatchGetRequest {
    Ids(BatchByIds),
    Usernames(BatchByUsernames),
    Emails(BatchByEmails),
    ExternalIds(BatchByExternalIds),
}

/// Lookup by id, for any caller.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ids": ["0199b8f2-7c1e-7000-8000-000000000000"], "fields": ["username", "profile.name"]}))]
pub(crate) struct BatchByIds {
    #[schema(max_items = 500)]
    ids: Vec<String>,
    /// Returns only these fields; `id` is always included.
    #[schema(nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Lookup by username, for any caller.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"usernames": ["alice.smith", "bob"]}))]
pub(crate) struct BatchByUsernames {
    #[schema(max_items = 500)]
    usernames: Vec<String>,
    /// Returns only these fields; `id` is always included.
    #[schema(nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Lookup by email address, for administrators and services with `users:read_private`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"emails": ["alice@example.org"]}))]
pub(crate) struct BatchByEmails {
    #[schema(max_items = 500)]
    emails: Vec<String>,
    /// Returns only these fields; `id` is always included.
    #[schema(nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Lookup by the id of older systems, for services and administrators.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"external_ids": ["10042"]}))]
pub(crate) struct BatchByExternalIds {
    #[schema(max_items = 500)]
    external_ids: Vec<String>,
    /// Returns only these fields; `id` is always included.
    #[schema(nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// The selected fields of a user that are in the caller's view.
pub(crate) struct UserSelection;

/// A user, or selected fields of it.
pub(crate) struct UserOrSelection;

/// The dotted path of a field or of an object of fields.
pub(crate) struct FieldName;

/// The name of a role.
#[derive(ToSchema)]
#[schema(pattern = "^[a-z0-9:_-]{1,64}$", max_length = 64)]
pub(crate) struct RoleName(String);

/// A user to create.
pub(crate) struct NewUser;

/// A replacement of all fields that the caller may write.
pub(crate) struct UserReplacement;

/// The fields to merge into a user.
pub(crate) struct UserPatch;

impl PartialSchema for UserSelection {
    fn schema() -> RefOr<Schema> {
        let mut user = without_required(object(User::schema()));
        user.required = vec!["id".to_owned()];
        for (name, whole) in [
            ("profile", Profile::schema()),
            ("metadata", Metadata::schema()),
        ] {
            let part = without_required(object(whole));
            user.properties.insert(name.to_owned(), part.into());
        }
        let counts = Ref::from_schema_name("Counts");
        user.properties.insert("counts".to_owned(), counts.into());
        user.description = Some(
            "The selected fields of a user that are in the caller's view. With `include=counts` also `counts`."
                .to_owned(),
        );
        user.example = Some(json!({
            "id": "0199b8f2-7c1e-7000-8000-000000000000",
            "username": "Alice.Smith",
            "profile": {"name": "Alice Smith"},
        }));
        user.into()
    }
}

impl ToSchema for UserSelection {
    fn schemas(schemas: &mut NamedSchemas) {
        schemas.push((Status::name().into(), Status::schema()));
        schemas.push((Counts::name().into(), Counts::schema()));
    }
}

impl PartialSchema for UserOrSelection {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .description(Some(
                "A user. With `fields` only these fields; with `include=counts` also `counts`.",
            ))
            .item(Ref::from_schema_name("User"))
            .item(Ref::from_schema_name("UserSelection"))
            .into()
    }
}

impl ToSchema for UserOrSelection {
    fn schemas(schemas: &mut NamedSchemas) {
        schemas.push((User::name().into(), User::schema()));
        schemas.push((UserSelection::name().into(), UserSelection::schema()));
        <User as ToSchema>::schemas(schemas);
        <UserSelection as ToSchema>::schemas(schemas);
    }
}

impl PartialSchema for FieldName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "The dotted path of a field or of an object of fields.",
            ))
            .enum_values(Some(field_paths()))
            .into()
    }
}

impl ToSchema for FieldName {}

impl PartialSchema for NewUser {
    fn schema() -> RefOr<Schema> {
        let mut fields = object(UserFields::schema());
        fields.properties.insert("password".to_owned(), password());
        fields
            .properties
            .insert("password_hash".to_owned(), password_hash());
        fields.description = Some(
            "A user to create, with an optional password or password hash. Texts are trimmed and normalised to NFC before their length is checked."
                .to_owned(),
        );
        fields.example = Some(json!({
            "username": "Alice.Smith",
            "email": "alice@example.org",
            "profile": {"name": "Alice Smith", "locale": "en-GB"},
            "metadata": {"public": {"plan": "basic"}},
        }));
        fields.into()
    }
}

impl ToSchema for NewUser {
    fn schemas(schemas: &mut NamedSchemas) {
        UserFields::schemas(schemas);
    }
}

/// Either a password or a password hash.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1, max_properties = 1, example = json!({"password": "correct horse battery staple"}))]
pub(crate) struct NewPassword {
    #[schema(min_length = 8, max_length = 128, schema_with = password, required = false)]
    password: (),
    #[schema(schema_with = password_hash, required = false)]
    password_hash: (),
}

/// The credentials of a login.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"identifier": "Alice.Smith", "password": "correct horse battery staple"}))]
pub(crate) struct Login {
    /// A username or an email address.
    #[schema(min_length = 1, max_length = 320)]
    identifier: String,
    /// The password as typed, at most 1024 bytes.
    #[schema(min_length = 1, max_length = 1024, format = "password")]
    password: String,
    /// The source of the login as the caller identifies it: an IP address, or a known device. Stored as a digest only.
    #[schema(min_length = 1, max_length = 255)]
    source: Option<String>,
}

fn password() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(8))
        .max_length(Some(128))
        .description(Some(
            "8 to 128 characters, not blank. Not a common password, not a repetition or sequence such as `abababab` or `abcdefgh`, and not the username or email address.",
        ))
        .into()
}

fn password_hash() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(512))
        .description(Some(
            "A hash from another system: argon2, bcrypt, scrypt or PBKDF2 in PHC or crypt format, or in the format of Werkzeug.",
        ))
        .into()
}

impl PartialSchema for UserReplacement {
    fn schema() -> RefOr<Schema> {
        let mut fields = object(UserFields::schema());
        fields.description = Some(
            "All fields that the caller may write. An absent field becomes `null` or its default; `roles`, \
             `external_id` and `status` stay unchanged if absent."
                .to_owned(),
        );
        fields.example = Some(json!({
            "username": "Alice.Smith",
            "email": "alice@example.org",
            "profile": {"name": "Alice Smith", "website": "https://alice.example"},
        }));
        fields.into()
    }
}

impl ToSchema for UserReplacement {
    fn schemas(schemas: &mut NamedSchemas) {
        UserFields::schemas(schemas);
    }
}

impl PartialSchema for UserPatch {
    fn schema() -> RefOr<Schema> {
        let mut fields = without_required(object(UserFields::schema()));
        fields.description = Some(
            "The fields to merge into a user (RFC 7396). `null` clears a field or removes a member of metadata. \
             `username`, `email` and `status` cannot be `null`."
                .to_owned(),
        );
        fields.example =
            Some(json!({"profile": {"website": "https://alice.example", "bio": null}}));
        fields.into()
    }
}

impl ToSchema for UserPatch {
    fn schemas(schemas: &mut NamedSchemas) {
        UserFields::schemas(schemas);
    }
}

/// The reason and end of a suspension. Both are optional.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "spam", "until": "2026-12-24T00:00:00Z"}))]
pub(crate) struct NewSuspension {
    /// Plain text of one or more lines, visible to services and administrators only.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// The time at which the user becomes active again. It must be in the future.
    #[schema(format = DateTime)]
    until: Option<String>,
}
