//! Users, as the service returns them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use user_domain::values::{Timestamp, UserId, Version};

/// The status of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// The user can sign in.
    Active,
    /// The user is suspended, until it is activated or its suspension ends.
    Suspended,
    /// The user is deleted and can be restored. Only lists with this status return it.
    Deleted,
    /// A status of a later release of the service.
    #[serde(other)]
    Unknown,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
            Self::Unknown => "unknown",
        }
    }
}

/// How much of a user the caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    /// What every caller sees.
    Public,
    /// What the user itself sees: all but private metadata and the suspension.
    Own,
    /// Everything: for administrators, and services with `users:read_private`.
    Full,
}

/// A user in the view of the caller.
///
/// A member that is unset and a member outside the view are both `None`; [`User::view`] tells them apart. Members that
/// this release of the client does not know are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// The id, which never changes.
    pub id: UserId,
    /// The username as the user typed it.
    pub username: String,
    /// The status.
    pub status: Status,
    /// The version, which rises by one with each visible change.
    pub version: Version,
    /// The profile.
    pub profile: Profile,
    /// The metadata.
    pub metadata: Metadata,
    /// The email address; own and full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the user has proved that it receives mail at the address.
    #[serde(default)]
    pub email_verified: bool,
    /// The phone number in the form of E.164; own and full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// Whether the user has proved that it can be reached at the number.
    #[serde(default)]
    pub phone_number_verified: bool,
    /// The id of the user in older systems; own and full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The roles; own and full view only.
    #[serde(default)]
    pub roles: Vec<String>,
    /// When the user was created.
    pub created_at: Timestamp,
    /// When the user was last changed; own and full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// When the user was deleted; own and full view only. [`User::status`] says in every view whether it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Why and until when the user is suspended; full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
}

impl User {
    /// How much of the user the caller sees.
    pub fn view(&self) -> View {
        if self.metadata.private.is_some() {
            View::Full
        } else if self.updated_at.is_some() {
            View::Own
        } else {
            View::Public
        }
    }
}

macro_rules! define_profile {
    ($({ $($(#[$doc:meta])* $name:ident: $field:ident($type:ident),)* })*) => {
        /// The profile of a user: standard claims of OpenID Connect, a biography and a location.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub struct Profile {
            $($(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $name: Option<String>,
            )*)*
        }
    };
}

user_domain::profile_fields!(define_profile);

/// Custom data of a user: three JSON objects, each of at most 16 KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metadata {
    /// Written by services and administrators, visible to every caller.
    #[serde(default)]
    pub public: Map<String, Value>,
    /// Written by the user too; own and full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Map<String, Value>>,
    /// Written by services and administrators; full view only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Map<String, Value>>,
}

/// The reason and the end of a suspension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Suspension {
    /// Why the user was suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the suspension ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// How many users follow a user, and how many it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// The followers.
    pub followers: u64,
    /// The followed users.
    pub following: u64,
}

/// The requested fields of a user. A member that was not requested is `None`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "each is the member of the same name of `User`")]
#[non_exhaustive]
pub struct UserSelection {
    pub id: UserId,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub status: Option<Status>,
    #[serde(default)]
    pub version: Option<Version>,
    #[serde(default)]
    pub profile: Profile,
    #[serde(default)]
    pub metadata: Metadata,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub email_verified: Option<bool>,
    #[serde(default)]
    pub phone_number: Option<String>,
    #[serde(default)]
    pub phone_number_verified: Option<bool>,
    #[serde(default)]
    pub external_id: Option<String>,
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    #[serde(default)]
    pub deleted_at: Option<Timestamp>,
    #[serde(default)]
    pub suspension: Option<Suspension>,
    /// The counts, if they are included.
    #[serde(default)]
    pub counts: Option<Counts>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_view_is_known_from_the_members() {
        let mut user = json!({"id": "0199b8f2-7c1e-7000-8000-000000000000", "username": "a.b", "status": "frozen",
            "version": 1, "profile": {"name": null}, "metadata": {"public": {}}, "created_at": "2026-11-23T00:45:12.123456Z"});
        // A literal would lose its last digit.
        user["metadata"]["public"] = serde_json::from_str(r#"{"n": 1.50}"#).unwrap();
        let read = |user: &Value| serde_json::from_str::<User>(&user.to_string()).unwrap();
        assert_eq!(read(&user).view(), View::Public);
        assert_eq!(read(&user).status, Status::Unknown);
        user["updated_at"] = user["created_at"].clone();
        assert_eq!(read(&user).view(), View::Own);
        user["metadata"]["private"] = json!({});
        assert_eq!(read(&user).view(), View::Full);
        assert_eq!(read(&user).metadata.public["n"].to_string(), "1.50");
    }
}
