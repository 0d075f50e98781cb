//! From rows to users and back.

use sea_orm::{ActiveModelTrait, IntoActiveModel, Iterable, Value};
use user_domain::StoreError;
use user_domain::directory::search_text;
use user_domain::user::{Profile, Standing, Status, User, UserMetadata, UserState};
use user_domain::values::{
    Bio, Birthdate, EmailAddress, ExternalId, Locale, Metadata, PhoneNumber, Roles, ShortText,
    Timestamp, UserId, Username, Version, WebUrl, ZoneInfo,
};

use super::entities::users;

/// Writes a user as a row, every column set.
pub(super) fn from_user(user: &User) -> users::ActiveModel {
    to_row(user).into_active_model().reset_all()
}

/// Writes a user as the values of a statement written by hand, in the order of the columns.
pub(super) fn to_values(user: &User) -> Vec<Value> {
    let mut row = to_row(user).into_active_model();
    let columns = users::Column::iter();
    columns
        .filter_map(|column| row.take(column).into_value())
        .collect()
}

/// Writes a user as a row.
pub(crate) fn to_row(user: &User) -> users::Model {
    let text = |value: Option<&str>| value.map(str::to_owned);
    let Profile {
        name,
        given_name,
        family_name,
        nickname,
        picture,
        website,
        bio,
        location,
        locale,
        zoneinfo,
        birthdate,
    } = &user.profile;
    users::Model {
        id: user.id.as_uuid(),
        username: user.username.as_str().to_owned(),
        username_key: user.username.key().to_owned(),
        username_skeleton: user.username.skeleton().to_owned(),
        external_id: text(user.external_id.as_ref().map(ExternalId::as_str)),
        email: user.email.as_str().to_owned(),
        email_key: user.email.key().to_owned(),
        email_verified: user.email_verified,
        phone_number: text(user.phone_number.as_ref().map(PhoneNumber::as_str)),
        phone_number_verified: user.phone_number_verified,
        standing: user.standing.as_str().to_owned(),
        roles: roles_to_json(&user.roles),
        name: text(name.as_ref().map(ShortText::as_str)),
        given_name: text(given_name.as_ref().map(ShortText::as_str)),
        family_name: text(family_name.as_ref().map(ShortText::as_str)),
        nickname: text(nickname.as_ref().map(ShortText::as_str)),
        picture: text(picture.as_ref().map(WebUrl::as_str)),
        website: text(website.as_ref().map(WebUrl::as_str)),
        bio: text(bio.as_ref().map(Bio::as_str)),
        location: text(location.as_ref().map(ShortText::as_str)),
        locale: text(locale.as_ref().map(Locale::as_str)),
        zoneinfo: text(zoneinfo.as_ref().map(ZoneInfo::as_str)),
        birthdate: birthdate.map(|date| date.to_string()),
        metadata_public: user.metadata.public.to_json(),
        metadata_user: user.metadata.user.to_json(),
        metadata_private: user.metadata.private.to_json(),
        search_text: search_text(user),
        version: user.version.get(),
        created_at: user.created_at.as_utc(),
        updated_at: user.updated_at.as_utc(),
        deleted_at: user.deleted_at.map(Timestamp::as_utc),
        tokens_valid_after: user.tokens_valid_after.map(Timestamp::as_utc),
        password_changed_at: user.password_changed_at.map(Timestamp::as_utc),
        has_blocks: user.has_blocks,
    }
}

/// Reads a user from its row, trusting what was checked when it was written.
pub(crate) fn to_user(row: users::Model) -> Result<User, StoreError> {
    let broken = |column: &str| {
        StoreError::Internal(format!("the column {column} of user {} is broken", row.id))
    };
    let metadata =
        |column: &str, text: &str| Metadata::from_store(text).ok_or_else(|| broken(column));
    let birthdate = row
        .birthdate
        .as_deref()
        .map(|text| Birthdate::parse(text).map_err(|_| broken("birthdate")))
        .transpose()?;
    Ok(User::from_store(UserState {
        id: UserId::from_uuid(row.id),
        external_id: row.external_id.map(ExternalId::from_store),
        email_verified: row.email_verified,
        phone_number: row.phone_number.map(PhoneNumber::from_store),
        phone_number_verified: row.phone_number_verified,
        standing: Standing::from_name(&row.standing).ok_or_else(|| broken("standing"))?,
        roles: roles_from_json(&row.roles).ok_or_else(|| broken("roles"))?,
        metadata: UserMetadata {
            public: metadata("metadata_public", &row.metadata_public)?,
            user: metadata("metadata_user", &row.metadata_user)?,
            private: metadata("metadata_private", &row.metadata_private)?,
        },
        version: Version::from_i64(row.version).ok_or_else(|| broken("version"))?,
        username: Username::from_store(row.username, row.username_key, row.username_skeleton),
        email: EmailAddress::from_store(row.email, row.email_key),
        profile: Profile {
            name: row.name.map(ShortText::from_store),
            given_name: row.given_name.map(ShortText::from_store),
            family_name: row.family_name.map(ShortText::from_store),
            nickname: row.nickname.map(ShortText::from_store),
            picture: row.picture.map(WebUrl::from_store),
            website: row.website.map(WebUrl::from_store),
            bio: row.bio.map(Bio::from_store),
            location: row.location.map(ShortText::from_store),
            locale: row.locale.map(Locale::from_store),
            zoneinfo: row.zoneinfo.map(ZoneInfo::from_store),
            birthdate,
        },
        created_at: Timestamp::from_utc(row.created_at),
        updated_at: Timestamp::from_utc(row.updated_at),
        deleted_at: row.deleted_at.map(Timestamp::from_utc),
        tokens_valid_after: row.tokens_valid_after.map(Timestamp::from_utc),
        password_changed_at: row.password_changed_at.map(Timestamp::from_utc),
        has_blocks: row.has_blocks,
    }))
}

/// Reads a status that a statement made of a user's row.
pub(super) fn to_status(user: UserId, name: &str) -> Result<Status, StoreError> {
    Status::from_name(name).ok_or_else(|| {
        StoreError::Internal(format!("the column standing of user {user} is broken"))
    })
}

/// Writes strings as a JSON array.
pub(super) fn strings_to_json<'a>(strings: impl Iterator<Item = &'a str>) -> String {
    serde_json::Value::from(strings.collect::<Vec<_>>()).to_string()
}

/// Reads strings from a JSON array.
pub(super) fn strings_from_json(json: &str) -> Option<Vec<String>> {
    serde_json::from_str(json).ok()
}

fn roles_to_json(roles: &Roles) -> String {
    strings_to_json(roles.iter().map(user_domain::values::Role::as_str))
}

fn roles_from_json(json: &str) -> Option<Roles> {
    strings_from_json(json).map(Roles::from_store)
}
