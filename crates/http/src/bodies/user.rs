//! The JSON of users.

use std::collections::HashMap;

use actix_web::web::Bytes;
use serde::{Serialize, Serializer};
use user_domain::relationship::Counts;
use user_domain::values::{
    ExternalId, Metadata, PhoneNumber, Role, Roles, Timestamp, UserId, Version,
};
use user_domain::view::{FullPart, OwnPart, OwnProfile, PublicPart, PublicProfile, UserView};

use super::suspension::SuspensionBody;
use super::{CountsBody, FieldSet, LargeObject};
use crate::problem::Problem;
use crate::resource_limits::ByteBudget;

/// The size of a typical user in bytes.
pub(super) const TYPICAL_USER_BYTES: usize = 1024;

/// A user in the view of the caller. Unset fields are `null`; fields outside the view are absent.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    suspension: Option<Nullable<SuspensionBody<'a>>>,
}

macro_rules! define_profile_body {
    (
        { $($(#[$public_doc:meta])* $public:ident: $public_field:ident($public_type:ident),)* }
        { $($(#[$own_doc:meta])* $own:ident: $own_field:ident($own_type:ident),)* }
    ) => {
        #[derive(Serialize)]
        struct ProfileBody<'a> {
            $($public: Option<&'a user_domain::values::$public_type>,)*
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                $own: Option<Nullable<&'a user_domain::values::$own_type>>,
            )*
        }

        impl<'a> ProfileBody<'a> {
            fn new(public: PublicProfile<'a>, own: Option<OwnProfile<'a>>) -> Self {
                Self {
                    $($public: public.$public,)*
                    $($own: own.map(|own| Nullable(own.$own)),)*
                }
            }
        }
    };
}

user_domain::profile_fields!(define_profile_body);

#[derive(Serialize)]
struct MetadataBody<'a> {
    public: &'a Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private: Option<&'a Metadata>,
}

struct RolesBody<'a>(&'a Roles);

/// A value that may be unset, for a field that may be outside the view.
#[derive(Serialize)]
#[serde(transparent)]
struct Nullable<T>(Option<T>);

/// A user, or selected fields of it, with optional counts.
pub(crate) struct SelectedUser<'a> {
    pub(crate) view: &'a UserView,
    /// The fields to return; all fields if `None`.
    pub(crate) fields: Option<&'a FieldSet>,
    /// The follower counts; absent from the response if `None`.
    pub(crate) counts: Option<Counts>,
}

/// What a response shows of each of its users.
#[derive(Clone, Copy, Default)]
pub(crate) struct UserSelection<'a> {
    /// The fields to return; all fields if `None`.
    pub(crate) fields: Option<&'a FieldSet>,
    /// The counts of each user; `None` if the request does not include them.
    pub(crate) counts: Option<&'a HashMap<UserId, Counts>>,
}

impl<'a> UserSelection<'a> {
    /// Whether users are shown with all fields and nothing else.
    pub(super) fn is_whole_user(&self) -> bool {
        self.fields.is_none() && self.counts.is_none()
    }

    /// Returns what is shown of a user.
    pub(super) fn of(&self, view: &'a UserView) -> SelectedUser<'a> {
        SelectedUser {
            view,
            fields: self.fields,
            counts: self.counts.map(|counts| {
                let counts = counts.get(&view.public().id);
                counts.copied().unwrap_or_default()
            }),
        }
    }
}

/// Serialises a page of users and the cursor of the next page within a byte budget.
pub(crate) async fn users_page(
    users: &[UserView],
    selection: UserSelection<'_>,
    next_cursor: Option<&str>,
    budget: &ByteBudget,
) -> Result<Bytes, Problem> {
    let mut page = LargeObject::with_capacity((users.len() + 1) * TYPICAL_USER_BYTES, budget);
    page.array("users", users.iter().map(|view| selection.of(view)))
        .await?;
    page.member("next_cursor", &next_cursor)?;
    Ok(page.finish())
}

/// A user, or selected fields of it, with its counts.
#[derive(Serialize)]
struct WithCounts<T> {
    #[serde(flatten)]
    user: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<CountsBody>,
}

impl<'a> From<&'a UserView> for UserBody<'a> {
    fn from(view: &'a UserView) -> Self {
        let (own, full) = (view.own(), view.full());
        // Destructured completely, so that a field missing from the body does not compile.
        let PublicPart {
            id,
            username,
            status,
            version,
            profile,
            public_metadata,
            created_at,
        } = view.public();
        let mut body = Self {
            id,
            username: username.as_str(),
            status: status.as_str(),
            version,
            profile: ProfileBody::new(profile, own.map(|own| own.profile)),
            metadata: MetadataBody {
                public: public_metadata,
                user: None,
                private: None,
            },
            email: None,
            email_verified: None,
            phone_number: None,
            phone_number_verified: None,
            external_id: None,
            roles: None,
            created_at,
            updated_at: None,
            deleted_at: None,
            suspension: None,
        };
        if let Some(own) = own {
            body.add_own(own);
        }
        if let Some(full) = full {
            body.add_full(full);
        }
        body
    }
}

impl<'a> UserBody<'a> {
    fn add_own(&mut self, own: OwnPart<'a>) {
        let OwnPart {
            // Part of the profile above.
            profile: _,
            user_metadata,
            email,
            email_verified,
            phone_number,
            phone_number_verified,
            external_id,
            roles,
            updated_at,
            deleted_at,
            // Part of the export only.
            password_changed_at: _,
            tokens_valid_after: _,
        } = own;
        self.metadata.user = Some(user_metadata);
        self.email = Some(email.as_str());
        self.email_verified = Some(email_verified);
        self.phone_number = Some(Nullable(phone_number));
        self.phone_number_verified = Some(phone_number_verified);
        self.external_id = Some(Nullable(external_id));
        self.roles = Some(RolesBody(roles));
        self.updated_at = Some(updated_at);
        self.deleted_at = Some(Nullable(deleted_at));
    }

    fn add_full(&mut self, full: FullPart<'a>) {
        let FullPart {
            private_metadata,
            // Part of `UserRecord` only.
            standing: _,
            suspension,
            tokens_valid_after: _,
        } = full;
        self.metadata.private = Some(private_metadata);
        self.suspension = Some(Nullable(suspension.map(SuspensionBody::from)));
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
            None => WithCounts { user: body, counts }.serialize(serializer),
            Some(fields) => {
                let whole = serde_json::to_value(&body).map_err(serde::ser::Error::custom)?;
                let user = fields.select(whole);
                WithCounts { user, counts }.serialize(serializer)
            }
        }
    }
}
