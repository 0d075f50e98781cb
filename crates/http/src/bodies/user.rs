//! A user as JSON.

use serde::{Serialize, Serializer};
use user_domain::relationship::Counts;
use user_domain::values::{
    Bio, Birthdate, ExternalId, Locale, Metadata, PhoneNumber, Role, Roles, ShortText, Timestamp,
    UserId, Version, WebUrl, ZoneInfo,
};
use user_domain::view::{PublicProfile, UserView};

use super::{CountsBody, FieldSet};

/// A user: each field of the caller's view, null where it is unset; fields outside the view are absent.
#[derive(Serialize)]
pub(crate) struct UserBody<'a> {
    id: UserId,
    username: &'a str,
    status: &'static str,
    version: Version,
    profile: ProfileBody<'a>,
    metadata: MetadataBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<Nullable<&'a PhoneNumber>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<Nullable<&'a ExternalId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<RolesBody<'a>>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Nullable<Timestamp>>,
}

#[derive(Serialize)]
struct ProfileBody<'a> {
    name: Option<&'a ShortText>,
    given_name: Option<&'a ShortText>,
    family_name: Option<&'a ShortText>,
    nickname: Option<&'a ShortText>,
    picture: Option<&'a WebUrl>,
    website: Option<&'a WebUrl>,
    bio: Option<&'a Bio>,
    location: Option<&'a ShortText>,
    locale: Option<&'a Locale>,
    zoneinfo: Option<&'a ZoneInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    birthdate: Option<Nullable<&'a Birthdate>>,
}

#[derive(Serialize)]
struct MetadataBody<'a> {
    public: &'a Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private: Option<&'a Metadata>,
}

struct RolesBody<'a>(&'a Roles);

/// A value that may be unset, in a place that may be outside the view.
#[derive(Serialize)]
#[serde(transparent)]
struct Nullable<T>(Option<T>);

/// A user, or only some fields of it, and what belongs to it without being part of it.
pub(crate) struct SelectedUser<'a> {
    /// The user.
    pub(crate) view: &'a UserView,
    /// The fields wanted; all if none are named.
    pub(crate) fields: Option<&'a FieldSet>,
    /// How many follow it, and how many it follows; none if it is not wanted.
    pub(crate) counts: Option<Counts>,
}

/// Some of a list of users, and where the next page begins.
#[derive(Serialize)]
pub(crate) struct UsersPage<'a> {
    pub(crate) users: Vec<UserBody<'a>>,
    pub(crate) next_cursor: Option<String>,
}

/// A user, whole or in part, with its counts.
#[derive(Serialize)]
struct Counted<T> {
    #[serde(flatten)]
    user: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<CountsBody>,
}

impl<'a> From<&'a UserView> for UserBody<'a> {
    fn from(view: &'a UserView) -> Self {
        let (public, own, full) = (view.public(), view.own(), view.full());
        Self {
            id: public.id,
            username: public.username.as_str(),
            status: public.status.as_str(),
            version: public.version,
            profile: ProfileBody::new(public.profile, own.map(|own| Nullable(own.birthdate))),
            metadata: MetadataBody {
                public: public.public_metadata,
                user: own.map(|own| own.user_metadata),
                private: full.map(|full| full.private_metadata),
            },
            email: own.map(|own| own.email.as_str()),
            email_verified: own.map(|own| own.email_verified),
            phone_number: own.map(|own| Nullable(own.phone_number)),
            phone_number_verified: own.map(|own| own.phone_number_verified),
            external_id: own.map(|own| Nullable(own.external_id)),
            roles: own.map(|own| RolesBody(own.roles)),
            created_at: public.created_at,
            updated_at: own.map(|own| own.updated_at),
            deleted_at: own.map(|own| Nullable(own.deleted_at)),
        }
    }
}

impl<'a> ProfileBody<'a> {
    fn new(profile: PublicProfile<'a>, birthdate: Option<Nullable<&'a Birthdate>>) -> Self {
        Self {
            name: profile.name,
            given_name: profile.given_name,
            family_name: profile.family_name,
            nickname: profile.nickname,
            picture: profile.picture,
            website: profile.website,
            bio: profile.bio,
            location: profile.location,
            locale: profile.locale,
            zoneinfo: profile.zoneinfo,
            birthdate,
        }
    }
}

impl Serialize for RolesBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Role::as_str))
    }
}

impl Serialize for SelectedUser<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body = UserBody::from(self.view);
        let counts = self.counts.map(CountsBody::from);
        match self.fields {
            None if counts.is_none() => body.serialize(serializer),
            None => Counted { user: body, counts }.serialize(serializer),
            Some(fields) => {
                let whole = serde_json::to_value(&body).map_err(serde::ser::Error::custom)?;
                let user = fields.select(whole);
                Counted { user, counts }.serialize(serializer)
            }
        }
    }
}
