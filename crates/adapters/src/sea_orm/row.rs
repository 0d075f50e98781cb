//! Converts users to rows and back.

use sea_orm::{ActiveModelTrait, IntoActiveModel, Iterable, Value};
use user_domain::StoreError;
use user_domain::directory::search_text;
use user_domain::user::{Profile, Standing, Status, Suspension, User, UserMetadata, UserState};
use user_domain::values::{
    Bio, Birthdate, EmailAddress, ExternalId, Locale, Metadata, PhoneNumber, Revision, Roles,
    ShortText, SuspensionReason, Timestamp, UserId, Username, WebUrl, ZoneInfo,
};

use super::entities::users;

/// Converts a user to a row with all columns set.
pub(super) fn from_user(user: &User) -> users::ActiveModel {
    to_row(user).into_active_model().reset_all()
}

/// Converts a user to the values of a hand-written statement, in the order of the columns.
pub(super) fn to_values(user: &User) -> Vec<Value> {
    let mut row = to_row(user).into_active_model();
    let columns = users::Column::iter();
    columns
        .filter_map(|column| row.take(column).into_value())
        .collect()
}

/// Converts a user to a row.
///
/// Every field is named, so that an unstored field is a compile error.
pub(crate) fn to_row(user: &User) -> users::Model {
    let text = |value: Option<&str>| value.map(str::to_owned);
    let UserState {
        id,
        username,
        external_id,
        email,
        email_verified,
        phone_number,
        phone_number_verified,
        standing,
        suspension,
        roles,
        profile,
        metadata,
        revision,
        version,
        created_at,
        updated_at,
        deleted_at,
        tokens_valid_after,
        password_changed_at,
        has_blocks,
    } = &**user;
    let UserMetadata {
        public,
        user: self_managed,
        private,
    } = metadata;
    let suspension = suspension.as_deref();
    let reason = suspension.and_then(|suspension| suspension.reason.as_ref());
    let until = suspension.and_then(|suspension| suspension.until);
    let birth = profile.birthdate;
    macro_rules! model {
        ($({ $($(#[$doc:meta])* $name:ident: $field:ident($type:ident),)* })*) => {
            users::Model {
                $($($name: profile.$name.as_ref().map(ProfileColumn::to_column),)*)*
                id: id.as_uuid(),
                username: username.as_str().to_owned(),
                username_key: username.key().to_owned(),
                username_skeleton: username.skeleton().to_owned(),
                external_id: text(external_id.as_ref().map(ExternalId::as_str)),
                email: email.as_str().to_owned(),
                email_key: email.key().to_owned(),
                email_verified: *email_verified,
                phone_number: text(phone_number.as_ref().map(PhoneNumber::as_str)),
                phone_number_verified: *phone_number_verified,
                standing: standing.as_str().to_owned(),
                roles: roles_to_json(roles),
                metadata_public: public.to_json(),
                metadata_user: self_managed.to_json(),
                metadata_private: private.to_json(),
                search_text: search_text(user),
                revision: revision.get(),
                created_at: created_at.as_utc(),
                updated_at: updated_at.as_utc(),
                deleted_at: deleted_at.map(Timestamp::as_utc),
                tokens_valid_after: tokens_valid_after.map(Timestamp::as_utc),
                password_changed_at: password_changed_at.map(Timestamp::as_utc),
                has_blocks: *has_blocks,
                internal_changes: revision.internal_changes(*version),
                suspension_reason: text(reason.map(SuspensionReason::as_str)),
                suspended_until: until.map(Timestamp::as_utc),
                birthdate_is_year: birth.is_some_and(Birthdate::is_year_only),
            }
        };
    }
    user_domain::profile_fields!(model)
}

macro_rules! define_to_profile {
    ($({ $($(#[$doc:meta])* $name:ident: $field:ident($type:ident),)* })*) => {
        /// Takes the columns of the profile out of a row. The error is the name of an invalid column.
        fn take_profile(row: &mut users::Model) -> Result<Profile, &'static str> {
            Ok(Profile {
                $($($name: from_column(row.$name.take(), stringify!($name))?,)*)*
            })
        }
    };
}

user_domain::profile_fields!(define_to_profile);

/// A value of the profile, as the text in its column.
trait ProfileColumn: Sized {
    fn to_column(&self) -> String;

    /// Restores a stored value. `None` if the text is not one.
    fn from_column(text: String) -> Option<Self>;
}

macro_rules! text_columns {
    ($($type:ident)*) => {
        $(
            impl ProfileColumn for $type {
                fn to_column(&self) -> String {
                    self.as_str().to_owned()
                }

                fn from_column(text: String) -> Option<Self> {
                    Some(Self::from_store(text))
                }
            }
        )*
    };
}

text_columns!(ShortText WebUrl Bio Locale ZoneInfo);

/// A year alone is stored as its first day, which releases without `birthdate_is_year` accept.
impl ProfileColumn for Birthdate {
    fn to_column(&self) -> String {
        self.first_day().to_string()
    }

    fn from_column(text: String) -> Option<Self> {
        Self::parse(&text).ok()
    }
}

fn from_column<T: ProfileColumn>(
    text: Option<String>,
    column: &'static str,
) -> Result<Option<T>, &'static str> {
    text.map(|text| T::from_column(text).ok_or(column))
        .transpose()
}

/// Converts a row to a user. Its values were validated before they were stored.
pub(crate) fn to_user(mut row: users::Model) -> Result<User, StoreError> {
    let profile = take_profile(&mut row);
    let users::Model {
        id,
        username,
        username_key,
        username_skeleton,
        external_id,
        email,
        email_key,
        email_verified,
        phone_number,
        phone_number_verified,
        standing,
        roles,
        metadata_public,
        metadata_user,
        metadata_private,
        search_text: _,
        revision,
        created_at,
        updated_at,
        deleted_at,
        tokens_valid_after,
        password_changed_at,
        has_blocks,
        internal_changes,
        suspension_reason,
        suspended_until,
        birthdate_is_year,
        // The columns of the profile.
        ..
    } = row;
    let invalid =
        |column: &str| StoreError::Internal(format!("column {column} of user {id} is invalid"));
    let metadata =
        |column: &str, text: &str| Metadata::from_store(text).ok_or_else(|| invalid(column));
    let mut profile = profile.map_err(invalid)?;
    if birthdate_is_year {
        profile.birthdate = profile.birthdate.map(Birthdate::year_only);
    }
    let standing = Standing::from_name(&standing).ok_or_else(|| invalid("standing"))?;
    let suspension = Suspension {
        reason: suspension_reason.map(SuspensionReason::from_store),
        until: suspended_until.map(Timestamp::from_utc),
    };
    let revision = Revision::from_i64(revision).ok_or_else(|| invalid("version"))?;
    Ok(User::from_store(UserState {
        id: UserId::from_uuid(id),
        external_id: external_id.map(ExternalId::from_store),
        email_verified,
        phone_number: phone_number.map(PhoneNumber::from_store),
        phone_number_verified,
        standing,
        suspension: suspension.into_stored(standing),
        roles: roles_from_json(&roles).ok_or_else(|| invalid("roles"))?,
        metadata: UserMetadata {
            public: metadata("metadata_public", &metadata_public)?,
            user: metadata("metadata_user", &metadata_user)?,
            private: metadata("metadata_private", &metadata_private)?,
        },
        revision,
        version: revision
            .version_after(internal_changes)
            .ok_or_else(|| invalid("internal_changes"))?,
        username: Username::from_store(username, username_key, username_skeleton),
        email: EmailAddress::from_store(email, email_key),
        profile,
        created_at: Timestamp::from_utc(created_at),
        updated_at: Timestamp::from_utc(updated_at),
        deleted_at: deleted_at.map(Timestamp::from_utc),
        tokens_valid_after: tokens_valid_after.map(Timestamp::from_utc),
        password_changed_at: password_changed_at.map(Timestamp::from_utc),
        has_blocks,
    }))
}

/// Parses a status that a statement computed from the row of a user.
pub(super) fn to_status(user: UserId, name: &str) -> Result<Status, StoreError> {
    Status::from_name(name)
        .ok_or_else(|| StoreError::Internal(format!("column standing of user {user} is invalid")))
}

/// Returns strings as a JSON array.
pub(super) fn strings_to_json<'a>(strings: impl Iterator<Item = &'a str>) -> String {
    serde_json::Value::from(strings.collect::<Vec<_>>()).to_string()
}

/// Parses a JSON array of strings.
pub(super) fn strings_from_json(json: &str) -> Option<Vec<String>> {
    serde_json::from_str(json).ok()
}

fn roles_to_json(roles: &Roles) -> String {
    strings_to_json(roles.iter().map(user_domain::values::Role::as_str))
}

fn roles_from_json(json: &str) -> Option<Roles> {
    strings_from_json(json).map(Roles::from_store)
}
