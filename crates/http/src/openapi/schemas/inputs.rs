//! What callers write, and what they choose.

use serde_json::json;
use utoipa::openapi::schema::{AnyOfBuilder, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::answers::{Metadata, Profile, Standing, Status, User};
use super::parts::{
    object, private_metadata_or_null, public_metadata_or_null, roles, user_metadata_or_null,
    without_required,
};
use super::{Counts, Named};
use crate::bodies::FIELD_PATHS;

/// What a caller writes. Texts are trimmed and brought to NFC before their characters are counted.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct UserFields {
    /// 3 to 32 letters, digits, `.`, `_` and `-`, beginning and ending with a letter or digit; not reserved.
    #[schema(min_length = 3, max_length = 32)]
    username: String,
    /// At most 254 bytes.
    #[schema(format = "idn-email", max_length = 254)]
    email: String,
    /// `true` only together with the stored address, or with `If-Match`. Not writable by the user.
    email_verified: Option<bool>,
    /// E.164: `+` and 7 to 15 digits.
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$")]
    phone_number: Option<String>,
    /// `true` only together with the stored number, or with `If-Match`. Not writable by the user.
    phone_number_verified: Option<bool>,
    /// 1 to 255 visible ASCII characters. Once set it does not change. Not writable by the user.
    #[schema(pattern = "^[!-~]{1,255}$")]
    external_id: Option<String>,
    /// Not writable by the user.
    #[schema(nullable = false)]
    status: Option<Standing>,
    #[schema(schema_with = roles, required = false)]
    roles: (),
    #[schema(nullable = true)]
    profile: Option<ProfileFields>,
    #[schema(nullable = true)]
    metadata: Option<MetadataFields>,
}

/// What is written of a profile; null empties a field, or all of them.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct ProfileFields {
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    given_name: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    family_name: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    nickname: Option<String>,
    /// An absolute http or https address of at most 2048 bytes.
    #[schema(
        format = "uri",
        max_length = 2048,
        pattern = "^[Hh][Tt][Tt][Pp][Ss]?://"
    )]
    picture: Option<String>,
    /// An absolute http or https address of at most 2048 bytes.
    #[schema(
        format = "uri",
        max_length = 2048,
        pattern = "^[Hh][Tt][Tt][Pp][Ss]?://"
    )]
    website: Option<String>,
    /// Plain text of one or several lines.
    #[schema(min_length = 1, max_length = 2000)]
    bio: Option<String>,
    #[schema(min_length = 1, max_length = 128)]
    location: Option<String>,
    /// A well-formed language tag (BCP 47).
    #[schema(min_length = 1, max_length = 64, example = "de-AT")]
    locale: Option<String>,
    /// A time zone of the IANA database.
    #[schema(min_length = 1, example = "Europe/Vienna")]
    zoneinfo: Option<String>,
    /// A day as `YYYY-MM-DD`; the year 0000 withholds the year.
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", example = "1990-04-01")]
    birthdate: Option<String>,
}

/// What is written of the metadata; null empties a drawer, or all of them. Each drawer has at most 16 KiB as compact
/// JSON and 16 levels.
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

/// Whom a batch asks for: exactly one kind of key, at most 500 of them; duplicates are kept.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum BatchQuestion {
    Ids(BatchByIds),
    Usernames(BatchByUsernames),
    Emails(BatchByEmails),
    ExternalIds(BatchByExternalIds),
}

/// Any caller may ask by id.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ids": ["0199b8f2-7c1e-7000-8000-000000000000"], "fields": ["username", "profile.name"]}))]
pub(crate) struct BatchByIds {
    #[schema(max_items = 500)]
    ids: Vec<String>,
    /// Only these fields; `id` is always there.
    #[schema(nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Any caller may ask by username.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"usernames": ["alice.smith", "bob"]}))]
pub(crate) struct BatchByUsernames {
    #[schema(max_items = 500)]
    usernames: Vec<String>,
    /// Only these fields; `id` is always there.
    #[schema(nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Administrators and services with `users:read_private` may ask by email address.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"emails": ["alice@example.org"]}))]
pub(crate) struct BatchByEmails {
    #[schema(max_items = 500)]
    emails: Vec<String>,
    /// Only these fields; `id` is always there.
    #[schema(nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Services and administrators may ask by the older systems' id.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"external_ids": ["10042"]}))]
pub(crate) struct BatchByExternalIds {
    #[schema(max_items = 500)]
    external_ids: Vec<String>,
    /// Only these fields; `id` is always there.
    #[schema(nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Some fields of a user: those named, as far as they are in the caller's view.
pub(crate) struct UserSelection;

/// A user, or with `fields` a part of it.
pub(crate) struct UserOrSelection;

/// The dotted path of a field, or of an object of fields.
pub(crate) struct FieldName;

/// What a user is made of.
pub(crate) struct NewUser;

/// All that the caller may write of a user.
pub(crate) struct UserReplacement;

/// Some fields to merge into a user.
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
            "Some fields of a user: those named, as far as they are in the caller's view; and its `counts`, if asked for."
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
    fn schemas(schemas: &mut Named) {
        schemas.push((Status::name().into(), Status::schema()));
        schemas.push((Counts::name().into(), Counts::schema()));
    }
}

impl PartialSchema for UserOrSelection {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .description(Some(
                "A user, or with `fields` a part of it; with `include=counts` also its counts.",
            ))
            .item(Ref::from_schema_name("User"))
            .item(Ref::from_schema_name("UserSelection"))
            .into()
    }
}

impl ToSchema for UserOrSelection {
    fn schemas(schemas: &mut Named) {
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
                "The dotted path of a field, or of an object of fields.",
            ))
            .enum_values(Some(FIELD_PATHS))
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
            "What a user is made of, and its password or the hash of one, if it is to have one. Texts are trimmed and brought to NFC before their characters are counted."
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
    fn schemas(schemas: &mut Named) {
        UserFields::schemas(schemas);
    }
}

/// A password, or the hash of one; one of the two.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1, max_properties = 1, example = json!({"password": "correct horse battery staple"}))]
pub(crate) struct NewPassword {
    #[schema(min_length = 8, max_length = 128, schema_with = password, required = false)]
    password: (),
    #[schema(schema_with = password_hash, required = false)]
    password_hash: (),
}

/// What somebody shows to be let in.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"identifier": "Alice.Smith", "password": "correct horse battery staple"}))]
pub(crate) struct Login {
    /// A username or an email address.
    #[schema(min_length = 1, max_length = 320)]
    identifier: String,
    /// The password as it was typed, at most 1024 bytes.
    #[schema(min_length = 1, max_length = 1024, format = "password")]
    password: String,
    /// From where it was tried, as the caller knows it: an address, or a device that it has seen before. Kept as a digest
    /// only.
    #[schema(min_length = 1, max_length = 255)]
    source: Option<String>,
}

fn password() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(8))
        .max_length(Some(128))
        .description(Some(
            "8 to 128 characters, and none of the common ones; not the username or the email address.",
        ))
        .into()
}

fn password_hash() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(512))
        .description(Some(
            "A hash from elsewhere: argon2, bcrypt, scrypt or PBKDF2 in PHC or crypt form, or as Werkzeug writes it.",
        ))
        .into()
}

impl PartialSchema for UserReplacement {
    fn schema() -> RefOr<Schema> {
        let mut fields = object(UserFields::schema());
        fields.description = Some(
            "All that the caller may write of a user. What is absent becomes null or its default; `roles`, \
             `external_id` and `status` are left alone if absent."
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
    fn schemas(schemas: &mut Named) {
        UserFields::schemas(schemas);
    }
}

impl PartialSchema for UserPatch {
    fn schema() -> RefOr<Schema> {
        let mut fields = without_required(object(UserFields::schema()));
        fields.description = Some(
            "Some fields to merge into a user (RFC 7396): null empties a field or removes a member of metadata; \
             `username`, `email` and `status` cannot be null."
                .to_owned(),
        );
        fields.example =
            Some(json!({"profile": {"website": "https://alice.example", "bio": null}}));
        fields.into()
    }
}

impl ToSchema for UserPatch {
    fn schemas(schemas: &mut Named) {
        UserFields::schemas(schemas);
    }
}
